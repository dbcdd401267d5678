"""The loss of a net with several results: which target each of them has, and by how much it counts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from torch import Tensor

from ...diagnostics import Failure


def sum_losses(results: Tensor | Mapping[str, Tensor], target: Any, criterion: Callable[[Tensor, Any], Tensor],
               outputs: Collection[str], heads: Mapping[str, float]) -> Tensor:  # fmt: skip
    """criterion(result, target) of each of the `outputs` that has a target, and of each of the `heads` times its share.

    `results` are what the net gave. Raises Failure `loss-target` where they and `target` do not fit.
    """
    if isinstance(results, Tensor):
        if len(outputs) > 1:
            raise Failure("loss-target", f"the net gives {list_names(outputs)}, not one tensor",
                          "hand over the whole dict that the net gave")  # fmt: skip
        results = dict.fromkeys(outputs, results)
    targets = targets_by_result(target, outputs, heads)
    absent = [name for name in targets if name in outputs and name not in results]
    if absent:
        raise Failure(
            "loss-target", f"there is a target for {list_names(absent)}, which is not among the outputs given"
        )
    losses = [
        heads.get(name, 1.0) * criterion(results[name], each) for name, each in targets.items() if name in results
    ]
    total = losses[0]
    for loss in losses[1:]:
        total = total + loss
    return total


def targets_by_result(target: Any, outputs: Collection[str], heads: Mapping[str, float]) -> dict[str, Any]:
    """The target of each output and head that has one, outputs first; a head takes that of the output, if there is only one."""
    if not isinstance(target, Mapping):
        if len(outputs) > 1:
            raise Failure("loss-target", f"the net has the outputs {list_names(outputs)}, and one target is given",
                          f"say which it is for: target={{{list(outputs)[-1]!r}: …}}; an output without one adds nothing")  # fmt: skip
        target = dict.fromkeys(outputs, target)
    unknown = [name for name in target if name not in outputs and name not in heads]
    if unknown:
        raise Failure(
            "loss-target", f"the net gives no {list_names(unknown)}", f"it gives {list_names([*outputs, *heads])}"
        )
    found = {name: target[name] for name in outputs if name in target}
    if not found:
        raise Failure(
            "loss-target", "there is a target for none of the net's outputs", f"they are {list_names(outputs)}"
        )
    for head in heads:
        if head not in target and len(found) > 1:
            raise Failure("loss-target", f"the target of the head {list_names([head])} could be any of {list_names(found)}",
                          f"give it its own: target={{…, {head!r}: …}}")  # fmt: skip
    shared = next(iter(found.values()))
    return found | {head: target.get(head, shared) for head in heads}


def list_names(names: Collection[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
