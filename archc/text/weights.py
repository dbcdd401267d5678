"""What is said of the weights: where they come from, what of a checkpoint was taken, and what was passed over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from .tables import count_of

if TYPE_CHECKING:
    from ..compiler.weights.report import Taken, WeightReport

MAX_LISTED = 3


def describe_weights(report: WeightReport) -> str:
    """A sentence on which tensors are trained and which are not."""
    if report.as_started:
        return f"untrained: all tensors start from {report.source}; its answers mean nothing yet"
    parts = [f"{count_of(report.loaded, 'tensor')} from {report.source}"]
    parts += [describe_taken(each) for each in report.taken if each.key or each.prefix or each.others]
    if report.skipped:
        parts.append(f"left out as asked: {', '.join(report.skipped)}")
    if report.missing:
        parts.append(f"{count_of(len(report.missing), 'tensor')} untrained ({', '.join(report.untrained)})")
    if report.unexpected:
        parts.append(f"unused: {describe_unexpected(report)}")
    return "; ".join(parts)


def describe_taken(taken: Taken) -> str:
    """What of a checkpoint was taken, and what else would have fitted."""
    step = f"{taken.step}: " if taken.step else ""
    others = f" ({list_some(taken.others)} fit{'s' * (len(taken.others) == 1)}, too: --weights-key, --weights-prefix)"
    return f"{step}taken: {taken.place}{others if taken.others else ''}"


class WeightWarning(NamedTuple):
    """A warning about weights; its code has a page in docs/diagnostics."""

    code: str
    text: str


def weight_warnings(report: WeightReport) -> Iterator[WeightWarning]:
    """The warnings: tensors without a place in the net, and code that a checkpoint names and nobody ran."""
    if report.unexpected:
        yield WeightWarning("weights-unused", f"the net has no place for {describe_unexpected(report)}")
    for checkpoint, names in report.not_run.items():
        listed = list_some(tuple(f"`{name}`" for name in names))
        text = f"{checkpoint} names {listed} beside the tensors that were taken; nothing of it was run"
        yield WeightWarning("code-not-run", text)


def describe_unexpected(report: WeightReport) -> str:
    """The tensors of a checkpoint that the net has no place for: how many, of which file, and the first three."""
    return f"{count_of(len(report.unexpected), 'tensor')} of {report.source} ({list_some(report.unexpected)})"


def list_some(names: tuple[str, ...]) -> str:
    """The first few names, and whether there are more."""
    return ", ".join(names[:MAX_LISTED]) + ", …" * (len(names) > MAX_LISTED)
