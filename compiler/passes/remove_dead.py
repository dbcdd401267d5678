"""Removes the nodes that no output and no head needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..ir.graph import Graph
from .graph_pass import Pass


@dataclass(frozen=True)
class RemoveDead(Pass):
    """Removes nodes whose results nothing reads, from the last to the first, so that whole branches go."""

    name: ClassVar[str] = "remove-dead"

    def run(self, graph: Graph) -> Graph:
        return graph.replace(nodes=graph.needed_by(graph.results()))

    def ensure(self, graph: Graph) -> None:
        read = {value.name for node in graph.nodes for value in node.inputs} | {value.name for value in graph.results()}
        for node in graph.nodes:
            if not any(value.name in read for value in node.outputs):
                raise self.breach(graph, f"the result of {node.path} is read by nothing")
