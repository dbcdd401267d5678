"""An ensemble is trained: each member by a seed of its own, and the weights of all become one file."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..compiler.analysis.missing_steps import scopes_of
from ..compiler.diagnostics import Failure
from ..compiler.spelling import as_word
from ..compiler.weights.names import belongs_to, owning_step
from .checkpoint.write import write_tensors
from .devices import ask_first, is_first, open_fabric
from .disk_space import tell_space
from .driver import begin_folder, check_folder, open_run, run_training
from .ensemble import Member, find_members
from .ensemble_report import report_early_end, report_ensemble
from .freezing import refuse_unknown
from .memory import measure_step
from .prepare import PreparedNet, TrainingRequest, check_graph, has_free_classes, prepare_net
from .recipe.recipe import Recipe
from .recipe.write import to_yaml
from .result import TrainingResult
from .run_folder import RunFolder
from .run_lock import hold_run
from .watching import RunEnd, RunPlan, Watcher

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from ..compiler.ir.graph import Graph


def train_any(request: TrainingRequest) -> TrainingResult:
    """Trains a net, or each member of an ensemble in turn."""
    _, graph = check_graph(request, {})
    return train_members(request) if find_members(graph) else run_training(request)


def first_member(request: TrainingRequest) -> tuple[TrainingRequest, int]:
    """For a rehearsal: the request for the first member of an ensemble, and how many there are; a net that is none stays as it is, as one."""
    if not find_members(check_graph(request, {})[1]):
        return request, 1
    net = prepare_net(request)
    members = find_members(net.graph)
    recipe = replace(request.recipe, freeze=frozen_steps(request.recipe.freeze, net.graph, members)[0])
    return settle_data(request, net)._replace(
        recipe=recipe, part=members[0].graph, whole=net.graph, inside=members[0].name
    ), len(members)


def settle_data(request: TrainingRequest, net: PreparedNet) -> TrainingRequest:
    """The request with the pictures that were found, and as many classes as they have."""
    classes = {"classes": len(net.data.classes)} if has_free_classes(request, net.checked) else {}
    return request._replace(data=net.data, params={**request.params, **classes})


def train_members(request: TrainingRequest) -> TrainingResult:
    """Trains the members of an ensemble one after the other, each in RUN/members/NAME, and writes RUN/best.safetensors of all.

    A member whose run is finished is not trained again, so that an ensemble is resumed as a net is.
    """
    began, folder = time.monotonic(), RunFolder(request.output)
    check_folder(request)
    with ExitStack() as held:
        if request.resume and is_first():
            held.enter_context(hold_run(folder, new=False))
        net = prepare_net(request)
        fabric = held.enter_context(open_fabric(request.recipe, request.device, given=request.fabric))
        if not request.resume:
            ask_first(fabric, lambda: held.enter_context(hold_run(folder, new=True)))
        requests = member_requests(request, net, fabric)
        if not request.resume:
            tell_space(request, [measure_step(member.graph, request.recipe) for member in find_members(net.graph)])
            # the weights that each member starts from are there before the run has begun, so that a resumed one needs no --weights
            for own in requests:
                with open_run(own):
                    pass
                free_member()
            ask_first(fabric, lambda: begin_folder(folder, request, net, fabric))
        return train_each(request, net, fabric, requests, began)


def member_requests(request: TrainingRequest, net: PreparedNet, fabric: Fabric) -> list[TrainingRequest]:
    """The request for each member of an ensemble, a run of its own in RUN/members/NAME."""
    folder, members = RunFolder(request.output), find_members(net.graph)
    settled = settle_data(request, net)._replace(whole=net.graph, fabric=fabric)
    frozen = frozen_steps(request.recipe.freeze, net.graph, members)
    return [
        settled._replace(
            output=folder.member(member.name).path, recipe=replace(request.recipe, seed=request.recipe.seed + at, freeze=own),
            part=member.graph, inside=member.name,
        )
        for at, (member, own) in enumerate(zip(members, frozen, strict=True))
    ]  # fmt: skip


def frozen_steps(paths: Sequence[str], graph: Graph, members: Sequence[Member]) -> list[tuple[str, ...]]:
    """Which of the `paths` that a recipe freezes lie in each member of an ensemble, or around it.

    Raises Failure `no-such-step` for one that is not in the ensemble, and `nothing-to-train` where all of a member is frozen.
    """
    refuse_unknown(paths, step_paths(graph))
    found = []
    for member in members:
        known = {scope for path in step_paths(member.graph) for scope in scopes_of(path)}
        found.append(tuple(path for path in paths if path in known))
        if found[-1] and all(belongs_to(name, found[-1]) for name in member.graph.params()):
            raise Failure("nothing-to-train", f"no parameter of the member `{member.name}` is left to train",
                          "freeze fewer steps; a member that is trained already joins the others at the build: archc build SPEC --weights "
                          f"{member.name}=FILE", 1)  # fmt: skip
    return found


def step_paths(graph: Graph) -> list[str]:
    """The paths of a graph's steps, and of the parts of a step that have weights of their own."""
    return [*(node.path for node in graph.nodes), *map(owning_step, graph.params())]


