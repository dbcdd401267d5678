"""RUN/metrics.csv: what a run measured, a line at a time, so that whatever ends the run, the file is whole up to its last line.

`split` says what a row is of: `train` the steps since the row before, `train_epoch` the training of a whole epoch, `val` the
validation pictures. What a row does not have is empty. Shares are from 0 to 1.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..compiler.destinations import write_failure
from ..compiler.files import atomic_write
from .watching import EpochReport, RunPlan, StepReport, Watcher

NAME = "metrics.csv"
COLUMNS = ("step", "epoch", "split", "loss", "top1", "top5", "lr", "images_per_second")
Row = Mapping[str, str]


class MetricsFile(Watcher):
    """Writes metrics.csv in the run's folder. A run that goes on keeps the rows up to the step that it goes on from.

    Raises Failure `disk-full` or `cannot-write` where a line cannot be written.
    """

    def __init__(self, folder: Path, first_step: int = 0) -> None:
        self.path, self.first_step = folder / NAME, first_step
        self.columns: tuple[str, ...] = ()
        self.kept: set[tuple[str, str]] = set()
        self.file = -1

    def begin(self, plan: RunPlan) -> None:
        """Opens the file: anew, or behind the rows up to the first step."""
        self.columns = (*COLUMNS, *(f"loss.{name}" for name in plan.measured_losses))
        rows = (
            [row for row in read_metrics(self.path) if int(row["step"]) <= self.first_step] if self.first_step else []
        )
        # the epoch that ends at the first step may be validated a second time
        self.kept = {(row["step"], row["split"]) for row in rows if int(row["step"]) == self.first_step}
        with atomic_write(self.path) as partial:
            partial.write_text("".join(map(format_line, [self.columns, *map(self.cells, rows)])), "utf-8", newline="")
        try:
            self.file = os.open(self.path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise write_failure(self.path, error) from None

    def step(self, report: StepReport) -> None:
        """A row `train`."""
        row = {"loss": report.loss, "top1": report.top1, "lr": report.lr, "images_per_second": report.images_per_second}
        losses = {f"loss.{name}": loss for name, loss in report.losses.items()}
        self.write({"step": report.step, "epoch": report.epoch, "split": "train", **row, **losses})

    def epoch(self, report: EpochReport) -> None:
        """A row `train_epoch`, and one `val` where there are validation pictures."""
        place = {"step": report.step, "epoch": report.epoch, "lr": report.lr}
        self.write({**place, "split": "train_epoch", "loss": report.train_loss, "top1": report.train_top1})
        if report.val:
            val = report.val
            self.write({**place, "split": "val", "loss": val.loss, "top1": val.top1, "top5": val.top5})

    def end(self, reason: str) -> None:
        """Closes the file; more than once does no harm."""
        if self.file >= 0:
            os.close(self.file)
        self.file = -1

    def write(self, row: Mapping[str, Any]) -> None:
        """One line in one call, so that a kill leaves it whole or torn at the very end, which readers leave out."""
        cells = self.cells({name: format_cell(value) for name, value in row.items()})
        if (cells[0], cells[2]) in self.kept:
            return
        line = format_line(cells).encode()
        try:
            while line:
                line = line[os.write(self.file, line) :]
        except OSError as error:
            raise write_failure(self.path, error) from None

    def cells(self, row: Row) -> list[str]:
        """A row's cells in the order of the columns."""
        return [row.get(name, "") for name in self.columns]


def format_cell(value: Any) -> str:
    """A number to nine digits, which tell any float32 from the next; empty for None."""
    return "" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)


def format_line(cells: Iterable[str]) -> str:
    """A line of the file; a head's path may have a comma."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


def read_metrics(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a metrics.csv by column, without lines that are no whole rows; none where there is no such file."""
    try:
        text = path.read_text("utf-8", "replace")
    except FileNotFoundError:
        return
    lines = csv.reader(text[: text.rfind("\n") + 1].splitlines())
    columns = next(lines, [])
    if "step" not in columns or "split" not in columns:
        return
    for cells in lines:
        row = dict(zip(columns, cells, strict=False))
        if len(cells) == len(columns) and row["step"].isascii() and row["step"].isdigit():
            yield row
