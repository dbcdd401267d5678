"""Half floats: the graph computes in 16 bits, but for islands of float32, whose ops say that they need it, and casts stand between.

Element types are part of the graph, so tensors follow: a parameter has the type of its op's input, and is rounded when it is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from ..ir.dtypes import F16, F32, DType
from ..ir.graph import Graph, Node, Value
from ..ops.cast import Cast
from ..ops.op import op_of
from .graph_pass import Pass, PassOptions


@dataclass(frozen=True)
class ComputeInHalf(Pass):
    """Gives every node half floats that does not need float32. `half_io` also gives them to the graph's inputs and outputs.

    `float32_steps` are the paths of nodes that stay in float32 for another reason: their weights are too large.
    """

    name: ClassVar[str] = "compute-in-half"
    half_io: bool = False
    float32_steps: frozenset[str] = frozenset()

    @classmethod
    def from_options(cls, options: PassOptions) -> Self | None:
        return cls(options.half_io, options.float32_steps) if options.half else None

    def require(self, graph: Graph) -> None:
        if graph.phase != "inference":
            raise self.breach(graph, "training in half floats wants a scaled loss")

    def run(self, graph: Graph) -> Graph:
        """The graph with its casts, each before the first node that reads it."""
        edge = F16 if self.half_io else F32
        inputs = tuple(value.replace(type=value.type.with_dtype(edge)) for value in graph.inputs)
        converter = Converter({value.name: value for value in inputs})
        for node in graph.nodes:
            converter.add(node, self.dtype_of(node))
        results = {value.name: converter.convert(value.name, edge) for value in graph.results()}
        return graph.with_results(results).replace(inputs=inputs, nodes=tuple(converter.nodes))

    def dtype_of(self, node: Node) -> DType:
        """The element type that a node computes in."""
        exact = node.path in self.float32_steps or op_of(node).needs_float32(*node.input_types)
        return F32 if exact else F16

    def ensure(self, graph: Graph) -> None:
        edge = F16 if self.half_io else F32
        for value in (*graph.inputs, *graph.results()):
            if value.type != value.type.with_dtype(edge):
                raise self.breach(graph, f"%{value.name}, an input or output, is {value.type}")
        for node in graph.nodes:
            if not isinstance(node.op, Cast) and node.output.type.dtype is not self.dtype_of(node):
                raise self.breach(graph, f"{node.path} computes {node.output.type}")


class Converter:
    """Nodes as they are added in other element types, and the casts between them. `values` are the graph's values by name as they are
    now."""

    def __init__(self, values: dict[str, Value]) -> None:
        self.values = values
        self.nodes: list[Node] = []
        self.makers: dict[str, Node] = {}
        self.casts: dict[str, Value] = {}

    def add(self, node: Node, dtype: DType) -> None:
        """Adds a node that computes in `dtype`."""
        inputs = tuple(self.convert(value.name, dtype) for value in node.inputs)
        outputs = tuple(value.replace(type=value.type.with_dtype(dtype)) for value in node.outputs)
        self.nodes.append(node.replace(inputs=inputs, outputs=outputs))
        for value in outputs:
            self.values[value.name] = value
            self.makers[value.name] = node

    def convert(self, name: str, dtype: DType) -> Value:
        """The value of this name in `dtype`, through a cast where it has another one; what is no float stays as it is."""
        value = self.values[name]
        wanted = Value(f"{name}/{dtype}", value.type.with_dtype(dtype))
        if wanted.type == value.type:
            return value
        if wanted.name not in self.casts:
            maker = self.makers.get(name)
            span, frames = (maker.span, maker.frames) if maker else (None, ())
            self.nodes.append(Node(wanted.name, Cast(to=dtype.name), (value,), (wanted,), span, frames))
            self.casts[wanted.name] = wanted
        return self.casts[wanted.name]
