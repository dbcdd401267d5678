"""The stages of a training run in order: the spec, the recipe, the pictures, the folder, the net, the loop."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..compiler.counts import count_of
from ..compiler.diagnostics import Failure, InternalError, clean
from ..compiler.driver import check
from ..compiler.spelling import as_word
from ..compiler.weights.loading import NetTensors, load_checkpoints
from ..compiler.weights.report import describe_taken, weight_warnings
from .broken import BrokenPictures
from .checkpoint.identity import RunIdentity, check_identity, current_versions, hash_pictures, hash_recipe
from .checkpoint.progress import Progress
from .checkpoint.read import read_checkpoint
from .checkpoint.write import newest_checkpoint, write_checkpoint
from .compiling import compile_faults
from .data.worker_faults import worker_faults
from .devices import ask_first, global_rank, local_processes, open_fabric
from .disk_space import tell_space
from .ensemble import find_members
from .initialization import begin_params
from .learner import Learner, make_learner
from .loop import Course, run_course
from .losses import TrainingLoss, class_weights
from .memory import StepMemory, batch_of_process, failed_batch, is_out_of_memory, refuse_large_batch
from .prepare import PreparedNet, TrainingRequest, prepare_net
from .recipe.recipe import Recipe
from .recipe.write import to_yaml
from .remarks import describe_end, describe_interruption, describe_missing
from .result import Reason, TrainingResult
from .run_folder import RunFolder, find_revision, write_spec
from .run_lock import hold_run
from .run_report import ReportedNet, is_finished_report, report_run
from .schedules import Length, make_schedule, warmup_steps
from .step_faults import step_faults
from .stopping import StopRequest
from .tally import NotFinite
from .watching import RunEnd, RunPlan, Watcher

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from ..compiler.backends.torch.network import Network
    from ..compiler.ir.graph import Graph


# where several workers are killed, the second may be told while the run ends for the first
@worker_faults()
def run_training(request: TrainingRequest) -> TrainingResult:
    """Trains a net as `request` says, in this process as one of those that torchrun has started.

    Raises SpecError for a wrong spec, Failure for what else stands in the way, and KeyboardInterrupt at a second Ctrl-C.
    """
    began = time.monotonic()
    lacking = False
    with open_run(request) as run:
        try:
            with StopRequest(run.learner.fabric.world_size) as stop:
                return follow_course(request, run, stop, began)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            # what to do is worked out when the frames of the error, and the tensors in them, are gone
            lacking = True
        memory, fabric = run.memory, run.learner.fabric
    del run
    world = fabric.world_size
    if lacking:
        raise failed_batch(
            memory, request.recipe, str(fabric.device), world_size=world, processes=local_processes(world)
        )
    raise InternalError("a run ended without a result")


class OpenRun(NamedTuple):
    """A run before it goes on: all that can be wrong before its first step has been checked, and what it starts from is in RUN."""

    net: PreparedNet
    learner: Learner
    course: Course
    memory: StepMemory
    newest: Path


@contextmanager
def open_run(request: TrainingRequest) -> Iterator[OpenRun]:
    """Begins a run, or opens it to go on, and holds it inside the block. A new one that cannot begin leaves nothing.

    Raises SpecError and Failure.
    """
    folder, recipe = RunFolder(request.output), request.recipe
    check_folder(request)
    with ExitStack() as held:
        if request.resume and global_rank() == 0:
            held.enter_context(hold_run(folder, new=False))
        net = prepare_net(request)
        all_used = len(net.graph.outputs) == 1
        fabric = held.enter_context(open_fabric(recipe, request.device, all_used=all_used, given=request.fabric))
        device, world = str(fabric.device), fabric.world_size
        memory = refuse_large_batch(net.graph, recipe, device, world_size=world, processes=local_processes(world))
        if not request.resume and request.part is None:
            tell_space(request, [memory])
        learner = make_learner(build_network(net.graph, request), recipe, fabric)
        loaders = open_loaders(net, recipe, fabric)
        for each in filter(None, loaders):
            held.callback(each.close)
        course = plan_course(folder, request, net, learner, loaders)
        newest = ask_first(fabric, lambda: open_folder(request, net, learner, course, held))
        yield OpenRun(net, learner, course, memory, newest)


def follow_course(request: TrainingRequest, run: OpenRun, stop: StopRequest, began: float) -> TrainingResult:
    """Goes on from the newest checkpoint, and writes the report at the end."""
    net, learner, course = run.net, run.learner, run.course
    fabric, folder = learner.fabric, RunFolder(request.output)
    progress, notes = resume_progress(run.newest, learner, course, request.run)
    if request.resume and fabric.is_global_zero:
        # all is checked; it may be a longer one now
        folder.write_text(folder.recipe, to_yaml(request.recipe))
    course = replace(course, watchers=watch(request, folder, progress) if fabric.is_global_zero else ())
    plan = describe_run(request, net, learner, course, progress)
    progress, reason = carry_out(request, run, course, plan, progress, stop)
    notes += describe_end(progress, plan, request.run) if request.resume else []
    total = 0.0
    if fabric.is_global_zero:
        if plan.first_step < progress.step or not is_finished_report(folder):
            end = RunEnd() if reason == "finished" else describe_interruption(progress, plan, request.run)
            notes += report_run(ReportedNet(net.checked.name, net.output, net.data), learner, course, plan, end)
        total = folder.add_session(plan.first_step, progress.step, time.monotonic() - began)
    fabric.barrier()
    return TrainingResult(
        folder.path, net.graph.name, course.recipe.name, reason, progress.step, course.length.steps,
        None if course.val is None else course.recipe.checkpoint.best,
        progress.best, folder.best if progress.best else None, time.monotonic() - began, fabric.world_size,
        (*notes, *filter(None, [course.broken.note()])), total,
    )  # fmt: skip


def carry_out(request: TrainingRequest, run: OpenRun, course: Course, plan: RunPlan, progress: Progress,
              stop: StopRequest) -> tuple[Progress, Reason]:  # fmt: skip
    """Runs the course; tells the watchers how it ends, however it does. A run that fails by its net, recipe or pictures has a report, too."""
    net, learner = run.net, run.learner
    failure: Failure | None = None
    ended = "ended by an error"
    for each in course.watchers:
        each.begin(plan)
    try:
        with worker_faults(), compile_faults(), step_faults(learner.network):
            progress, reason = run_course(learner, course, progress, stop)
        ended = reason
        return progress, reason
    except NotFinite as fault:
        from .rewind import explain_divergence

        failure = explain_divergence(learner, course, fault, net.graph)
    except Failure as found:
        failure = found
        # what a loader stopped at has not come with a batch
        for loader in filter(None, (course.train, course.val)):
            course.broken.keep(loader.broken.items())
        if len(course.train.broken) > course.broken.limit:
            failure = course.broken.over_limit()
    except KeyboardInterrupt:
        ended = "interrupted"
        raise
    finally:
        for each in course.watchers:
            each.end(failure.message if failure else ended)
    # where the machine is at fault, as a full disk is, nothing more is asked of it
    if failure.exit_code == 1 and learner.fabric.is_global_zero:
        end = RunEnd(f"{failure.code}: {failure.message}", failure.help)
        for note in report_run(ReportedNet(net.checked.name, net.output, net.data), learner, course, plan, end):
            request.tell(f"note: {note}")
    if failure.code == "disk-full":
        help = f"free some space; archc train --resume {as_word(request.run)} goes on from the newest checkpoint"
        raise Failure(failure.code, failure.message, help, failure.exit_code)
    raise failure


def open_loaders(net: PreparedNet, recipe: Recipe, fabric: Fabric) -> tuple[Any, Any]:
    """The loaders of this process: of the training pictures, and of those for validation, None without."""
    from .data.loader import TrainingLoader, ValidationLoader, share_workers

    batch = batch_of_process(recipe, fabric.world_size)
    workers, pin = share_workers(recipe.data.workers, local_processes(fabric.world_size)), fabric.device.type == "cuda"
    rank, world = fabric.global_rank, fabric.world_size
    train = TrainingLoader(net.data.train, net.how, recipe.augment, batch, recipe.seed, rank, world, workers, recipe.data.broken, pin, recipe.accumulate)  # fmt: skip
    if net.data.val is None:
        return train, None
    return train, ValidationLoader(net.data.val, net.how, batch, workers, rank, world, pin)


# -- the folder -------------------------------------------------------------------------------------------------------------


def check_folder(request: TrainingRequest) -> None:
    """Raises Failure where the folder is not as the request says. The first process alone looks, as it may write there before another looks."""
    if global_rank() == 0:
        folder = RunFolder(request.output)
        folder.check_begun() if request.resume else folder.check_new()


def open_folder(request: TrainingRequest, net: PreparedNet, learner: Learner, course: Course, held: ExitStack) -> Path:
    """Begins the folder of a run, which is `held` from then on, or goes on with it; gives the newest checkpoint there.

    Raises Failure `checkpoint-damaged` where there is none.
    """
    folder = RunFolder(request.output)
    if not request.resume:
        held.enter_context(hold_run(folder, new=True))
        # run.json, which says that a run has begun, comes last
        write_checkpoint(course.checkpoints, learner, Progress(), course.identity, request.recipe.checkpoint.keep)
        begin_folder(folder, request, net, learner.fabric)
    newest = newest_checkpoint(folder.checkpoints)
    if newest is None:
        raise Failure("checkpoint-damaged", f"`{folder.checkpoints}` has no checkpoint, so nobody knows how far the run was, nor what it started from",
                      "put one back, or begin a new run")  # fmt: skip
    return newest


def begin_folder(folder: RunFolder, request: TrainingRequest, net: PreparedNet, fabric: Fabric) -> None:
    """Writes what a run begins with, beside what its net starts from; run.json comes last."""
    if request.part is None:
        write_spec(folder, net.checked, net.data.classes)
        again = check(str(folder.spec), limits=request.limits)
        if again.graph is None or again.graph.sha256() != net.graph.sha256():
            raise InternalError(f"{folder.spec} is not the net that is trained")
    folder.write_text(folder.recipe, to_yaml(request.recipe))
    if request.part is None:
        folder.write_split(net.data)
    data = request.data if isinstance(request.data, (str, os.PathLike)) else None
    record = {
        "net": net.graph.name,
        "recipe": request.recipe.name,
        "recipe_origin": request.recipe.origin,
        "command": [clean(word) for word in sys.argv],
        "data": os.path.abspath(data) if data is not None else None,
        "pictures": net.data.how,
        "world_size": fabric.world_size,
        "spec_sha256": net.graph.sha256(),
        "recipe_sha256": hash_recipe(request.recipe),
        "versions": {"python": sys.version.split()[0], **current_versions(fabric.device.type)},
        "revision": find_revision(Path.cwd()),
    }
    folder.write_text(folder.record, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


# -- the net and the loop ---------------------------------------------------------------------------------------------------


def build_network(graph: Graph, request: TrainingRequest) -> Network:
    """The net as a torch module with the weights that it starts from; where a run goes on, a checkpoint's replace them."""
    from ..compiler.backends.torch.module import to_torch
    from ..compiler.weights.seeded import SeededSource

    seed = request.recipe.seed
    start = SeededSource(begin_params(graph, request.recipe.init, request.whole, request.inside), seed)
    given = request.weights
    if given.checkpoints and not request.resume:
        # a member's options may name what others have: they are those of the whole net, as a build reads them
        net = NetTensors.of(request.whole or graph)
        loaded = load_checkpoints(given.checkpoints, net, start, given.options)
        missing = [name for name in loaded.report.missing if name in graph.params()]
        taken = "".join(
            f"; {describe_taken(each, given.options.spelling)}" for each in loaded.report.taken if not each.is_plain
        )
        request.tell(f"weights from {loaded.report.source}: {count_of(len(graph.params()) - len(missing), 'tensor')}"
                     + describe_missing(missing) + taken)  # fmt: skip
        # the members of an ensemble read the same checkpoints, one after the other
        if request.whole is None or request.inside == find_members(request.whole)[0].name:
            for code, text in weight_warnings(loaded.report):
                request.tell(f"warning[{code}]: {text}")
        return to_torch(graph, loaded.source, seed)
    return to_torch(graph, start, seed)


