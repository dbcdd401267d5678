"""The smallest image that a net takes with the weights that it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..diagnostics import Reject
from ..ir.graph import Graph, Node
from ..ir.operation import infer_type
from ..ir.types import TensorType


def minimum_input(graph: Graph, nodes: tuple[Node, ...]) -> tuple[int, int]:
    """The smallest image that still passes through with the same weights, each axis by itself."""
    image = next((value.type for value in graph.inputs if value.type.is_image), None)
    if image is None:
        return 1, 1
    wanted = {node.path: node.op.params(*node.input_types) for node in nodes}

    def fits(height: int, width: int) -> bool:
        return passes(graph, nodes, wanted, (image.height, image.width), (height, width))

    height = smallest(image.height, lambda size: fits(size, image.width))
    width = smallest(image.width, lambda size: fits(image.height, size))
    return (height, width) if fits(height, width) else (image.height, image.width)


def smallest(size: int, fits: Callable[[int], bool]) -> int:
    low, high = 1, size
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle + 1, high)
    return high


def passes(
    graph: Graph, nodes: tuple[Node, ...], wanted: Mapping[str, object], old: tuple[int, int], new: tuple[int, int]
) -> bool:
    """Whether the graph's ops accept inputs of size `new` in place of `old`, and own the same tensors then."""
    types = {value.name: resized(value.type, old, new) for value in graph.inputs}
    for node in nodes:
        x = [types[value.name] for value in node.inputs]
        try:
            types[node.output.name] = infer_type(node.op, *x)
        except Reject:
            return False
        if node.op.params(*x) != wanted[node.path]:
            return False
    return True


def resized(x: TensorType, old: tuple[int, int], new: tuple[int, int]) -> TensorType:
    return x.with_sizes(x.channels, *new) if x.is_image and x.shape[2:] == old else x
