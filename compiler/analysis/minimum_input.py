"""The smallest image that a net takes with the weights that it has, found by trying the ops' shape rules on smaller ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..diagnostics import Reject
from ..ir.graph import Graph, Node
from ..ir.operation import infer_type
from ..ir.types import TensorType


def minimum_input(graph: Graph, nodes: tuple[Node, ...]) -> tuple[int, int]:
    """(height, width) of the smallest image that the `nodes` accept with the same weights; each axis is tried by itself.

    (1, 1) for a net without an image, and the net's own size where the two smallest sides do not fit together.
    """
    image = next((value.type for value in graph.inputs if value.type.is_image), None)
    if image is None:
        return 1, 1
    wanted = {node.path: node.op.params(*node.input_types) for node in nodes}

    def fits(height: int, width: int) -> bool:
        return accepts_size(graph, nodes, wanted, (image.height, image.width), (height, width))

    height = smallest_fitting(image.height, lambda size: fits(size, image.width))
    width = smallest_fitting(image.width, lambda size: fits(image.height, size))
    return (height, width) if fits(height, width) else (image.height, image.width)


def smallest_fitting(size: int, fits: Callable[[int], bool]) -> int:
    """The smallest size up to `size` that fits, by bisection: if one fits, so does every larger one."""
    low, high = 1, size
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle + 1, high)
    return high


def accepts_size(
    graph: Graph, nodes: tuple[Node, ...], wanted: Mapping[str, object], old: tuple[int, int], new: tuple[int, int]
) -> bool:
    """Whether the `nodes` accept images of size `new` in place of `old`, and their parameters then are still `wanted`, by path."""
    types = {value.name: with_image_size(value.type, old, new) for value in graph.inputs}
    for node in nodes:
        x = [types[value.name] for value in node.inputs]
        try:
            types[node.output.name] = infer_type(node.op, *x)
        except Reject:
            return False
        if node.op.params(*x) != wanted[node.path]:
            return False
    return True


def with_image_size(x: TensorType, old: tuple[int, int], new: tuple[int, int]) -> TensorType:
    """An image of size `old` with size `new`; any other type as it is."""
    return x.with_sizes(x.channels, *new) if x.is_image and x.shape[2:] == old else x