def plan_course(
    folder: RunFolder, request: TrainingRequest, net: PreparedNet, learner: Learner, loaders: tuple[Any, Any]
) -> Course:
    """What the loop goes by."""
    import torch

    recipe, fabric = request.recipe, learner.fabric
    train, val = loaders
    if recipe.log.tensorboard and fabric.is_global_zero:
        from .tensorboard import require_tensorboard

        require_tensorboard()
    schedule = make_schedule(recipe.schedule)
    # a recipe that says so is refused when it is read; pictures that are given as they are may have none
    if val is None and schedule.watches:
        raise Failure("no-validation", f"`{recipe.schedule.name}` looks at the validation pictures, and there are none",
                      "give such pictures, or take another schedule")  # fmt: skip
    per_epoch = train.batches_per_epoch // recipe.accumulate
    steps = recipe.steps if recipe.steps is not None else (recipe.epochs or 1) * per_epoch
    length = Length(steps, per_epoch)
    if late := schedule.beyond_end(length, counts_steps=recipe.steps is not None):
        request.tell(f"warning[beyond-end]: {late}")
    if (warmup := warmup_steps(recipe.schedule.warmup, length)) > steps:
        request.tell(
            f"warning[beyond-end]: the warm-up takes {count_of(warmup, 'step')}, and the run only {steps:,}: the learning rate is never reached"
        )
    weights = class_weights(recipe.loss, net.data.train.targets(), net.output.classes)
    loss = TrainingLoss(
        learner.network, net.output, recipe.loss, weights if weights is None else fabric.to_device(weights)
    )
    identity = RunIdentity(net.graph.sha256(), hash_recipe(recipe), fabric.world_size, torch.get_num_threads(),
                        current_versions(fabric.device.type), len(net.data.train), hash_pictures(net.data.train, net.data.val))  # fmt: skip
    limit = recipe.data.broken
    return Course(recipe, length, net.output, loss, train, val, folder.checkpoints, folder.best, identity,
                  BrokenPictures(folder.path, limit, fabric))  # fmt: skip


