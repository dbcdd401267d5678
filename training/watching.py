"""What a training run tells while it goes on, and who may listen: progress, metrics.csv, TensorBoard, the report.

The loop makes these values and knows nobody who reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .measures import Measures

if TYPE_CHECKING:
    from .recipe.recipe import Recipe


class RunPlan(NamedTuple):
    """What a run will do.

    net              the net's name
    recipe           how it is trained
    folder           of the run
    classes          their names, in their order
    train            pictures that the net learns from
    val              pictures for validation; 0 without
    steps_per_epoch  optimizer steps of an epoch
    steps            optimizer steps of the whole run
    first_step       over 0 where the run goes on from a checkpoint
    device           where it runs, as "cpu" or "cuda"
    world_size       how many processes train
    heads            the paths of the net's auxiliary heads
    outputs          the names of the net's outputs
    parameters       how many numbers it learns
    frozen           how many parameters stay as they are
    """

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
    outputs: tuple[str, ...] = ()
    parameters: int = 0
    frozen: int = 0

    @property
    def epochs(self) -> int:
        """How many epochs the run has; the last may be a part of one."""
        return -(-self.steps // max(self.steps_per_epoch, 1))

    @property
    def measured_losses(self) -> tuple[str, ...]:
        """The names whose own losses are told beside the whole one: outputs and heads, where there is more than one of them."""
        names = (*self.outputs, *self.heads)
        return names if len(names) > 1 else ()


class RunEnd(NamedTuple):
    """How a run ended: `stopped_by` says in words what ended it before its time, and is empty where it is finished; `help` is what can be
    done then."""

    stopped_by: str = ""
    help: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end."""
        return not self.stopped_by


class StepReport(NamedTuple):
    """One optimizer step, told every `log.every` steps: means over the steps since the last report.

    step               counted from 1 over the whole run
    epoch              counted from 1
    loss               the one that is differentiated
    losses             the unweighted losses of the outputs and heads, by name
    lr                 the learning rate
    images_per_second  of all processes
    top1               the share of the training pictures, from 0 to 1, whose class was right; None where that was not counted (mixed pictures
                       have no one class)
    """

    step: int
    epoch: int
    loss: float
    losses: Mapping[str, float]
    lr: float
    images_per_second: float
    top1: float | None = None


class EpochReport(NamedTuple):
    """One epoch's end.

    epoch       counted from 1
    step        the last optimizer step, counted from 1 over the whole run
    train_loss  the mean over the epoch's steps
    val         how well the net does on the validation pictures; None without such
    best        these are the best weights so far, or the last ones where nothing is validated
    lr          the learning rate of the last step
    seconds     of the epoch
    broken      pictures of the run so far that could not be read and were skipped
    train_top1  the share of the training pictures, from 0 to 1, whose class was right, counted as they came, before the step that learned
                from them; None where they were mixed
    """

    epoch: int
    step: int
    train_loss: float
    val: Measures | None
    best: bool
    lr: float
    seconds: float
    broken: int
    train_top1: float | None = None


class Watcher:
    """Who is told of a run. Only the first process has watchers. What a watcher does not care for, it leaves as it is here."""

    def begin(self, plan: RunPlan) -> None:
        """Before the first step."""

    def tick(self, step: int, epoch: int) -> None:
        """After each optimizer step, whether it is reported or not; it must cost nothing."""

    def glance(self, report: StepReport) -> None:
        """After the first few steps of a session, before the first report, which counts them again."""

    def step(self, report: StepReport) -> None:
        """After every `log.every` steps."""

    def epoch(self, report: EpochReport) -> None:
        """After each epoch, with its validation."""

    def end(self, reason: str) -> None:
        """`reason` is "finished", "interrupted" or what went wrong, in words."""
