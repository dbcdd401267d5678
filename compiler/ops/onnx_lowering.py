"""What whoever takes down the ONNX nodes of a graph does alike: what each node is called, and who reads a result."""

from __future__ import annotations

from functools import cached_property

from ..ir.graph import Graph, Node
from .op import Op, op_of


class OnnxLowering:
    """Half of `OnnxBuilder` (op.py), which a writer of a file and a recorder of nodes share. `current` is the node that is lowered."""

    def __init__(self, graph: Graph, opset: int) -> None:
        self.graph, self.opset = graph, opset
        self.current: Node
        self.node_names: set[str] = set()

    def new_name(self, op_type: str) -> str:
        """The name of another ONNX node of the current node: `path/Conv`, then `path/Conv_2`."""
        name, count = f"{self.current.path}/{op_type}", 1
        while name in self.node_names:
            count += 1
            name = f"{self.current.path}/{op_type}_{count}"
        self.node_names.add(name)
        return name

    def readers(self) -> tuple[Op, ...]:
        """The ops that read the result of the current node, in the order of the graph."""
        return tuple(self.readers_by_value.get(self.current.output.name, ()))

    @cached_property
    def readers_by_value(self) -> dict[str, list[Op]]:
        """The ops that read each value of the graph, by the value's name."""
        found: dict[str, list[Op]] = {}
        for node in self.graph.nodes:
            for value in node.inputs:
                found.setdefault(value.name, []).append(op_of(node))
        return found