def resume_progress(newest: Path, learner: Learner, course: Course, run: Path) -> tuple[Progress, list[str]]:
    """Where the newest checkpoint is, with its tensors put back; at a run's start that is the one of step 0, which has what the net starts
    from. Gives remarks, too. `run` is the folder that goes on."""
    found = read_checkpoint(newest)
    if found.progress.step > course.length.steps:
        raise Failure("checkpoint-other-recipe", f"`{newest}` is of step {found.progress.step:,}, and the run of {RunFolder(run).recipe} ends after {course.length.steps:,}",
                      f"put it back as it was, or make the run longer: --resume {as_word(run)} --epochs N")  # fmt: skip
    changes = check_identity(str(newest), found.identity, course.identity, run)
    learner.restore(found.tensors, found.progress.step, found.progress.scaler)
    if found.progress.best is not None:
        from .report.weights import check_best

        check_best(learner.network, course.best)
    different = f"goes on, though not to the last bit as before: {'; '.join(changes)}"
    return found.progress, [different] if changes else []


def watch(request: TrainingRequest, folder: RunFolder, progress: Progress) -> list[Watcher]:
    """Who is told: metrics.csv, TensorBoard where the recipe asks for it, and whoever the caller brings."""
    from .metrics import MetricsFile

    found: list[Watcher] = [MetricsFile(folder.path, progress.step)]
    if request.recipe.log.tensorboard:
        from .tensorboard import EventFiles

        found.append(EventFiles(folder.path, progress.step))
    return [*found, *request.watchers]


def describe_run(
    request: TrainingRequest, net: PreparedNet, learner: Learner, course: Course, progress: Progress
) -> RunPlan:
    """What the watchers are told before the first step."""
    data, fabric = net.data, learner.fabric
    trained = sum(each.numel() for each in learner.network.parameters() if each.requires_grad)
    frozen = sum(each.numel() for each in learner.network.parameters() if not each.requires_grad)
    return RunPlan(
        net.graph.name, course.recipe, request.output, data.classes, len(data.train), len(data.val) if data.val else 0,
        course.length.per_epoch, course.length.steps, progress.step, str(fabric.device), fabric.world_size,
        tuple(head.path for head in net.graph.heads), (net.output.name,),
        trained, frozen,
    )  # fmt: skip
