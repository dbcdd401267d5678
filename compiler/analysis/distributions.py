"""Which outputs are probabilities already, so that whoever runs the model adds no second softmax."""

from __future__ import annotations

from ..ir.graph import Graph
from ..ops.op import op_of


def distributions(graph: Graph) -> list[str]:
    """The names of the outputs whose channels are never negative and add up to one, as each op says of its own result."""
    is_distribution = {value.name: False for value in graph.inputs}
    for node in graph.nodes:
        inputs = [is_distribution[value.name] for value in node.inputs]
        is_distribution[node.output.name] = op_of(node).gives_distribution(inputs, *node.input_types)
    return [output.name for output in graph.outputs if is_distribution[output.value.name]]
