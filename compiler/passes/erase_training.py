"""The phase pass: a training graph becomes the inference graph, by what each op says stands for it."""

from __future__ import annotations

from ..ir.graph import Graph, Node, Value


def erase_training(graph: Graph, keep_aux: bool = False) -> Graph:
    """Replaces or passes through training-only ops, and drops the auxiliary heads unless they are kept.

    Paths stay; a value whose node is passed through is its input everywhere. The draw of joins loses its readers, and goes.
    """
    now: dict[str, Value] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        op = node.op.inference()
        inputs = tuple(now.get(v.name, v) for v in node.inputs if op is node.op or v.type.dtype != "i64")
        if op is None:
            now[node.output.name] = inputs[0]
        elif not (node.op.training_only and node.op.arity == 0):
            nodes.append(node._replace(op=op, inputs=inputs))
    outputs = tuple(o._replace(value=now.get(o.value.name, o.value)) for o in graph.outputs)
    heads = tuple(h._replace(value=now.get(h.value.name, h.value)) for h in graph.heads) if keep_aux else ()
    return graph._replace(nodes=tuple(nodes), outputs=outputs, heads=heads)
