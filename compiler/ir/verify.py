"""The verifier: what must hold of every graph, checked after every stage and pass.

It repeats each op's own shape rule, because onnx's checker and its strict shape inference accept a convolution with the
wrong channel count. A breach is a bug of ours, never the user's mistake.
"""

from __future__ import annotations

from typing import Literal

from ..diagnostics import InternalError
from ..ops.op import Reject, inferred
from .graph import Graph, Node, Value

Phase = Literal["train", "inference"]


def verify(graph: Graph, phase: Phase) -> None:
    """Raises InternalError where the graph is not well formed or does not fit its phase."""
    known = {value.name: value for value in graph.inputs}
    for node in graph.nodes:
        for value in node.inputs:
            if known.get(value.name) != value:
                raise breach(graph, node, f"its input %{value.name} is not made before it, or is another type there")
        if phase == "inference" and node.op.training_only:
            raise breach(graph, node, f"`{node.op.name}` is for training only")
        check_types(graph, node)
        for value in node.outputs:
            if value.name in known:
                raise breach(graph, node, f"the value %{value.name} is made twice")
            known[value.name] = value
    for value in graph.results():
        check_result(graph, known, value)
    if not graph.outputs:
        raise InternalError(f"graph {graph.name} has no output")
    if len({output.name for output in graph.outputs}) != len(graph.outputs):
        raise InternalError(f"graph {graph.name} has two outputs of one name")
    check_folds(graph)


def breach(graph: Graph, node: Node, what: str) -> InternalError:
    return InternalError(f"graph {graph.name}, node {node.path}: {what}")


def check_types(graph: Graph, node: Node) -> None:
    if node.op.arity is not None and len(node.inputs) != node.op.arity:
        raise breach(graph, node, f"{len(node.inputs)} inputs where `{node.op.name}` takes {node.op.arity}")
    try:
        found = inferred(node.op, *node.input_types)
    except Reject as reject:
        raise breach(graph, node, f"its op refuses its inputs: {reject}") from reject
    if found != node.output.type:
        raise breach(graph, node, f"it says {node.output.type}, its op infers {found}")


def check_result(graph: Graph, known: dict[str, Value], value: Value) -> None:
    if known.get(value.name) != value:
        raise InternalError(f"graph {graph.name}: the output %{value.name} is made by no node")


def check_folds(graph: Graph) -> None:
    nodes = {node.path: node for node in graph.nodes}
    for fold in graph.folds:
        if fold.conv not in nodes or nodes[fold.conv].op.name != "conv":
            raise InternalError(f"graph {graph.name}: a norm is folded into {fold.conv}, which is no convolution")
        if fold.norm in nodes:
            raise InternalError(f"graph {graph.name}: {fold.norm} is folded and still there")
