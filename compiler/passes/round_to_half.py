"""A graph in half floats as one in float32 that rounds: what a device with half arithmetic gives, worked out where there is none.

onnxruntime's CPU provider has few kernels for half floats: it computes in float32 and leaves out the rounding between, so its answers are
nearer to float32 than those of a device are. Two casts behind each node make it round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..ir.dtypes import F16, F32
from ..ir.graph import Graph, Node, Value
from ..ops.cast import Cast
from .graph_pass import Pass


@dataclass(frozen=True)
class RoundToHalf(Pass):
    """Every value of half floats becomes float32 and is rounded to half; values keep their names. Weights are rounded by their source.

    It is no part of a build's pipeline: the report on a build in half floats measures with it.
    """

    name: ClassVar[str] = "round-to-half"

    def run(self, graph: Graph) -> Graph:
        """The same graph in float32, each value that was a half float rounded to one by two casts."""
        nodes: list[Node] = []
        values: dict[str, Value] = {}
        for value in graph.inputs:
            if value.type.dtype is F16:
                wide = values[value.name] = Value(f"{value.name}/wide", value.type.with_dtype(F32))
                nodes.append(Node(wide.name, Cast(to=F32.name), (value,), (wide,)))
        for node in graph.nodes:
            inputs = tuple(values.get(value.name, value) for value in node.inputs)
            widened = isinstance(node.op, Cast) and node.op.to == F32.name and inputs[0].type.dtype is F32
            if widened:  # the value is rounded already
                values[node.output.name] = inputs[0]
                continue
            narrow = node.output.type.dtype is F16
            result = node.output.replace(type=node.output.type.with_dtype(F32))
            values[result.name] = result
            if isinstance(node.op, Cast) and narrow:
                nodes += round_value(node, inputs[0], result)
            elif narrow:
                exact = Value(f"{result.name}/exact", result.type)
                nodes.append(node.replace(inputs=inputs, outputs=(exact,)))
                nodes += round_value(node, exact, result)
            else:
                nodes.append(node.replace(inputs=inputs, outputs=(result,)))
        return graph.with_results(values).replace(nodes=tuple(nodes))

    def ensure(self, graph: Graph) -> None:
        for node in graph.nodes:
            if not isinstance(node.op, Cast) and node.output.type.dtype is F16:
                raise self.breach(graph, f"{node.path} still computes in half floats")


def round_value(node: Node, source: Value, result: Value) -> list[Node]:
    """The two casts through which `source` becomes `result`, rounded."""
    half = Value(f"{result.name}/half", source.type.with_dtype(F16))
    return [
        Node(half.name, Cast(to=F16.name), (source,), (half,), node.span, node.frames),
        Node(f"{result.name}/rounded", Cast(to=F32.name), (half,), (result,), node.span, node.frames),
    ]
