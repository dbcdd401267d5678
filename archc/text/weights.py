"""What is said of the weights: where they come from, and what of a checkpoint was taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compiler.spelling import Spelling, as_flag
from ..compiler.weights.report import describe_taken, describe_unexpected
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
