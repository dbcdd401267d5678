"""The loop: for each epoch, for each batch, a step down the gradient; at an epoch's end validation, the best weights, a checkpoint.

Every random number of a step comes from (seed, step, rank), and the learning rate from the step alone, so a run that goes on from a
checkpoint computes what it would have computed without having been ended.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .broken import BrokenPictures
from .checkpoint.identity import RunIdentity
from .checkpoint.progress import Best, LossSums, Progress
from .checkpoint.write import write_best, write_checkpoint
from .freezing import training_mode
from .learner import Learner
from .losses import ClassOutput, TrainingLoss
from .measures import METRICS, Measures, is_loss
from .optimizers import set_learning_rate
from .recipe.recipe import Recipe
from .result import Reason
from .schedules import Length, learning_rate, make_schedule
from .seeds import seed_generators, step_seed
from .stopping import StopRequest
from .tally import LossTally, NotFinite, StepLosses
from .validation import sum_over_processes, validate
from .watching import EpochReport, StepReport, Watcher

if TYPE_CHECKING:
    from torch import Tensor

    from .data.loader import ValidationLoader

# steps of a session after which its losses are read, so that who watches need not wait for the first report
GLANCES = (1, 10)


@dataclass(frozen=True)
class Course:
    """All that a run goes by and that does not change: the net's `output` and `loss`, the pictures, the places, and who is told.

    `train` gives the batches of an epoch, `val` those of the validation pictures; None without such.
    """

    recipe: Recipe
    length: Length
    output: ClassOutput
    loss: TrainingLoss
    train: Any
    val: ValidationLoader | None
    checkpoints: Path
    best: Path
    identity: RunIdentity
    broken: BrokenPictures
    watchers: Sequence[Watcher] = ()


def run_course(learner: Learner, course: Course, progress: Progress, stop: StopRequest) -> tuple[Progress, Reason]:
    """Trains from `progress` to the end of the course, or until the run is asked to stop. Gives where it came to, and why it ended.

    Raises NotFinite where a loss is no finite number, and Failure where a checkpoint cannot be written.
    """
    reason: Reason = "finished"
    watch = Stopwatch(course.recipe.batch)
    while progress.step < course.length.steps and reason == "finished":
        began = time.monotonic()
        with watch:
            progress, reason = run_epoch(learner, course, progress, stop, watch)
        if is_epoch_end(progress.step, course.length):
            progress = end_epoch(learner, course, progress, time.monotonic() - began)
            if is_due(course, progress) or reason == "interrupted":
                save_checkpoint(learner, course, progress)
        else:
            save_checkpoint(learner, course, progress)
    return progress, reason


def run_epoch(learner: Learner, course: Course, progress: Progress, stop: StopRequest,
              watch: Stopwatch) -> tuple[Progress, Reason]:  # fmt: skip
    """The rest of the epoch in which `progress` is."""
    recipe, length = course.recipe, course.length
    tally = LossTally(learner.fabric)
    for step, lr, losses in steps_of_epoch(learner, course, progress):
        tally.add(losses)
        watch.steps += 1
        progress = progress._replace(step=step)
        for each in course.watchers:
            each.tick(step, (step - 1) // length.per_epoch + 1)
        if step % recipe.log.every == 0 or step == length.steps:
            progress = report_step(course, tally.read_into(progress), lr, watch)
            course.broken.gather()
        elif watch.steps in GLANCES and not watch.asked:
            progress = tally.read_into(progress)
            for each in course.watchers:
                each.glance(describe_step(course, progress, lr, watch.rate(time.monotonic())))
        if not is_epoch_end(step, length):
            if recipe.checkpoint.every_steps and step % recipe.checkpoint.every_steps == 0:
                progress = tally.read_into(progress)
                save_checkpoint(learner, course, progress)
            if stop.agreed():
                return tally.read_into(progress), "interrupted"
    return tally.read_into(progress), "interrupted" if stop.agreed() else "finished"


def steps_of_epoch(learner: Learner, course: Course, progress: Progress) -> Iterator[tuple[int, float, StepLosses]]:
    """Takes the steps that are left of an epoch; gives after each how many there were so far, its learning rate, and its losses."""
    recipe, length = course.recipe, course.length
    epoch, done = divmod(progress.step, length.per_epoch)
    batches = course.train.epoch(epoch, start_batch=done * recipe.accumulate)
    training_mode(learner.wrapped, learner.network, recipe.freeze)
    for step in range(progress.step, min((epoch + 1) * length.per_epoch, length.steps)):
        lr = learning_rate(recipe, step, length, progress.plateau)
        set_learning_rate(learner.optimizer, lr)
        seed_generators(step_seed(recipe.seed, step, learner.fabric.global_rank), learner.fabric.device)
        yield step + 1, lr, take_step(learner, course, islice(batches, recipe.accumulate))


def take_step(learner: Learner, course: Course, batches: Iterable[Any]) -> StepLosses:
    """One step of the optimizer, down the gradient of `accumulate` batches. Gives the mean losses of these."""
    fabric, passes = learner.fabric, course.recipe.accumulate
    learner.optimizer.zero_grad()
    found: list[StepLosses] = []
    for at, (batch, share) in enumerate(weigh_passes(learner, course, batches)):
        course.broken.add(batch.broken)
        images, targets = to_device(learner, course.recipe, batch)
        with fabric.no_backward_sync(learner.wrapped, enabled=at + 1 < passes):  # type: ignore[arg-type]
            losses = course.loss(learner.wrapped(images), targets).scaled(share)
            fabric.backward(losses.total / passes if passes > 1 else losses.total)
        found.append(StepLosses(losses.total.detach(), losses.by_result, losses.right))
    if course.recipe.clip is not None:
        fabric.clip_gradients(learner.wrapped, learner.optimizer, max_norm=course.recipe.clip, error_if_nonfinite=False)
    learner.optimizer.step()
    if learner.average is not None:
        learner.average.update_parameters(learner.network)
    return found[0] if len(found) == 1 else mean_losses(found)


def weigh_passes(learner: Learner, course: Course, batches: Iterable[Any]) -> Iterator[tuple[Any, Tensor | None]]:
    """The batches of a step, each with what its mean loss is multiplied by, so that the mean over passes and processes is that over all
    pictures of the step. None is 1: batches have equally many pictures, and only weights of classes make some of them count more."""
    import torch

    weights, fabric = course.loss.weights, learner.fabric
    parts = course.recipe.accumulate * fabric.world_size
    if weights is None or parts == 1:
        yield from ((batch, None) for batch in batches)
        return
    batches = list(batches)
    sums = torch.stack([course.loss.weigh(fabric.to_device(batch.targets)) for batch in batches])
    mean = sum_over_processes(sums.sum(), fabric) / parts
    yield from zip(batches, sums / mean, strict=True)


def to_device(learner: Learner, recipe: Recipe, batch: Any) -> tuple[Tensor, Tensor]:
    """A batch's images and targets where they are computed with."""
    import torch

    images, targets = learner.fabric.to_device((batch.images, batch.targets))
    return (images.contiguous(memory_format=torch.channels_last) if recipe.channels_last else images), targets


