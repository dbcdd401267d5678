"""The losses of the steps since they were last read. Reading one waits for the GPU, so they stay there until they are reported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from .checkpoint.progress import Progress
from .validation import sum_over_processes

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor


class NotFinite(Exception):
    """A loss is infinite or no number; `step` counts from 1, and `loss` is what it was. It is None where the loss was a number, and the
    weights are none after the step."""

    def __init__(self, step: int, loss: float | None) -> None:
        super().__init__(
            f"the loss of step {step} is {loss}" if loss is not None else f"weights after step {step} are not finite"
        )
        self.step, self.loss = step, loss


class StepLosses(NamedTuple):
    """The losses of one step: the `total` that is differentiated, and the unweighted ones `by_result`; and the share of its pictures that
    were told `right`, None where they are mixed. Means over its passes."""

    total: Tensor
    by_result: Mapping[str, Tensor]
    right: Tensor | None = None


class LossTally:
    """Losses that wait to be read."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.waiting: list[StepLosses] = []

    def add(self, losses: StepLosses) -> None:
        """Keeps the losses of a step."""
        self.waiting.append(losses)

    def read_into(self, progress: Progress) -> Progress:
        """The progress with all losses that waited, each the mean over the processes. Raises NotFinite for one that is no finite number."""
        import torch

        if not self.waiting:
            return progress
        names = ("", *self.waiting[0].by_result)
        counted = self.waiting[0].right is not None
        steps = [torch.stack([each.total, *each.by_result.values(), *([] if each.right is None else [each.right])])
                 for each in self.waiting]  # fmt: skip
        # doubles on the CPU, as not every device has them
        values = torch.stack(steps).cpu().double()
        rows = (sum_over_processes(values, self.fabric) / self.fabric.world_size).tolist()
        self.waiting = []
        for at, row in enumerate(rows):
            if not all(map(math.isfinite, row)):
                raise NotFinite(
                    progress.step - len(rows) + at + 1, next(each for each in row if not math.isfinite(each))
                )
        rights = [row.pop() for row in rows] if counted else []
        return progress._replace(
            epoch_losses=progress.epoch_losses.add(names, rows, rights),
            report_losses=progress.report_losses.add(names, rows, rights),
        )
