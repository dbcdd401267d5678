"""Event files for TensorBoard in RUN/tensorboard, by torch's writer and the optional package `tensorboard`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..compiler.diagnostics import Failure
from ..runtime.faults import RuntimeFault
from ..runtime.packages import import_package
from .watching import EpochReport, RunPlan, StepReport, Watcher

FOLDER = "tensorboard"
OTHERWISE = "leave `tensorboard` out of the recipe's `log`: metrics.csv has the same numbers"


class EventFiles(Watcher):
    """Scalars by their names: `train/loss`, `val/top1`, `loss/<head>`, `lr`, `images_per_second`. A run that goes on takes back what lies
    behind the step that it goes on from.

    Raises Failure `package-missing` when it is made, before anything is trained, where the package is missing.
    """

    def __init__(self, folder: Path, first_step: int = 0) -> None:
        self.folder, self.first_step = folder / FOLDER, first_step
        self.make: Any = require_tensorboard()
        self.writer: Any = None

    def begin(self, plan: RunPlan) -> None:
        """Opens a file of events; TensorBoard itself leaves out older files' events from `purge_step` on."""
        purge = self.first_step + 1 if self.first_step else None
        self.writer = self.make(str(self.folder), purge_step=purge)

    def step(self, report: StepReport) -> None:
        self.add({"train/loss": report.loss, "train/top1": report.top1, "lr": report.lr, "images_per_second": report.images_per_second,
                  **{f"loss/{name}": loss for name, loss in report.losses.items()}}, report.step)  # fmt: skip

    def epoch(self, report: EpochReport) -> None:
        val = report.val
        self.add({"train_epoch/loss": report.train_loss, "train_epoch/top1": report.train_top1} | ({"val/loss": val.loss, "val/top1": val.top1, "val/top5": val.top5} if val else {}), report.step)  # fmt: skip
        self.writer.flush()

    def end(self, reason: str) -> None:
        """Closes the file; more than once does no harm."""
        if self.writer is not None:
            self.writer.close()
        self.writer = None

    def add(self, scalars: Mapping[str, float | None], step: int) -> None:
        """Writes those that are there."""
        for name, value in scalars.items():
            if value is not None:
                self.writer.add_scalar(name, value, step)


def require_tensorboard() -> Any:
    """torch's SummaryWriter. Raises Failure `package-missing` (environment), which names the extra."""
    try:
        import_package("tensorboard", "`log: {tensorboard: true}`", OTHERWISE)
        return import_package("torch.utils.tensorboard").SummaryWriter
    except RuntimeFault as fault:
        raise Failure.of(fault) from None
