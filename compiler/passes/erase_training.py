"""The phase pass: a training graph becomes the inference graph, by what each op says stands for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from ..ir.graph import Graph, Node, Value
from ..ops.op import op_of
from .graph_pass import Pass, Settings


@dataclass(frozen=True)
class EraseTraining(Pass):
    """Replaces or passes through training-only ops, and drops the auxiliary heads unless they are kept.

    Paths stay; a value whose node is passed through is its input everywhere. Control values, such as the draw of joins, lose
    their readers and go.
    """

    name: ClassVar[str] = "erase-training"
    keep_aux: bool = False

    @classmethod
    def configured(cls, settings: Settings) -> Self | None:
        return cls(settings.keep_aux) if settings.phase == "inference" else None

    def run(self, graph: Graph) -> Graph:
        now: dict[str, Value] = {}
        nodes: list[Node] = []
        for node in graph.nodes:
            op = op_of(node).inference()
            inputs = tuple(now.get(v.name, v) for v in node.inputs if op is node.op or not v.type.is_control)
            if op is None:
                now[node.output.name] = inputs[0]
            elif not node.output.type.is_control:
                nodes.append(node.replace(op=op, inputs=inputs))
        outputs = tuple(o.replace(value=now.get(o.value.name, o.value)) for o in graph.outputs)
        heads = tuple(h.replace(value=now.get(h.value.name, h.value)) for h in graph.heads) if self.keep_aux else ()
        return graph.replace(nodes=tuple(nodes), outputs=outputs, heads=heads, phase="inference")

    def ensure(self, graph: Graph) -> None:
        if graph.phase != "inference":
            raise self.breach(graph, "its result is no inference graph")
        for node in graph.nodes:
            if node.op.training_only or node.output.type.is_control:
                raise self.breach(graph, f"{node.path} is for training only and still there")
        if graph.heads and not self.keep_aux:
            raise self.breach(graph, f"the head {graph.heads[0].path} is still there")
