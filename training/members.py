"""A net that is the mean of members: each member is trained by a seed of its own, and the weights of all become one file.

Krizhevsky et al. 2012, section 6.1, average the probabilities of several nets that were trained apart. Here that is told by the graph:
the output merges branches that share nothing but the picture, and each of them gives probabilities.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..compiler.analysis.distributions import distributions
from ..compiler.ir.graph import Graph, Head, Output, Value
from ..compiler.ops.op import op_of
from ..compiler.weights.names import belongs_to
from .checkpoint.write import write_tensors
from .devices import ask_first, is_first, open_fabric
from .driver import begin_folder, check_folder, open_run, run_training
from .prepare import PreparedNet, TrainingRequest, check_graph, has_free_classes, prepare_net
from .recipe.write import to_yaml
from .result import TrainingResult
from .run_folder import RunFolder
from .run_lock import hold_run

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Member(NamedTuple):
    """A member of an ensemble: its `name`, the path of its steps, and its graph, whose tensors have the ensemble's own names."""

    name: str
    graph: Graph


def find_members(graph: Graph) -> tuple[Member, ...]:
    """The members of a training graph; none where it is no mean of nets that share nothing."""
    result = graph.outputs[-1].value
    merge = next((node for node in graph.nodes if node.output.name == result.name), None)
    if merge is None or len(graph.outputs) != 1 or len(merge.inputs) < 2:
        return ()
    ends = tuple(Output(value.name, value) for value in merge.inputs)
    branches = [graph.needed_by([value]) for value in merge.inputs]
    paths = [node.path for branch in branches for node in branch]
    shared = len(set(paths)) != len(paths)
    if shared or len(distributions(graph.replace(outputs=ends))) != len(ends) or not all(branches):
        return ()
    names = [common_scope([node.path for node in branch if node.op.params(*node.input_types)]) for branch in branches]
    if not all(names) or len(set(names)) != len(names):
        return ()
    return tuple(member_graph(graph, name, value) for name, value in zip(names, merge.inputs, strict=True))


def member_graph(graph: Graph, name: str, end: Value) -> Member:
    """The graph of one member. It is trained on its scores: what only makes probabilities of them at the end is left out."""
    made = {node.output.name: node for node in graph.nodes}
    value = end
    while not belongs_to(made[value.name].path, [name]):
        node = made[value.name]
        if len(node.inputs) != 1 or not op_of(node).gives_distribution([False], *node.input_types):
            break
        value = node.inputs[0]
    heads = tuple(Head(*head) for head in graph.heads if belongs_to(head.path, [name]))
    part = graph.replace(name=f"{graph.name}.{name}", outputs=(Output("logits", value),), heads=heads)
    return Member(name, part.replace(nodes=part.needed_by(part.results())))


def common_scope(paths: Sequence[str]) -> str:
    """The longest path of steps that all of the paths lie in."""
    if not paths:
        return ""
    parts = [path.split(".") for path in paths]
    count = 0
    while all(len(each) > count + 1 and each[count] == parts[0][count] for each in parts):
        count += 1
    return ".".join(parts[0][:count])


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
    return settle_data(request, net)._replace(part=members[0].graph), len(members)


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
            # the weights that each member starts from are there before the run has begun, so that a resumed one needs no --weights
            for own in requests:
                with open_run(own):
                    pass
            ask_first(fabric, lambda: begin_folder(folder, request, net, fabric))
        return train_each(request, net, fabric, requests, began)


def member_requests(request: TrainingRequest, net: PreparedNet, fabric: Fabric) -> list[TrainingRequest]:
    """The request for each member of an ensemble, a run of its own in RUN/members/NAME."""
    folder, members = RunFolder(request.output), find_members(net.graph)
    settled = settle_data(request, net)
    return [
        settled._replace(
            output=folder.member(member.name).path, recipe=replace(request.recipe, seed=request.recipe.seed + at), part=member.graph,
            fabric=fabric,
        )
        for at, member in enumerate(members)
    ]  # fmt: skip


def train_each(request: TrainingRequest, net: PreparedNet, fabric: Fabric, requests: Sequence[TrainingRequest],
                   began: float) -> TrainingResult:  # fmt: skip
    """Trains the members, which have begun, and joins their weights."""
    folder, members = RunFolder(request.output), find_members(net.graph)
    results: list[TrainingResult] = []
    for at, (member, own) in enumerate(zip(members, requests, strict=True)):
        request.tell(f"member {at + 1} of {len(members)}: {member.name}")
        results.append(run_training(own._replace(resume=True)))
        if at == 0 and request.resume and fabric.is_global_zero:
            # all is checked; it may be a longer one now
            folder.write_text(folder.recipe, to_yaml(request.recipe))
        if results[-1].reason == "interrupted":
            break
    weights = None
    if len(results) == len(members) and all(each.reason == "finished" for each in results):
        weights = folder.best
        if fabric.is_global_zero:
            join_weights(weights, [folder.member(each.name).best for each in members])
        fabric.barrier()
    last = results[-1]
    told = zip(members, results, strict=False)
    notes = tuple(
        f"{member.name}: {note}" for member, each in told for note in (describe_best(each), *each.notes) if note
    )
    return last._replace(
        folder=folder.path, net=net.checked.name, step=sum(each.step for each in results), steps=last.steps * len(members), best=None,
        weights=weights, seconds=time.monotonic() - began, notes=notes, total_seconds=sum(each.total_seconds for each in results),
    )  # fmt: skip


def describe_best(result: TrainingResult) -> str:
    """What a member reached, in words."""
    best = result.best
    return f"{result.metric} {best.value:.4f} after step {best.step:,}" if best else ""


def join_weights(place: Path, parts: Sequence[Path]) -> None:
    """Writes the tensors of several files into one; their names are different ones."""
    from .report.weights import read_best

    write_tensors(place, {name: tensor for part in parts for name, tensor in read_best(part).items()}, {})
