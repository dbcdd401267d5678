"""A net that is the mean of members: which these are.

Krizhevsky et al. 2012, section 6.1, average the probabilities of several nets that were trained apart. Here that is told by the graph:
the output merges branches that share nothing but the picture, and each of them gives probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..compiler.analysis.distributions import distributions
from ..compiler.ir.graph import Graph, Head, Output, Value
from ..compiler.ops.op import op_of
from ..compiler.weights.names import belongs_to


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


def result_of(member: Member) -> str:
    """What a member's scores are called in `with_members`: as no output of a spec is."""
    return f"member {member.name}"


def with_members(graph: Graph, members: Sequence[Member]) -> Graph:
    """The ensemble, which gives the scores of its members, too; its own output stays the last one."""
    scores = (Output(result_of(member), member.graph.outputs[0].value) for member in members)
    return graph.replace(outputs=(*scores, *graph.outputs))
