"""Folds a batch norm into the convolution before it: a convolution whose output is scaled and shifted per channel is another
convolution.

The pass changes the graph and records a `Rewrite`. The arithmetic is in weights/rewrite.py, and runs a tensor at a time when the
model is written.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar, Self

from ..ir.graph import Graph, Node, Rewrite
from ..ops.conv import Conv
from ..ops.norm import BatchNorm
from .graph_pass import Pass, PassOptions

NORM_ROLES = {"weight": "scale", "bias": "shift", "running_mean": "mean", "running_var": "variance"}


@dataclass(frozen=True)
class FoldBatchNorm(Pass):
    """Removes every batch norm that is the only reader of a convolution. The convolution gets a bias and other weights."""

    name: ClassVar[str] = "fold-batch-norm"

    @classmethod
    def from_options(cls, options: PassOptions) -> Self | None:
        return cls() if options.phase == "inference" and options.fold else None

    def require(self, graph: Graph) -> None:
        if graph.phase != "inference":
            raise self.breach(graph, "statistics of a batch can be folded in inference only")

    def run(self, graph: Graph) -> Graph:
        """The graph without the norms that could be folded; the convolutions' results take the place of theirs."""
        pairs = foldable_pairs(graph)
        replacements = {norm.output.name: conv.output for norm, conv in pairs.values()}
        nodes = []
        for node in graph.nodes:
            if node.output.name in replacements:
                continue
            if node.path in pairs:
                assert isinstance(node.op, Conv)
                node = node.replace(op=node.op.replace(bias=True))
            nodes.append(node.replace(inputs=tuple([replacements.get(v.name, v) for v in node.inputs])))
        rewrites = (*graph.rewrites, *(fold_rewrite(norm, conv) for norm, conv in pairs.values()))
        return graph.with_results(replacements).replace(nodes=tuple(nodes), rewrites=rewrites)

    def ensure(self, graph: Graph) -> None:
        for norm, conv in foldable_pairs(graph).values():
            raise self.breach(graph, f"{norm.path} could still be folded into {conv.path}")


def foldable_pairs(graph: Graph) -> dict[str, tuple[Node, Node]]:
    """(norm, convolution) by the convolution's path, for each norm that is the only reader of a convolution's result.

    A convolution that is rewritten already takes no second norm, because a rewrite can only take tensors of the spec.
    """
    rewritten = {rewrite.node for rewrite in graph.rewrites}
    readers = Counter(v.name for node in graph.nodes for v in node.inputs)
    readers.update(v.name for v in graph.results())
    convs: dict[str, Node] = {node.output.name: node for node in graph.nodes if isinstance(node.op, Conv)}
    found: dict[str, tuple[Node, Node]] = {}
    for node in graph.nodes:
        if isinstance(node.op, BatchNorm):
            conv = convs.get(node.inputs[0].name)
            if conv and readers[conv.output.name] == 1 and conv.path not in rewritten:
                found[conv.path] = (node, conv)
    return found


def fold_rewrite(norm: Node, conv: Node) -> Rewrite:
    """The rewrite of one convolution: its weight and bias are made of its own tensors and of the norm's."""
    assert isinstance(norm.op, BatchNorm)
    own = [(full.rpartition(".")[2], full) for full in conv.params()]
    statistics = [(NORM_ROLES[n], full) for full in norm.params() if (n := full.rpartition(".")[2]) in NORM_ROLES]
    makes = (("weight", f"{conv.path}.weight"), ("bias", f"{conv.path}.bias"))
    return Rewrite("fold_batch_norm", conv.path, norm.path, (*own, *statistics), makes, (("eps", norm.op.eps),))
