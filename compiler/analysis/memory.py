"""How many bytes a net needs for its activations."""

from __future__ import annotations

from functools import lru_cache

from ..ir.graph import Graph, Node, Value
from ..ir.types import TensorType
from ..ops.op import op_of


def peak_bytes(graph: Graph, nodes: tuple[Node, ...]) -> int:
    """The most bytes that are alive at once when the `nodes` run in order: a value lives from its node to its last reader.

    No op works in place and none are fused. An op that inference passes through, such as dropout, takes no memory.
    """
    aliases: dict[str, str] = {}
    steps: list[tuple[Value, list[str]]] = []
    for node in nodes:
        reads = [aliases.get(value.name, value.name) for value in node.inputs]
        if node.inputs and op_of(node).inference() is None:
            aliases[node.output.name] = reads[0]
        else:
            steps.append((node.output, reads))
    last = {name: at for at, (_, reads) in enumerate(steps) for name in reads}
    for output in graph.outputs:
        last[aliases.get(output.value.name, output.value.name)] = len(steps)
    values = (*graph.inputs, *(value for value, _ in steps))
    size = {value.name: size_bytes(value.type) for value in values}
    alive = peak = sum(size[value.name] for value in graph.inputs if value.name in last)
    for at, (value, reads) in enumerate(steps):
        alive += size[value.name]
        if alive > peak:
            peak = alive
        for name in reads if len(reads) < 2 else set(reads):
            if last[name] == at:
                alive -= size[name]
    return peak


@lru_cache(maxsize=4096)
def size_bytes(x: TensorType) -> int:
    """The bytes of a value for one image; none for a control value. Cached, as a deep net has few distinct types."""
    return 0 if x.is_control else x.elements * x.dtype.size_bytes
