"""What a training run came to."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from .checkpoint.progress import Best
from .measures import Measures

Reason = Literal["finished", "interrupted"]


class MemberMeasures(NamedTuple):
    """A member of an ensemble: its `name`, the `folder` of its run, after which `step` of that it was `best`, and the `measures` of these weights on
    the validation pictures, None without such."""

    name: str
    folder: Path
    best: Best | None
    measures: Measures | None


class EnsembleMeasures(NamedTuple):
    """The members of an ensemble, which tell so many `classes` apart, and how well the average of what they say does on the same pictures."""

    members: tuple[MemberMeasures, ...]
    average: Measures | None
    classes: int


class TrainingResult(NamedTuple):
    """How a run ended: its `folder`, the net and the recipe by name, `step` of `steps`, why, the best weights and what they reached.

    `best` is None before the first epoch's end; `metric` is what its value is, None without validation, where nothing is measured and
    the last weights are kept. `notes` are remarks for people.
    `seconds` are those of this session, `total_seconds` of all that ended by themselves or were interrupted; 0 where that is not known.
    `ensemble` is there where all members of one are finished.
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
