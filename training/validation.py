"""How well a net does on the validation pictures: each picture once, over all processes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .losses import ClassOutput, cross_entropy
from .watching import Measures

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import nn


def validate(
    module: nn.Module, batches: Iterable[Any], output: ClassOutput, fabric: Fabric, forward: Any = None
) -> Measures:
    """The measures of `module`, which is in evaluation mode afterwards.

    The loss is the plain cross-entropy of the class output. `module` is the net itself: wrapped for several processes, it would have
    them meet at each batch, and they need not have the same number of batches.
    """
    import torch

    share_buffers(module, fabric)
    module.eval()
    # top-1, top-5, the sum of the losses, pictures
    sums = torch.zeros(4, dtype=torch.float64, device=fabric.device)
    with torch.inference_mode(), fabric.autocast():
        for batch in batches:
            images, targets = fabric.to_device((batch.images, batch.targets))
            results = module(images)
            scores = results[output.name] if isinstance(results, dict) else results
            scores = scores.flatten(1).float()
            losses = cross_entropy(scores, targets, probable=output.name in output.probable, reduction="sum")
            best = scores.topk(min(5, output.classes), 1).indices == targets[:, None]
            sums += torch.stack([best[:, 0].sum(), best.sum(), losses, torch.tensor(len(targets), device=sums.device)])
    sums = sum_over_processes(sums, fabric)
    right, five, loss, pictures = sums.tolist()
    count = max(pictures, 1)
    return Measures(loss / count, right / count, five / count, int(pictures))


def sum_over_processes(values: Any, fabric: Fabric) -> Any:
    """The sum of a tensor over all processes."""
    return fabric.all_reduce(values, reduce_op="sum") if fabric.world_size > 1 else values


def share_buffers(module: nn.Module, fabric: Fabric) -> None:
    """Gives every process the buffers of the first one: batch norms have seen other pictures in each."""
    if fabric.world_size > 1:
        from torch import distributed

        for buffer in module.buffers():
            distributed.broadcast(buffer, 0)
