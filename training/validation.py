"""How well a net does on the validation pictures: each picture once, over all processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..compiler.diagnostics import Failure
from .losses import ClassOutput, cross_entropy
from .measures import Measures

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor, nn


def validate(
    module: nn.Module, batches: Iterable[Any], output: ClassOutput, fabric: Fabric, forward: Any = None
) -> Measures:
    """The measures of `module`, which is in evaluation mode afterwards.

    Raises Failure `broken-pictures` where no picture can be read. The loss is the plain cross-entropy of the class output. `module` is the net itself: wrapped for several processes, it would have
    them meet at each batch, and they need not have the same number of batches.
    """
    import torch

    share_buffers(module, fabric)
    module.eval()
    sums: list[Tensor] = []
    with torch.inference_mode(), fabric.autocast():
        for batch in batches:
            images, targets = fabric.to_device((batch.images, batch.targets))
            results = module(images)
            sums.append(measure_batch(results, targets, output))
    found = read_measures(sum_over_processes(add_batches(sums), fabric))
    if found is None:
        raise Failure("broken-pictures", "none of the validation pictures can be read",
                      "mend them (broken.csv in RUN has why of each), or train without: --set data.val=null")  # fmt: skip
    return found


def measure_batch(results: Any, targets: Tensor, output: ClassOutput) -> Tensor:
    """Of what a net gives for a batch, (4,) of float32: how many pictures are told right by its first answer, and by one of the first five, the
    sum of their losses, and how many they are."""
    import torch

    scores = results[output.name] if isinstance(results, dict) else results
    scores = scores.flatten(1).float()
    losses = cross_entropy(scores, targets, probable=output.name in output.probable, reduction="sum")
    best = scores.topk(min(5, output.classes), 1).indices == targets[:, None]
    return torch.stack([best[:, 0].sum().float(), best.sum().float(), losses, losses.new_tensor(len(targets))])


def add_batches(sums: Sequence[Tensor]) -> Tensor:
    """The sum over batches, (4,) of float64. Doubles are added on the CPU, as not every device has them."""
    import torch

    return torch.stack([*sums]).cpu().double().sum(0) if sums else torch.zeros(4, dtype=torch.float64)


def read_measures(whole: Tensor) -> Measures | None:
    """The measures of which `whole` has the sums; None where there are no pictures."""
    right, five, loss, pictures = whole.tolist()
    return Measures(loss / pictures, right / pictures, five / pictures, int(pictures)) if pictures else None


def sum_over_processes(values: Any, fabric: Fabric) -> Any:
    """The sum of a tensor over all processes, which is where the tensor was."""
    if fabric.world_size == 1:
        return values
    summed: Any = fabric.all_reduce(values.to(fabric.device), reduce_op="sum")
    return summed.to(values.device)


def share_buffers(module: nn.Module, fabric: Fabric) -> None:
    """Gives every process the buffers of the first one: batch norms have seen other pictures in each."""
    if fabric.world_size > 1:
        from torch import distributed

        for buffer in module.buffers():
            distributed.broadcast(buffer, 0)
