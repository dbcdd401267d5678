"""Several nodes as one: what they take from outside, what they give, and what they cost together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

from ..ir.graph import Graph, Node, Value
from ..ir.provenance import Frame, shared_frames
from .cost import Layer


class StepGroup(NamedTuple):
    """Nodes that a block, a repeat or a named step became.

    `frames` are those of all of them, outermost first, and `own` those of them that no other node has. `rounds` are the copies of a
    `repeat` that the nodes are, 0 where they are none. `layers` are their costs; `macs` and `activations` are those of inference, but for
    a group of an auxiliary head, of which they are its own. `inputs` are values from outside, `outputs` what is read outside or leaves
    the net.
    """

    path: str
    nodes: tuple[Node, ...]
    layers: tuple[Layer, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    frames: tuple[Frame, ...]
    own: tuple[Frame, ...]
    rounds: int

    @property
    def aux(self) -> bool:
        """Whether auxiliary heads alone need it, so that it costs nothing at inference."""
        return all(each.aux for each in self.layers)

    @property
    def params(self) -> int:
        return sum(each.params for each in self.layers)

    @property
    def macs(self) -> int:
        return sum(each.macs for each in self.counted)

    @property
    def activations(self) -> int:
        return sum(each.activations for each in self.counted)

    @property
    def counted(self) -> tuple[Layer, ...]:
        """The layers that inference needs; of an auxiliary head all."""
        return tuple([each for each in self.layers if not each.aux]) or self.layers


def nodes_under(graph: Graph, path: str) -> tuple[Node, ...]:
    """The nodes whose paths begin with `path` as a scope."""
    return tuple(node for node in graph.nodes if node.path.startswith(f"{path}."))


def group_nodes(graph: Graph, layers: Mapping[str, Layer], nodes: Sequence[Node]) -> StepGroup:
    """The group of some nodes of a graph, of which `layers` has the costs by path. Its path is what theirs begin with."""
    within = {node.path for node in nodes}
    made = {value.name for node in nodes for value in node.outputs}
    entering = {v.name: v for node in nodes for v in node.inputs if v.name not in made and not v.type.is_control}
    read = {v.name for node in graph.nodes if node.path not in within for v in node.inputs}
    read |= {value.name for value in graph.results()}
    frames = shared_frames([node.frames for node in nodes])
    elsewhere = {id(frame) for node in graph.nodes if node.path not in within for frame in node.frames}
    own = tuple([frame for frame in frames if id(frame) not in elsewhere])
    return StepGroup(
        group_scope([node.path for node in nodes], own),
        tuple(nodes),
        tuple([layers[node.path] for node in nodes]),
        tuple(entering.values()),
        tuple([node.output for node in nodes if node.output.name in read]),
        frames,
        own,
        count_rounds(nodes, len(frames)),
    )


def group_scope(paths: Sequence[str], own: Sequence[Frame]) -> str:
    """The scope that the paths of a group have in common. A block's scope is none of its steps: where the common path is a merge's, which is
    all that the block holds, it is the one around that.
    """
    scope = shared_scope(paths)
    is_step_of_block = scope in paths and len(paths) > 1 and any(frame.kind == "block" for frame in own)
    return scope.rpartition(".")[0] or scope if is_step_of_block else scope


def shared_scope(paths: Sequence[str]) -> str:
    """The scope that paths have in common, or the one path; empty where there is none."""
    columns = zip(*(path.split(".") for path in paths), strict=False)
    return ".".join(column[0] for column in takewhile(lambda column: len({*column}) == 1, columns))


def count_rounds(nodes: Sequence[Node], level: int) -> int:
    """How many copies of one `repeat` the nodes are that have `level` frames in common; 0 where that is not what they are."""
    inner: Collection[Frame] = {id(f): f for node in nodes for f in node.frames[level : level + 1]}.values()
    all_deep = all(len(node.frames) > level for node in nodes)
    same = len({id(f.span.source) for f in inner}) == 1 and len({f.span[1:] for f in inner}) == 1
    return len(inner) if all_deep and same and {f.kind for f in inner} == {"repeat"} else 0
