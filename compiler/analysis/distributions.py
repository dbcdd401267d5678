"""Which values are probabilities already: a reader of the answer adds no second softmax to them."""

from __future__ import annotations

from ..ir.graph import Graph
from ..ops.op import op_of


def distributions(graph: Graph) -> list[str]:
    """The names of the outputs whose channels are never negative and add up to one, as each op says of its own result."""
    known = {value.name: False for value in graph.inputs}
    for node in graph.nodes:
        given = [known[value.name] for value in node.inputs]
        known[node.output.name] = op_of(node).gives_distribution(given, *node.input_types)
    return [output.name for output in graph.outputs if known[output.value.name]]
