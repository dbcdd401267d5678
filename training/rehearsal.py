"""`--dry-run`: what a run would do, and one real step of it. Nothing is written."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..compiler.counts import format_bytes
from .broken import BrokenPictures
from .checkpoint.progress import Progress
from .compiling import compile_faults
from .devices import local_processes, open_fabric
from .disk_space import checkpoint_bytes
from .driver import build_network, describe_run, open_loaders, plan_course
from .freezing import training_mode
from .learner import Learner, make_learner
from .loop import Course, take_step
from .machine_memory import available_bytes
from .members import first_member
from .memory import StepMemory, batch_of_process, refuse_large_batch
from .metrics import NAME as METRICS
from .optimizers import set_learning_rate
from .prepare import PreparedNet, TrainingRequest, prepare_net
from .recipe.recipe import Augmentation
from .run_folder import RunFolder
from .schedules import learning_rate
from .seeds import seed_generators, step_seed
from .step_faults import step_faults
from .watching import RunPlan

if TYPE_CHECKING:
    from lightning_fabric import Fabric

# a run of more epochs is told as far as this
MOST_EPOCHS = 10_000


class ClassPictures(NamedTuple):
    """How many pictures there are of a class."""

    name: str
    train: int
    val: int


class EpochStart(NamedTuple):
    """The learning rate with which an epoch begins."""

    epoch: int
    lr: float


class TrialStep(NamedTuple):
    """One real step of this process: its `pictures`, the seconds until they were there, those of the step, and its loss."""

    pictures: int
    loading_s: float
    step_s: float
    loss: float


class RunFile(NamedTuple):
    """A file that a run would hold: at most so many bytes; 0 for a small text."""

    name: str
    bytes: int


class Rehearsal(NamedTuple):
    """All that `--dry-run` tells. `at_once` are the pictures of one pass in one process, `available` the bytes that the device has left.

    Of an ensemble it tells of the first of `members`, which are trained one after the other.
    """

    plan: RunPlan
    how: str
    classes: tuple[ClassPictures, ...]
    augment: tuple[Augmentation, ...]
    epochs: tuple[EpochStart, ...]
    memory: StepMemory
    at_once: int
    available: int | None
    files: tuple[RunFile, ...]
    step: TrialStep
    broken: tuple[tuple[str, str], ...]
    members: int = 1


def rehearse(request: TrainingRequest) -> Rehearsal:
    """What the run would do. Raises what the run would raise before its first step."""
    if request.output == Path():
        request = request._replace(output=Path("RUN"))
    request, members = first_member(request)
    net = prepare_net(request)
    all_used = len(net.graph.outputs) == 1
    with open_fabric(request.recipe, request.device, all_used=all_used, given=request.fabric) as fabric:
        return rehearse_net(request, net, fabric, members)


def rehearse_net(request: TrainingRequest, net: PreparedNet, fabric: Fabric, members: int) -> Rehearsal:
    """What the run of a prepared net would do, which is one of so many `members`."""
    device = str(fabric.device)
    memory = refuse_large_batch(
        net.graph, request.recipe, device, world_size=fabric.world_size, processes=local_processes(fabric.world_size)
    )
    available = available_bytes(device)
    learner = make_learner(build_network(net.graph, request), request.recipe, fabric)
    loaders = open_loaders(net, request.recipe, fabric)
    try:
        course = plan_course(RunFolder(request.output), request, net, learner, loaders)
        course = replace(course, broken=BrokenPictures(None, request.recipe.data.broken))
        with compile_faults(), step_faults(learner.network):
            step = try_step(learner, course)
    finally:
        for each in loaders:
            if each is not None:
                each.close()
    plan = describe_run(request, net, learner, course, Progress())
    starts = (
        EpochStart(at + 1, learning_rate(request.recipe, at * plan.steps_per_epoch, course.length))
        for at in range(min(plan.epochs, MOST_EPOCHS))
    )
    return Rehearsal(plan, net.data.how, count_classes(net), request.recipe.augment, tuple(starts), memory,
                     batch_of_process(request.recipe, fabric.world_size), available, list_files(memory, plan, members, net.checked.name), step, tuple(course.broken.found.items()), members)  # fmt: skip


def try_step(learner: Learner, course: Course) -> TrialStep:
    """The first step of the run, with its pictures, its learning rate and its random draws."""
    recipe = course.recipe
    began = time.monotonic()
    batches = [*islice(course.train.epoch(0), recipe.accumulate)]
    loaded = stepping = time.monotonic()
    training_mode(learner.wrapped, learner.network, recipe.freeze)
    set_learning_rate(learner.optimizer, learning_rate(recipe, 0, course.length))
    seed_generators(step_seed(recipe.seed, 0, learner.fabric.global_rank), learner.fabric.device)
    loss = float(take_step(learner, course, batches).total)
    if recipe.compile:
        # the first step compiled the net, too
        stepping = time.monotonic()
        take_step(learner, course, batches)
    return TrialStep(sum(len(each.images) for each in batches), loaded - began, time.monotonic() - stepping, loss)


def count_classes(net: PreparedNet) -> tuple[ClassPictures, ...]:
    """The pictures of each class."""
    import numpy as np

    data, size = net.data, len(net.data.classes)
    train = np.bincount(data.train.targets(), minlength=size)
    val = np.bincount(data.val.targets(), minlength=size) if data.val is not None else np.zeros(size, np.int64)
    return tuple(ClassPictures(name, int(train[at]), int(val[at])) for at, name in enumerate(data.classes))


def list_files(memory: StepMemory, plan: RunPlan, members: int = 1, name: str = "") -> tuple[RunFile, ...]:
    """What the run's folder would hold, in the order of size; of an ensemble called `name` what each member's does, the weights of all, and the
    built average."""
    keep = plan.recipe.checkpoint.keep
    checkpoint = checkpoint_bytes(memory)
    folder = RunFolder(plan.folder)
    split = folder.lists if plan.recipe.data.split is not None else ()
    texts = (METRICS, *(place.name for place in (folder.report, folder.recipe, folder.spec, folder.record, *split)))
    if members > 1:
        one = [
            each._replace(name=f"members/NAME/{each.name}", bytes=members * each.bytes)
            for each in list_files(memory, plan)
            # which only the whole has
            if each.name not in (folder.spec.name, *(place.name for place in folder.lists))
        ]
        whole = [RunFile(each.name, members * memory.weights) for each in (folder.best, folder.model(name))]
        return (*one, *whole, *(RunFile(text, 0) for text in texts[1:]))
    return (RunFile(f"checkpoints/ ({keep} of {format_bytes(checkpoint)})", keep * checkpoint), RunFile(folder.best.name, memory.weights),
            *(RunFile(name, 0) for name in texts))  # fmt: skip
