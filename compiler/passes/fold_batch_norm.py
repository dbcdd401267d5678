"""Folds a batch norm into the convolution before it: y = w·x + b, scaled and shifted a channel, is another w and b.

The pass changes the graph and records a `Fold`; the arithmetic is weights/fold.py's, a layer at a time when it is written.
"""

from __future__ import annotations

from ..ir.graph import Fold, Graph, Node, Value
from ..ops.conv import Conv
from ..ops.norm import BatchNorm


def fold_batch_norm(graph: Graph) -> Graph:
    """Every batch norm that is the only reader of a convolution goes into it; the convolution then has a bias."""
    readers: dict[str, int] = {}
    for value in [v for node in graph.nodes for v in node.inputs] + list(graph.results()):
        readers[value.name] = readers.get(value.name, 0) + 1
    convs = {node.output.name: node for node in graph.nodes if isinstance(node.op, Conv)}
    now: dict[str, Value] = {}
    folded: dict[str, Fold] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        conv = convs.get(node.inputs[0].name) if node.inputs else None
        if isinstance(node.op, BatchNorm) and conv and readers[conv.output.name] == 1:
            assert isinstance(conv.op, Conv)
            folded[conv.path] = Fold(conv.path, node.path, node.op.eps, conv.op.bias, node.op.affine)
            now[node.output.name] = conv.output
        else:
            nodes.append(node._replace(inputs=tuple(now.get(v.name, v) for v in node.inputs)))
    with_bias = tuple(n._replace(op=n.op.replace(bias=True)) if n.path in folded else n for n in nodes)
    outputs = tuple(o._replace(value=now.get(o.value.name, o.value)) for o in graph.outputs)
    heads = tuple(h._replace(value=now.get(h.value.name, h.value)) for h in graph.heads)
    return graph._replace(nodes=with_bias, outputs=outputs, heads=heads, folds=(*graph.folds, *folded.values()))
