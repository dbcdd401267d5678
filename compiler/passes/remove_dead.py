"""Takes out the nodes whose results reach no output and no head."""

from __future__ import annotations

from ..ir.graph import Graph, Node


def remove_dead(graph: Graph) -> Graph:
    live = {value.name for value in graph.results()}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if any(value.name in live for value in node.outputs):
            kept.append(node)
            live |= {value.name for value in node.inputs}
    return graph._replace(nodes=tuple(reversed(kept)))
