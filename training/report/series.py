"""What metrics.csv holds, as lines over epochs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ...compiler.counts import list_words
from ...runtime.evaluation.tally import TOP_CLASSES
from ..augment.steps import STEPS
from ..augment.steps.step import BatchStep
from ..measures import is_loss
from ..metrics import Row
from ..watching import RunPlan

# points of a line: more are no longer seen, and make the page large
MOST_POINTS = 600


class Line(NamedTuple):
    """One line of a chart: its name, and its points (epochs, value)."""

    name: str
    points: tuple[tuple[float, float], ...]


class Chart(NamedTuple):
    """One chart: `title` says what is measured; `share` marks shares, which are written in per cent, `from_zero` what has
    its axis from 0 on; `best` is where the best epoch ends."""

    title: str
    lines: tuple[Line, ...]
    share: bool = False
    best: float | None = None
    from_zero: bool = False


class EpochRow(NamedTuple):
    """One epoch as its rows tell it; what was not measured is None."""

    epoch: int
    step: int
    train_loss: float | None
    val_loss: float | None
    top1: float | None
    top5: float | None
    lr: float | None


def make_charts(rows: Sequence[Row], plan: RunPlan, best: EpochRow | None) -> list[Chart]:
    """The charts of a run; those without a line are left out."""
    at = best.step / plan.steps_per_epoch if best else None

    def line(name: str, split: str, column: str) -> Line:
        return Line(name, thin_out(read_points(rows, split, column, plan.steps_per_epoch)))

    losses = (
        line("training", "train", "loss"),
        line("training, mean of an epoch", "train_epoch", "loss"),
        line("validation", "val", "loss"),
    )
    shares = (
        line("training, top-1", "train", "top1"),
        line("validation, top-1", "val", "top1"),
        line("validation, top-5", "val", "top5"),
    )
    own = [line(name, "train", f"loss.{name}") for name in plan.measured_losses]
    every = [
        Chart(describe_loss(plan), losses, best=at),
        Chart("Accuracy", shares if len(plan.classes) > TOP_CLASSES else shares[:2], True, at),
        Chart("Learning rate", (line("learning rate", "train", "lr"),), from_zero=True),
        Chart("Losses of the output and the heads", tuple(own)),
        Chart("Images per second", (line("images per second", "train", "images_per_second"),), from_zero=True),
    ]
    kept = (chart._replace(lines=tuple(line for line in chart.lines if line.points)) for chart in every)
    return [chart for chart in kept if chart.lines]


def describe_loss(plan: RunPlan) -> str:
    """What the chart of losses shows: the loss in training is larger than the plain one where it has more in it."""
    rules = plan.recipe.loss
    parts = [
        *["the heads"] * bool(plan.heads),
        *["label smoothing"] * bool(rules.label_smoothing),
        *["class weights"] * bool(rules.class_weights),
    ]
    mixed = [each.name for each in plan.recipe.augment if issubclass(STEPS[each.name], BatchStep)]
    found = [*parts, *mixed]
    return f"Loss (that of training has {list_words(found)} in it)" if found else "Loss"


def read_points(rows: Iterable[Row], split: str, column: str, steps_per_epoch: int) -> Iterator[tuple[float, float]]:
    """The finite numbers of a column, each with where it is in epochs."""
    for row in rows:
        value = read_number(row.get(column, ""))
        if row["split"] == split and value is not None:
            yield int(row["step"]) / steps_per_epoch, value


def read_number(cell: str) -> float | None:
    """A cell as a number; None where it is empty, no number, or none that is drawn."""
    try:
        value = float(cell)
    except ValueError:
        return None
    # the sum of many must be a number, too
    return value if abs(value) < 1e100 else None


def thin_out(points: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """At most MOST_POINTS points: means of neighbours, so that no peak is invented and none decides."""
    every = tuple(points)
    size = -(-len(every) // MOST_POINTS)
    if size < 2:
        return every
    groups = (every[at : at + size] for at in range(0, len(every), size))
    return tuple((sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups)


def read_epochs(rows: Iterable[Row]) -> list[EpochRow]:
    """A row an epoch."""
    found: dict[int, EpochRow] = {}
    for row in rows:
        if row["split"] not in ("train_epoch", "val") or not row["epoch"].isdigit():
            continue
        number = int(row["epoch"])
        epoch = found.get(number, EpochRow(number, int(row["step"]), None, None, None, None, read_number(row["lr"])))
        loss, top1, top5 = (read_number(row[name]) for name in ("loss", "top1", "top5"))
        found[number] = epoch._replace(train_loss=loss) if row["split"] == "train_epoch" else epoch._replace(val_loss=loss, top1=top1, top5=top5)  # fmt: skip
    return [found[number] for number in sorted(found)]


def find_best(epochs: Iterable[EpochRow], metric: str) -> EpochRow | None:
    """The epoch with the best weights by `metric` (loss, top1, top5), of equal ones the first; None where nothing was validated."""
    column, sign = ("val_loss", 1) if is_loss(metric) else (metric, -1)
    known = [each for each in epochs if getattr(each, column) is not None]
    return min(known, key=lambda each: sign * getattr(each, column), default=None)
