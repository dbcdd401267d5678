"""The depth of a net: how many convolutions and linear layers stand one after the other, on its longest path and on all of them."""

from __future__ import annotations

from typing import NamedTuple

from ..ir.graph import Graph, Node
from ..ops.op import op_of


def depth(graph: Graph, nodes: tuple[Node, ...]) -> int:
    """The longest chain of convolutions and linear layers from an input to an output, over the `nodes` that outputs need."""
    chain: dict[str, int] = {}
    for node in nodes:
        before = max([chain.get(value.name, 0) for value in node.inputs], default=0)
        chain[node.output.name] = before + (op_of(node).counts == "weight")
    return max((chain.get(output.value.name, 0) for output in graph.outputs), default=0)


class PathDepths(NamedTuple):
    """How many convolutions and linear layers the paths from an input to an output have; `paths` is how many paths there are."""

    longest: int
    shortest: int
    mean: float
    paths: int


class _Paths(NamedTuple):
    """The paths that end at a value: how many, and their longest, shortest and added lengths."""

    paths: int
    longest: int
    shortest: int
    total: int


def path_depths(graph: Graph) -> PathDepths:
    """The depths of all paths from an input to an output, each counted once, whatever it contributes.

    A merge has a path for each branch. So a residual net is an ensemble of 2**blocks paths, about half as deep as the net on average
    (Veit et al. 2016); FractalNet has the paths through its columns (Larsson et al. 2016). A gate's branch counts as any other.
    All figures are 0 where no input reaches an output.
    """
    nodes = graph.needed_by(output.value for output in graph.outputs)
    paths = {value.name: _Paths(1, 0, 0, 0) for value in graph.inputs}
    for node in nodes:
        before = [paths[value.name] for value in node.inputs if value.name in paths]
        if before:
            number, longest, shortest, total = join_paths(before)
            own = op_of(node).counts == "weight"
            paths[node.output.name] = _Paths(number, longest + own, shortest + own, total + own * number)
    ends = [paths[output.value.name] for output in graph.outputs if output.value.name in paths]
    if not ends:
        return PathDepths(0, 0, 0.0, 0)
    number, longest, shortest, total = join_paths(ends)
    return PathDepths(longest, shortest, total / number, number)


def join_paths(branches: list[_Paths]) -> _Paths:
    """The paths of all branches together."""
    numbers, longest, shortest, totals = zip(*branches, strict=True)
    return _Paths(sum(numbers), max(longest), min(shortest), sum(totals))
