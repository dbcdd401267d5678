"""The depth of a net: how many convolutions and linear layers stand one after the other."""

from __future__ import annotations

from ..ir.graph import Graph, Node
from ..ops.op import op_of


def depth(graph: Graph, nodes: tuple[Node, ...]) -> int:
    """The longest chain of convolutions and linear layers from an input to an output, over the `nodes` that outputs need."""
    chain: dict[str, int] = {}
    for node in nodes:
        before = max((chain.get(value.name, 0) for value in node.inputs), default=0)
        chain[node.output.name] = before + (op_of(node).counts == "weight")
    return max((chain.get(output.value.name, 0) for output in graph.outputs), default=0)
