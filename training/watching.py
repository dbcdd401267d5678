"""What a training run tells while it goes on, and who may listen: progress, metrics.csv, TensorBoard, the report.

The loop makes these values and knows nobody who reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from .recipe.recipe import Recipe


class RunPlan(NamedTuple):
    """What a run will do: `train` and `val` pictures, `steps_per_epoch` optimizer steps, `steps` in all, on `device` with `world_size`
    processes. `first_step` is over 0 where the run goes on from a checkpoint; `heads` are the paths of the auxiliary heads."""

    net: str
    recipe: Recipe
    folder: Path
    classes: tuple[str, ...]
    train: int
    val: int
    steps_per_epoch: int
    steps: int
    first_step: int
    device: str
    world_size: int
    heads: tuple[str, ...]


class StepReport(NamedTuple):
    """One optimizer step, told every `log.every` steps: means over the steps since the last report.

    `step` counts from 1 over the whole run, `epoch` from 1. `losses` are the unweighted losses of the outputs and heads, by name.
    `images_per_second` is of all processes.
    """

    step: int
    epoch: int
    loss: float
    losses: Mapping[str, float]
    lr: float
    images_per_second: float


class Measures(NamedTuple):
    """How well the net does on the validation pictures: `loss`, and the shares `top1` and `top5` (from 0 to 1)."""

    loss: float
    top1: float
    top5: float
    pictures: int


class EpochReport(NamedTuple):
    """One epoch's end. `val` is None without validation pictures; `best` says that these are the best weights so far.

    `broken` counts the pictures of the run so far that could not be read and were skipped.
    """

    epoch: int
    step: int
    train_loss: float
    val: Measures | None
    best: bool
    lr: float
    seconds: float
    broken: int


class Watcher(Protocol):
    """Who is told of a run. Only the first process has watchers."""

    def begin(self, plan: RunPlan) -> None: ...

    def step(self, report: StepReport) -> None: ...

    def epoch(self, report: EpochReport) -> None: ...

    def end(self, reason: str) -> None:
        """`reason` is "finished", "interrupted" or what went wrong, in words."""