def train_each(request: TrainingRequest, net: PreparedNet, fabric: Fabric, requests: Sequence[TrainingRequest],
                   began: float) -> TrainingResult:  # fmt: skip
    """Trains the members, which have begun, and joins their weights."""
    folder, members = RunFolder(request.output), find_members(net.graph)
    results: list[TrainingResult] = []
    for at, (member, own) in enumerate(zip(members, requests, strict=True)):
        request.tell(f"member {at + 1} of {len(members)}: {member.name}")
        # the first one to take a step says how long all of them are
        watchers = (RecipeKeeper(folder, request.recipe),) if at == 0 and request.resume else ()
        bests = [each.best for each in results]
        try:
            results.append(run_training(own._replace(resume=True, watchers=(*watchers, *own.watchers))))
            free_member()
        except Failure as failure:
            # as of a run of one net: where the machine is at fault, nothing more is asked of it
            if failure.exit_code == 1 and fabric.is_global_zero:
                end = RunEnd(f"{failure.code}: in the member {member.name}, {failure.message}", failure.help)
                for note in report_early_end(request, net, fabric, members, bests, end):
                    request.tell(f"note: {note}")
            raise
        if results[-1].reason == "interrupted":
            break
    told = zip(members, results, strict=False)
    notes = [f"{member.name}: {note}" for member, each in told for note in each.notes]
    weights = ensemble = None
    if all(each.reason == "finished" for each in results):
        weights = folder.best
        if fabric.is_global_zero:
            join_weights(weights, [folder.member(each.name).best for each in members])
        fabric.barrier()
        if fabric.is_global_zero:
            ensemble, remarks = report_ensemble(request, net, fabric, members, [each.best for each in results])
            notes += remarks
    last = results[-1]
    if last.reason == "interrupted" and fabric.is_global_zero:
        reached = (
            f"interrupted in the member {members[len(results) - 1].name}, after step {last.step:,} of {last.steps:,}"
        )
        end = RunEnd(reached, f"archc train --resume {as_word(folder.path)} goes on")
        notes += report_early_end(request, net, fabric, members, [each.best for each in results], end)
    return last._replace(
        folder=folder.path, net=net.checked.name, step=sum(each.step for each in results), steps=last.steps * len(members), best=None,
        weights=weights, seconds=time.monotonic() - began, notes=tuple(notes), total_seconds=sum(each.total_seconds for each in results),
        ensemble=ensemble,
    )  # fmt: skip


def free_member() -> None:
    """Frees the member that is done: its net, which Fabric has wrapped, and its optimizer know each other, and Python looks for such circles only
    now and then. Members are as large as nets are, and would add up."""
    gc.collect()


class RecipeKeeper(Watcher):
    """Writes the recipe of an ensemble that goes on, which may be a longer one now: when its first member is checked, and before that takes a
    step. So the others know how long they are, whenever the run is killed."""

    def __init__(self, folder: RunFolder, recipe: Recipe) -> None:
        self.folder, self.recipe = folder, recipe

    def begin(self, plan: RunPlan) -> None:
        self.folder.write_text(self.folder.recipe, to_yaml(self.recipe))


def join_weights(place: Path, parts: Sequence[Path]) -> None:
    """Writes the tensors of several files into one; their names are different ones."""
    from .report.weights import read_best

    write_tensors(place, {name: tensor for part in parts for name, tensor in read_best(part).items()}, {})
