"""Where a run diverged: it is taken back to its newest checkpoint and runs to the step before once more, as it computes the same again."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from ..compiler.diagnostics import Failure
from .checkpoint.progress import Progress
from .checkpoint.read import read_checkpoint
from .checkpoint.write import newest_checkpoint
from .devices import ask_first
from .divergence import Divergence, divergence_failure, find_divergence
from .freezing import training_mode
from .learner import Learner
from .loop import Course, is_epoch_end, measure_epoch, steps_of_epoch, to_device
from .seeds import seed_generators, step_seed
from .tally import LossTally, NotFinite

if TYPE_CHECKING:
    from torch import Tensor

    from ..compiler.ir.graph import Graph


def explain_divergence(learner: Learner, course: Course, fault: NotFinite, graph: Graph) -> Failure:
    """The Failure `diverged`: at which step, and in which layer it began. All processes call it, and tell the same."""
    step, fabric = fault.step - 1, learner.fabric
    place = ask_first(fabric, lambda: newest_checkpoint(course.checkpoints))
    if place is not None:
        newest = read_checkpoint(place)
        learner.restore(newest.tensors, newest.progress.step, newest.progress.scaler)
        repeat_steps(learner, course, newest.progress, step)
    found = replay_step(learner, course, step)
    if fabric.world_size > 1:
        from torch import distributed

        # the loss is that of all processes, and the pictures of another one may have made it so
        all_found: list[Any] = [None] * fabric.world_size
        distributed.all_gather_object(all_found, found)
        found = next((each for each in all_found if each.where != "nowhere"), found)
    return divergence_failure(found, step=fault.step, epoch=step // course.length.per_epoch + 1, loss=fault.loss, recipe=course.recipe, graph=graph,
                              checkpoint=place)  # fmt: skip


def repeat_steps(learner: Learner, course: Course, progress: Progress, step: int) -> None:
    """Takes the steps from `progress` to `step` once more. What a schedule remembers of the epochs between is measured again, too."""
    while progress.step < step:
        tally = LossTally(learner.fabric)
        for done, _, losses in steps_of_epoch(learner, course, progress):
            tally.add(losses)
            progress = progress._replace(step=done)
            if done == step:
                break
        progress = tally.read_into(progress)
        if is_epoch_end(progress.step, course.length):
            progress, _ = measure_epoch(learner, course, progress)


def replay_step(learner: Learner, course: Course, step: int) -> Divergence:
    """Where the first number of a step is that is not finite, in the first of its passes that has one."""
    recipe, fabric = course.recipe, learner.fabric
    epoch, within = divmod(step, course.length.per_epoch)
    training_mode(learner.wrapped, learner.network, recipe.freeze)
    # a step draws from there through all of its passes
    seed_generators(step_seed(recipe.seed, step, fabric.global_rank), fabric.device)
    found = Divergence("nowhere")
    for batch in islice(course.train.epoch(epoch, start_batch=within * recipe.accumulate), recipe.accumulate):
        images, targets = to_device(learner, recipe, batch)

        def replay(images: Tensor = images, targets: Tensor = targets) -> Tensor:
            with fabric.autocast():
                return course.loss(learner.network(images), targets).total

        found = find_divergence(learner.network, replay)
        if found.where != "nowhere":
            break
    return found
