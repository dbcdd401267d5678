"""What a training run came to."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from .checkpoint.progress import Best


class TrainingResult(NamedTuple):
    """How a run ended: its `folder`, the net and the recipe by name, `step` of `steps`, why, the best weights and what they reached.

    `best` is None before the first epoch's end; `metric` is what its value is. `notes` are remarks for people.
    `seconds` are those of this session, `total_seconds` of all that ended by themselves or were interrupted; 0 where that is not known.
    """

    folder: Path
    net: str
    recipe: str
    reason: Literal["finished", "interrupted"]
    step: int
    steps: int
    metric: str
    best: Best | None
    weights: Path | None
    seconds: float
    world_size: int
    notes: tuple[str, ...] = ()
    total_seconds: float = 0.0
