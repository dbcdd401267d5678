"""The phase pass: a training graph becomes the inference graph; each op says which op replaces it there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from ..ir.graph import Graph, Node, Value
from ..ops.op import op_of
from .graph_pass import Pass, PassOptions


@dataclass(frozen=True)
class EraseTraining(Pass):
    """Replaces training-only ops by their inference forms, and drops the auxiliary heads unless they are kept.

    An op without an inference form is passed through: readers of its result get its input. Paths stay as they are. Control
    values, such as the column that joins draw, are removed.
    """

    name: ClassVar[str] = "erase-training"
    keep_aux: bool = False

    @classmethod
    def from_options(cls, options: PassOptions) -> Self | None:
        return cls(options.keep_aux) if options.phase == "inference" else None

    def run(self, graph: Graph) -> Graph:
        """The inference graph. The nodes that only heads needed are still in it: RemoveDead takes them out."""
        replacements: dict[str, Value] = {}
        nodes: list[Node] = []
        for node in graph.nodes:
            op = op_of(node).inference()
            inputs = tuple(replacements.get(v.name, v) for v in node.inputs if op is node.op or not v.type.is_control)
            if op is None:
                replacements[node.output.name] = inputs[0]
            elif not node.output.type.is_control:
                nodes.append(node.replace(op=op, inputs=inputs))
        kept = graph if self.keep_aux else graph.replace(heads=())
        return kept.with_results(replacements).replace(nodes=tuple(nodes), phase="inference")

    def ensure(self, graph: Graph) -> None:
        if graph.phase != "inference":
            raise self.breach(graph, "its result is no inference graph")
        for node in graph.nodes:
            if node.op.training_only or node.output.type.is_control:
                raise self.breach(graph, f"{node.path} is for training only and still there")
        if graph.heads and not self.keep_aux:
            raise self.breach(graph, f"the head {graph.heads[0].path} is still there")
