"""The ONNX nodes of a graph as a built file has them, without their tensors: neither onnx nor numpy is needed to know them.

Each op lowers itself, as it does for the file; here its nodes are noted, with the shapes of what they make.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from ..diagnostics import InternalError
from ..ir.dtypes import DType
from ..ir.graph import Graph, Node
from ..ir.types import TensorType
from ..ops.onnx_lowering import OnnxLowering
from ..ops.op import op_of

Shape = tuple[int, ...]


class OnnxNode(NamedTuple):
    """One ONNX node: the path of the graph's node that it comes from, its name and type, what it reads (parameters and constants, too),
    the name of its result, and that one's shape and bytes."""

    path: str
    name: str
    type: str
    inputs: tuple[str, ...]
    output: str
    shape: Shape | None
    bytes: int
    attributes: Mapping[str, Any]


def onnx_nodes(graph: Graph, opset: int, batch: int = 1) -> tuple[OnnxNode, ...]:
    """The ONNX nodes of an inference graph in the file's order, for `batch` images.

    An output's value is called by its path here, as any other; only a second name for one value, or for an input, is a node of its own.
    """
    recorder = Recorder(graph, opset, batch)
    for node in graph.nodes:
        recorder.record(node)
    named: set[str] = {value.name for value in graph.inputs}
    for name, value in [*((o.name, o.value) for o in graph.outputs), *((h.path, h.value) for h in graph.heads)]:
        if value.name in named:
            recorder.add_identity(name, value.name, value.type)
        named.add(value.name)
    return tuple(recorder.nodes)


class Recorder(OnnxLowering):
    """What `Op.onnx` writes to (ops.op.OnnxBuilder), which only notes the nodes."""

    def __init__(self, graph: Graph, opset: int, batch: int) -> None:
        super().__init__(graph, opset)
        self.batch = batch
        self.nodes: list[OnnxNode] = []
        self.shapes: dict[str, Shape] = {value.name: self.full_shape(value.type) for value in graph.inputs}
        self.constants: dict[str, tuple[int, ...]] = {}

    def full_shape(self, x: TensorType) -> Shape:
        """The shape of a value, with the batch in it."""
        return (self.batch, *x.sizes) if x.shape else ()

    def record(self, node: Node) -> None:
        """Notes the nodes of one op; the last one gives the op's result."""
        self.current = node
        first = len(self.nodes)
        result = op_of(node).onnx(self, *node.inputs)
        if result in {value.name for value in node.inputs}:
            result = self.node("Identity", result)
        last = next(at for at in reversed(range(len(self.nodes))) if self.nodes[at].output == result)
        shape = self.full_shape(node.output.type)
        self.shapes[node.output.name] = shape
        self.nodes[last] = self.nodes[last]._replace(name=node.path, output=node.output.name, shape=shape,
                                                     bytes=prod(shape) * node.output.type.dtype.size_bytes)  # fmt: skip
        for made in self.nodes[first:]:
            if made.shape is None:
                raise InternalError(f"`{node.path}`: nothing says which shape ONNX's {made.type} makes")

    def node(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Notes a node with one output, and returns the output's name."""
        name = self.new_name(op_type)
        read = tuple(each for each in inputs if each)
        rule = SHAPE_RULES.get(op_type)
        shape = rule([self.shapes[each] for each in read], self.numbers(read), attributes) if rule else None
        size = prod(shape or ()) * self.current.output.type.dtype.size_bytes
        self.nodes.append(OnnxNode(self.current.path, name, op_type, read, name, shape, size, attributes))
        if shape is not None:
            self.shapes[name] = shape
        return name

    def numbers(self, inputs: Sequence[str]) -> tuple[int, ...]:
        """The whole numbers that a node reads as its last constant, if it reads any."""
        return next((self.constants[name] for name in reversed(inputs) if name in self.constants), ())

    def add_identity(self, name: str, source: str, x: TensorType) -> None:
        """Notes the node of a second name for a value."""
        shape = self.full_shape(x)
        size = prod(shape) * x.dtype.size_bytes
        self.nodes.append(OnnxNode("", f"{name}/Identity", "Identity", (source,), name, shape, size, {}))

    def param(self, name: str) -> str:
        """The name of a parameter of the current node."""
        full = f"{self.current.path}.{name}"
        self.shapes[full] = self.current.op.params(*self.current.input_types)[name].shape
        return full

    def ints(self, hint: str, values: tuple[int, ...]) -> str:
        """The name of a constant of whole numbers."""
        name = self.floats(hint, (), (len(values),))
        self.constants[name] = values
        return name

    def floats(
        self, hint: str, values: tuple[float, ...], shape: tuple[int, ...] = (), dtype: DType | None = None
    ) -> str:
        """The name of a constant."""
        name = f"{self.current.path}/{hint}"
        self.shapes[name] = shape
        return name


# The shape of a node's result: of the shapes that it reads, the whole numbers that it reads, and its attributes. A node that always gives
# its op's own result needs none.
ShapeRule = Callable[[Sequence[Shape], tuple[int, ...], Mapping[str, Any]], Shape]


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """The shape over which shapes are spread that meet in an element-wise node."""
    rank = max(map(len, shapes))
    aligned = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(map(max, zip(*aligned, strict=True)))


def reshape(source: Shape, wanted: Sequence[int]) -> Shape:
    """ONNX's reshape: 0 keeps an axis, -1 takes what is left."""
    kept = [source[at] if size == 0 else size for at, size in enumerate(wanted)]
    return tuple(prod(source) // -prod(kept) if size == -1 else size for size in kept)


def pad(source: Shape, pads: Sequence[int]) -> Shape:
    """Each axis with what is before and after it."""
    rank = len(source)
    return tuple(size + pads[at] + pads[rank + at] for at, size in enumerate(source))


def unsqueeze(source: Shape, axes: Sequence[int]) -> Shape:
    """The shape with axes of one position."""
    shape = list(source)
    for axis in sorted(axes):
        shape.insert(axis, 1)
    return tuple(shape)


ELEMENT_WISE = ("Add", "Sub", "Mul", "Div", "Pow", "Sum", "Erf", "Sigmoid", "HardSigmoid")
SHAPE_RULES: Mapping[str, ShapeRule] = {
    **dict.fromkeys(ELEMENT_WISE, lambda x, n, a: broadcast(x)),
    **dict.fromkeys(("Identity", "InstanceNormalization", "LayerNormalization"), lambda x, n, a: x[0]),
    "Transpose": lambda x, n, a: tuple(x[0][axis] for axis in a["perm"]),
    "Reshape": lambda x, n, a: reshape(x[0], n),
    "Flatten": lambda x, n, a: (prod(x[0][: a["axis"]]), prod(x[0][a["axis"] :])),
    "Unsqueeze": lambda x, n, a: unsqueeze(x[0], n),
    "Pad": lambda x, n, a: pad(x[0], n),
    "MatMul": lambda x, n, a: (*broadcast([x[0][:-2], x[1][:-2]]), x[0][-2], x[1][-1]),
}
