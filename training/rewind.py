"""Where a run diverged: it is taken back to its newest checkpoint and runs to the step before once more, as it computes the same again."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from ..compiler.diagnostics import Failure
from .checkpoint.read import read_checkpoint
from .checkpoint.write import newest_checkpoint
from .devices import ask_first
from .divergence import divergence_failure, find_divergence
from .freezing import training_mode
from .learner import Learner
from .loop import Course, steps_of_epoch, to_device
from .seeds import step_seed
from .tally import NotFinite

if TYPE_CHECKING:
    from torch import Tensor

    from ..compiler.ir.graph import Graph


def explain_divergence(learner: Learner, course: Course, fault: NotFinite, graph: Graph) -> Failure:
    """The Failure `diverged`: at which step, and in which layer it began."""
    import torch

    step, recipe, length = fault.step - 1, course.recipe, course.length
    epoch, within = divmod(step, length.per_epoch)
    place = ask_first(learner.fabric, lambda: newest_checkpoint(course.checkpoints))
    if place is not None:
        newest = read_checkpoint(place)
        learner.restore(newest.tensors, newest.progress.step, newest.progress.scaler)
        # a checkpoint lies in the epoch of the step, or at the end of the one before: or there are several between
        progress = newest.progress
        while progress.step < step:
            for done, _, _ in steps_of_epoch(learner, course, progress):
                progress = progress._replace(step=done)
                if done == step:
                    break
    training_mode(learner.wrapped, learner.network, recipe.freeze)
    batch = next(islice(course.train.epoch(epoch, start_batch=within * recipe.accumulate), 1))
    images, targets = to_device(learner, recipe, batch)

    def replay() -> Tensor:
        torch.manual_seed(step_seed(recipe.seed, step, learner.fabric.global_rank))
        with learner.fabric.autocast():
            return course.loss(learner.network(images), targets).total

    found = find_divergence(learner.network, replay)
    return divergence_failure(found, step=fault.step, epoch=epoch + 1, loss=fault.loss, recipe=recipe, graph=graph,
                              checkpoint=place)  # fmt: skip
