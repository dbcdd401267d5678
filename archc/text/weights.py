"""What is said of the weights: where they come from, what of a checkpoint was taken, and what was passed over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ..compiler.spelling import Spelling, as_flag
from .tables import count_of

if TYPE_CHECKING:
    from ..compiler.weights.report import Taken, WeightReport

MAX_LISTED = 3
MAX_NAME = 200  # letters of a name or a place


def describe_weights(report: WeightReport, spelling: Spelling = as_flag) -> str:
    """A sentence on which tensors are trained and which are not; `spelling` is how it writes options."""
    if report.as_started:
        return f"untrained: all tensors start from {report.source}; its answers mean nothing yet"
    parts = [f"{count_of(report.loaded, 'tensor')} from {report.source}"]
    parts += [
        describe_taken(each, spelling)
        for each in report.taken
        if each.key or each.prefix or each.others or each.passed_over
    ]
    if report.skipped:
        parts.append(f"left out as asked: {', '.join(report.skipped)}")
    if report.missing:
        parts.append(f"{count_of(len(report.missing), 'tensor')} untrained ({', '.join(report.untrained)})")
    if report.unexpected:
        parts.append(f"unused: {describe_unexpected(report)}")
    return "; ".join(parts)


def describe_taken(taken: Taken, spelling: Spelling = as_flag) -> str:
    """What of a checkpoint was taken, what else would have fitted, and what was passed over because it is not whole."""
    step = f"{taken.step}: " if taken.step else ""
    options = f"{spelling('weights_key')}, {spelling('weights_prefix')}"
    others = f" ({list_some(taken.others)} fit{'s' * (len(taken.others) == 1)}, too: {options})" if taken.others else ""
    passed = f"; passed over: {list_some(taken.passed_over)}" if taken.passed_over else ""
    return f"{step}taken: {taken.place}{others}{passed}"


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
    return ", ".join(name[:MAX_NAME] for name in names[:MAX_LISTED]) + ", …" * (len(names) > MAX_LISTED)
