"""The receptive field: how much of the image one position of the final features sees, by each op's own window.

The final features are the map that the classifier starts from, before the global pool or the flattening. Of several paths the
largest field counts, and it is not clipped to the image; LARGEST stands for all over it. A global pool on the way (a squeeze) has the
map's size as its kernel.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from ..ir.graph import Graph, Node
from ..ops.op import op_of

# pixels: no integer up to it is rounded, and strides on a map of one pixel would multiply for ever
LARGEST = 2**53


class View(NamedTuple):
    """What one position sees along an axis, in pixels: the width of its field, and the distance between two neighbours' fields."""

    field: float
    jump: float


def receptive_field(graph: Graph, nodes: tuple[Node, ...]) -> tuple[int, int]:
    """(height, width) in pixels, over the `nodes` that the outputs need."""
    features = final_features(graph, nodes)
    sizes = []
    for axis in (0, 1):
        seen = views(graph, nodes, axis)
        sizes.append(ceil(max((seen[name].field for name in features if name in seen), default=1)))
    return sizes[0], sizes[1]


def views(graph: Graph, nodes: tuple[Node, ...], axis: int) -> dict[str, View]:
    """The view of each value along an axis (0 height, 1 width)."""
    seen = {value.name: View(1, 1) for value in graph.inputs}
    for node in nodes:
        sources = [value for value in node.inputs if not value.type.is_control]
        if not sources:
            continue
        if len(sources) == 1:
            field, jump = seen[sources[0].name]
            window = op_of(node).window(*node.input_types)
            field, jump = field + (window.kernel[axis] - 1) * jump, jump * window.stride[axis]
            view = View(min(field, LARGEST), min(jump, LARGEST))
        else:
            same_size = [v for v in sources if v.type.shape[2:] == node.output.type.shape[2:]]
            view = View(
                max(seen[value.name].field for value in sources),
                max((seen[value.name].jump for value in same_size), default=1.0),
            )
        seen[node.output.name] = view
    return seen


def final_features(graph: Graph, nodes: tuple[Node, ...]) -> set[str]:
    """The names of the maps that the classifier starts from, found backwards from the outputs."""
    producer = {node.output.name: node for node in nodes}
    pending = [output.value.name for output in graph.outputs]
    visited: set[str] = set()
    features: set[str] = set()
    while pending:
        name = pending.pop()
        if name in visited:
            continue
        visited.add(name)
        node = producer.get(name)
        if node and node.inputs and in_classifier(node):
            pending.extend(value.name for value in node.inputs if not value.type.is_control)
        else:
            features.add(name)
    return features


def in_classifier(node: Node) -> bool:
    """Whether the node is part of the classifier: it gives a vector, or it summarises the map in one number per channel."""
    y, op = node.output.type, op_of(node)
    if not y.is_image:
        return True
    if (y.height, y.width) != (1, 1):
        return False
    return op.summarizes(*node.input_types) or op.window(*node.input_types).kernel == (1, 1)
