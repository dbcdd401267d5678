"""A net for images of another size, with the weights that it has."""

from __future__ import annotations

from collections.abc import Iterable

from ..diagnostics import Failure, Reject
from ..ir.graph import Graph, Node, Value
from ..ir.operation import Param, infer_type
from ..ir.types import TensorType


class SizeRefused(Failure):
    """The net takes no image of a size: `path` is the first step that does not, and `reason` says why."""

    def __init__(self, size: tuple[int, int], path: str, reason: str) -> None:
        message = f"an image of {size[0]}×{size[1]} does not fit: `{path}`: {reason}"
        help = "`archc cost SPEC --sizes` tells which sizes fit, and what breaks below; the weights stay as they are"
        super().__init__("input-size", message, help, 2)
        self.path, self.reason = path, reason


def resize(graph: Graph, height: int, width: int) -> Graph:
    """The graph for images of `height`×`width`: all inputs of the first image's size change, and no weight does.

    An auxiliary head that does not fit is left out, as only training needs it. Raises SizeRefused where another step does not take
    what arrives, or would have other weights; Failure (usage) for a net without an image.
    """
    image = image_type(graph)
    if image is None:
        raise Failure("input-size", f"`{graph.name}` takes no image, so it has no other size", exit_code=2)
    new = height, width
    values = {
        value.name: value.replace(type=with_image_size(value.type, image.sizes[1:], new)) for value in graph.inputs
    }
    needed = {node.path for node in graph.needed_by(output.value for output in graph.outputs)}
    nodes = []
    for node in graph.nodes:
        try:
            made = retype_node(node, values)
        except Reject as reject:
            if node.path in needed:
                raise SizeRefused(new, node.path, str(reject)) from None
        except KeyError:  # it reads what did not fit, and is a head's
            pass
        else:
            nodes.append(made)
            values[made.output.name] = made.output
    heads = tuple(head._replace(value=values[head.value.name]) for head in graph.heads if head.value.name in values)
    outputs = tuple(output._replace(value=values[output.value.name]) for output in graph.outputs)
    inputs = tuple(values[value.name] for value in graph.inputs)
    resized = graph.replace(inputs=inputs, nodes=tuple(nodes), outputs=outputs, heads=heads)
    return resized if len(heads) == len(graph.heads) else resized.replace(nodes=resized.needed_by(resized.results()))


def retype_node(node: Node, values: dict[str, Value]) -> Node:
    """The node over inputs of other types. Raises Reject where it does not take them, KeyError where one is not there."""
    inputs = tuple(values[value.name] for value in node.inputs)
    result = infer_type(node.op, *(value.type for value in inputs))
    made = node.replace(inputs=inputs, outputs=(node.output.replace(type=result),))
    if different := changed_param(node.params(), made.params()):
        raise different
    return made


def changed_param(old: dict[str, Param], new: dict[str, Param]) -> Reject | None:
    """What is wrong where a step would have other weights."""
    for name, param in old.items():
        if new.get(name) != param:
            wanted, found = (" × ".join(map(str, each.shape)) for each in (param, new.get(name, param)))
            own = name.rpartition(".")[2]
            return Reject("input-size", f"its {own} is {wanted}, and would be {found}")
    return None


def image_type(graph: Graph) -> TensorType | None:
    """The type of the first input that is an image."""
    return next((value.type for value in graph.inputs if value.type.is_image), None)


def with_image_size(x: TensorType, old: Iterable[int], new: tuple[int, int]) -> TensorType:
    """An image of size `old` with size `new`; any other type as it is."""
    return x.with_sizes(x.channels, *new) if x.is_image and x.sizes[1:] == tuple(old) else x
