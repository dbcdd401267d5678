"""What a training run came to."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from .checkpoint.progress import Best
from .measures import Measures

Reason = Literal["finished", "interrupted"]


class MemberMeasures(NamedTuple):
    """A member of an ensemble.

    name      its step in the spec
    folder    of its run
    best      its best weights; None before the first epoch's end
    measures  of these weights on the validation pictures; None without such
    """

    name: str
    folder: Path
    best: Best | None
    measures: Measures | None


class EnsembleMeasures(NamedTuple):
    """The members of an ensemble, and how well the average of what they say does on the same pictures.

    members  each with its own measures
    average  the measures of the average; None without validation pictures
    classes  how many each of them tells apart
    """

    members: tuple[MemberMeasures, ...]
    average: Measures | None
    classes: int


class TrainingResult(NamedTuple):
    """How a run ended.

    folder         of the run; docs/reference/train.md tells what it holds
    net            the net's name
    recipe         the recipe's name
    reason         "finished" or "interrupted"
    step           the optimizer step after which it ended
    steps          the optimizer steps of the whole run
    metric         "top1", "top5" or "loss", by which the best weights were chosen; None without validation, where the last ones are kept
    best           the best weights; None before the first epoch's end
    weights        their file; None where there is none yet
    seconds        of this session
    world_size     how many processes trained
    notes          remarks for people
    total_seconds  of all sessions that ended by themselves or were interrupted; 0 where that is not known
    ensemble       how the members of an ensemble do; None for another net, and until all members are finished
    """

    folder: Path
    net: str
    recipe: str
    reason: Reason
    step: int
    steps: int
    metric: str | None
    best: Best | None
    weights: Path | None
    seconds: float
    world_size: int
    notes: tuple[str, ...] = ()
    total_seconds: float = 0.0
    ensemble: EnsembleMeasures | None = None

    def __repr__(self) -> str:
        best = "" if self.best is None or self.best.value is None else f", {self.metric} {self.best.value:.4g}"
        return f"<{type(self).__name__} of {self.net} by {self.recipe}: {self.reason} after step {self.step:,} of {self.steps:,}{best}>"
