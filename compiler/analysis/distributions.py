"""What whoever runs a model must know of its outputs: which are probabilities already, and which tell classes."""

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


def class_scores(graph: Graph) -> list[str]:
    """The names of the outputs that tell classes: vectors of one number a class, of two classes at least.

    Such an output is a distribution, or it is called `logits` and a layer with weights has made its numbers. A vector that is
    made of features (an activation, a normalisation or a sum, averaged over the map) tells no classes.
    """
    is_scores = {value.name: False for value in graph.inputs}
    for node in graph.nodes:
        inputs = [is_scores[value.name] for value in node.inputs]
        is_scores[node.output.name] = op_of(node).gives_scores(inputs, *node.input_types)
    probable = distributions(graph)
    vectors = [each for each in graph.outputs if each.value.type.elements == each.value.type.channels > 1]
    return [each.name for each in vectors
            if each.name in probable or (each.name == "logits" and is_scores[each.value.name])]  # fmt: skip