def mean_losses(found: Sequence[StepLosses]) -> StepLosses:
    """The means over the passes of a step."""
    import torch

    by_result = {name: torch.stack([each.by_result[name] for each in found]).mean() for name in found[0].by_result}
    counted = [each.right for each in found if each.right is not None]
    right = torch.stack(counted).mean() if counted else None
    return StepLosses(torch.stack([each.total for each in found]).mean(), by_result, right)


def report_step(course: Course, progress: Progress, lr: float, watch: Stopwatch) -> Progress:
    """Tells the watchers of the steps since the last report."""
    report = describe_step(course, progress, lr, watch.images_per_second())
    for each in course.watchers:
        each.step(report)
    return progress._replace(report_losses=LossSums())


def describe_step(course: Course, progress: Progress, lr: float, rate: float) -> StepReport:
    """The steps since the last report, of which a second took `rate` images."""
    sums = progress.report_losses
    losses = {name: sums.mean(name) for name in sums.values if name}
    epoch = (progress.step - 1) // course.length.per_epoch + 1
    return StepReport(progress.step, epoch, sums.mean(), losses, lr, rate, sums.top1)


def end_epoch(learner: Learner, course: Course, progress: Progress, seconds: float) -> Progress:
    """Validates, keeps the best weights, and tells the watchers. Raises NotFinite where the weights are no numbers."""
    recipe, fabric = course.recipe, learner.fabric
    if not learner.is_finite():
        raise NotFinite(progress.step, None)
    train_loss, train_top1 = progress.epoch_losses.mean(), progress.epoch_losses.top1
    lr = learning_rate(recipe, progress.step - 1, course.length, progress.plateau)
    progress, measures = measure_epoch(learner, course, progress)
    course.broken.gather()
    value = metric_value(recipe.checkpoint.best, measures, train_loss)
    # without validation the last weights are the best that there are
    best = measures is None or is_better(recipe.checkpoint.best, value, progress.best)
    if best:
        progress = progress._replace(best=Best(progress.step, value))
        if fabric.is_global_zero:
            write_best(course.best, learner)
    epoch = (progress.step - 1) // course.length.per_epoch + 1
    for each in course.watchers:
        each.epoch(
            EpochReport(epoch, progress.step, train_loss, measures, best, lr, seconds, course.broken.count, train_top1)
        )
    return progress


