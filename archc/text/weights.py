"""What is said of the weights: where they come from, what of a checkpoint was taken, and what was passed over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ..compiler.spelling import Spelling, as_flag
from ..compiler.weights.report import describe_taken, list_some
from .tables import count_of

if TYPE_CHECKING:
    from ..compiler.weights.report import WeightReport


def describe_weights(report: WeightReport, spelling: Spelling = as_flag) -> str:
    """A sentence on which tensors are trained and which are not; `spelling` is how it writes options."""
    if report.as_started:
        return f"untrained: all tensors start from {report.source}; its answers mean nothing yet"
    parts = [f"{count_of(report.loaded, 'tensor')} from {report.source}"]
    parts += [describe_taken(each, spelling) for each in report.taken if not each.is_plain]
    if report.skipped:
        parts.append(f"left out as asked: {', '.join(report.skipped)}")
    if report.missing:
        parts.append(f"{count_of(len(report.missing), 'tensor')} untrained ({', '.join(report.untrained)})")
    if report.unexpected:
        parts.append(f"unused: {describe_unexpected(report)}")
    return "; ".join(parts)


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
