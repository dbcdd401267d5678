"""A training run in words: what will be done, the line of a step, the line of an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..compiler.counts import count_of, format_count
from ..runtime.evaluation.tally import TOP_CLASSES
from .tables import format_table

if TYPE_CHECKING:
    from ..training.measures import Measures
    from ..training.recipe.recipe import InitRules
    from ..training.result import EnsembleMeasures
    from ..training.watching import EpochReport, RunPlan, StepReport

# no line of a run is wider: terminals and logs have as many columns
COLUMNS = 79
# what the lines of a head begin with that go on in a second line of a terminal
INDENT = " " * 12


def describe_plan(plan: RunPlan) -> Iterator[str]:
    """The lines that a run begins with."""
    recipe = plan.recipe
    trained = f", {format_count(plan.parameters)} of them trained" if plan.frozen else ""
    whole = f", {format_count(plan.parameters + plan.frozen)} parameters{trained}" if plan.parameters else ""
    yield f"training {plan.net}{whole}"
    from_where = f" from {recipe.origin}" if recipe.origin and recipe.origin != recipe.name else ""
    yield f"  recipe    {recipe.name}{from_where}" + (f" ({recipe.source})" if recipe.source else "")
    if not plan.first_step and (start := describe_init(recipe.init)):
        yield f"  init      {start}"
    val = f", {plan.val:,} for validation" if plan.val else ", none for validation"
    yield f"  pictures  {plan.train:,} of {count_of(len(plan.classes), 'class')}{val}"
    processes = f", {plan.world_size} processes" if plan.world_size > 1 else ""
    parts = f" in {recipe.accumulate} parts" if recipe.accumulate > 1 else ""
    yield f"  device    {plan.device}{processes}, {recipe.precision}"
    yield f"  steps     {plan.steps:,} of {count_of(recipe.batch, 'picture')}{parts}: {count_of(plan.epochs, 'epoch')} of {plan.steps_per_epoch:,}"
    if plan.first_step:
        yield f"  goes on   behind step {plan.first_step:,}"
    yield f"  writes    {plan.folder}"


def describe_init(rules: InitRules) -> str:
    """How the weights begin, in a line, `normal std=0.01, biases 1, 5 paths otherwise`; empty where they begin as the spec says."""
    values = [
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in rules.values.items()
        if key != "bias"
    ]
    bias = rules.values.get("bias")
    parts = [
        *([" ".join([rules.name, *values])] if rules.name != "default" else []),
        *([f"biases {bias:g}"] if bias is not None else []),
        *([f"{count_of(len(rules.layers), 'path')} otherwise"] if rules.layers else []),
        *(["last norms 0"] if rules.zero_last_norm else []),
    ]
    return ", ".join(parts)


def describe_step(
    plan: RunPlan, step: int, epoch: int, report: StepReport | None, left: str, columns: int = COLUMNS
) -> str:
    """Where the run is: epoch, step of the epoch, rate, time left, loss, accuracy, learning rate; what has no room is left out, the last first."""
    inside = step - (epoch - 1) * plan.steps_per_epoch
    parts = [(9, f"epoch {epoch:,}/{plan.epochs:,}"), (8, f"{inside:,}/{plan.steps_per_epoch:,}")]
    if report:
        parts.append((4, f"{format_rate(report.images_per_second)} img/s"))
    if left:
        parts.append((6, f"{left} left"))
    if report:
        parts.append((7, f"loss {format_loss(report.loss)}"))
        if report.top1 is not None:
            parts.append((3, f"top1 {report.top1:.1%}"))
        parts.append((2, f"lr {report.lr:.3g}"))
    return join_parts(parts, columns)


def join_parts(parts: Sequence[tuple[int, str]], columns: int) -> str:
    """The parts of a line; those of the least weight go first where it is too long."""
    kept = list(parts)
    while len(kept) > 1 and len(line := "  ".join(text for _, text in kept)) > columns:
        kept.remove(min(kept))
    return "  ".join(text for _, text in kept) if kept else line


def describe_epoch(plan: RunPlan, report: EpochReport, took: str) -> str:
    """The line that stays of an epoch."""
    width = len(f"{plan.epochs:,}")
    parts = [(9, f"epoch {report.epoch:>{width},}/{plan.epochs:,}"), (8, f"loss {format_loss(report.train_loss)}")]
    if report.val:
        parts += [(7, f"val {format_loss(report.val.loss)}"), (7, f"top1 {report.val.top1:6.2%}")]
        parts += [(1, f"top5 {report.val.top5:6.2%}")] * (len(plan.classes) > TOP_CLASSES)
    parts += [(2, f"lr {report.lr:.3g}"), (3, took)]
    if report.broken:
        parts.append((5, f"{report.broken:,} broken"))
    if report.best and report.val:
        parts.append((6, "best"))
    return join_parts(parts, COLUMNS)


def format_members(ensemble: EnsembleMeasures) -> str:
    """The members of an ensemble with what their best weights reach, and the average of what they say; columns without figures are left out,
    and top-5 where there are no more classes than that."""
    rows = [
        [each.name, f"{each.best.step:,}" if each.best else "", *format_measures(each.measures)]
        for each in ensemble.members
    ]
    rows.append(["average", "", *format_measures(ensemble.average)])
    if ensemble.average is None:
        return format_table(("member", "best step"), [row[:2] for row in rows[:-1]], "<>")
    columns = 5 if ensemble.classes > TOP_CLASSES else 4
    return format_table(("member", "best step", "loss", "top1", "top5")[:columns], [row[:columns] for row in rows], "<>>>>"[:columns])  # fmt: skip


def format_measures(measures: Measures | None) -> list[str]:
    """Loss, top-1 and top-5, each as a cell."""
    return [format_loss(measures.loss), f"{measures.top1:.2%}", f"{measures.top5:.2%}"] if measures else [""] * 3


def ensemble_json(ensemble: EnsembleMeasures) -> dict[str, Any]:
    """What `--format json` prints of an ensemble: its members, and their average; a figure that was not measured is null."""
    members = [
        {
            "name": each.name,
            "folder": str(each.folder),
            "best_step": each.best.step if each.best else None,
            **measures_json(each.measures),
        }
        for each in ensemble.members
    ]
    return {"members": members, "average": measures_json(ensemble.average)}


def measures_json(measures: Measures | None) -> dict[str, float | None]:
    """The measures of one net."""
    return {name: getattr(measures, name, None) for name in ("loss", "top1", "top5")}


def format_rate(rate: float) -> str:
    """`4.27`, `412`, `12,480`."""
    return f"{rate:.3g}" if rate < 999.5 else f"{rate:,.0f}"


def format_loss(loss: float) -> str:
    """`2.314`, `0.0231`: four digits tell more than a run repeats."""
    return (
        f"{loss:.3e}" if 0 < abs(loss) < 1e-3 or abs(loss) >= 1e5 else f"{loss:.4f}" if abs(loss) < 1 else f"{loss:.3f}"
    )