def measure_epoch(learner: Learner, course: Course, progress: Progress) -> tuple[Progress, Measures | None]:
    """The measures on the validation pictures after an epoch, None without such, and what the schedule remembers of them."""
    measures = None
    if course.val is not None:
        measures = validate(learner.evaluated, course.val, course.output, learner.fabric)
        course.broken.add(course.val.broken.items())
    metrics: dict[str, float] = {name: metric_value(name, measures, progress.epoch_losses.mean()) for name in METRICS}
    plateau = make_schedule(course.recipe.schedule).after_epoch(progress.plateau, metrics)
    return progress._replace(plateau=plateau, epoch_losses=LossSums()), measures


def metric_value(name: str, measures: Measures | None, train_loss: float) -> float:
    """A metric by its name; without validation pictures it is the training loss, negative where more is better."""
    if measures is None:
        return train_loss if is_loss(name) else -train_loss
    return float(getattr(measures, name))


def is_better(name: str, value: float, best: Best | None) -> bool:
    """Whether `value` is better than the best so far. Of equal ones the first stays, and any is better than no number."""
    return best is None or math.isnan(best.value) or (value < best.value if is_loss(name) else value > best.value)


def is_epoch_end(step: int, length: Length) -> bool:
    """Whether an epoch is whole after `step` steps, or the run is."""
    return step % length.per_epoch == 0 or step == length.steps


def is_due(course: Course, progress: Progress) -> bool:
    """Whether there is a checkpoint at this end of an epoch."""
    rules, length = course.recipe.checkpoint, course.length
    by_epochs = rules.every_epochs and (progress.step // length.per_epoch) % rules.every_epochs == 0
    by_steps = rules.every_steps and progress.step % rules.every_steps == 0
    return bool(by_epochs or by_steps or progress.step == length.steps)


def save_checkpoint(learner: Learner, course: Course, progress: Progress) -> None:
    """Writes a checkpoint; the first process does. Raises NotFinite where the weights are none that one can go on from: a gradient
    may be infinite where the loss is not, and the last good checkpoint must not be replaced."""
    if progress.step and not learner.is_finite():
        raise NotFinite(progress.step, None)
    course.broken.gather()
    if learner.fabric.is_global_zero:
        write_checkpoint(course.checkpoints, learner, progress, course.identity, course.recipe.checkpoint.keep)


class Stopwatch:
    """How many images of all processes a second of training takes, since it was last asked; it goes inside the `with` block alone, so that
    validations and checkpoints at an epoch's end do not count."""

    def __init__(self, batch: int) -> None:
        self.batch, self.steps, self.seconds, self.began = batch, 0, 0.0, 0.0
        self.asked = False

    def __enter__(self) -> None:
        self.began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.monotonic() - self.began

    def images_per_second(self) -> float:
        """The rate of the steps that `steps` has counted; asked while it goes. It begins anew then."""
        now = time.monotonic()
        rate = self.rate(now)
        self.steps, self.seconds, self.began, self.asked = 0, 0.0, now, True
        return rate

    def rate(self, now: float) -> float:
        """The rate up to `now`, and it goes on."""
        return self.steps * self.batch / max(self.seconds + now - self.began, 1e-9)
