"""The verifier: what must hold for every graph; it runs after every stage and pass.

It runs each op's own shape rule again, because onnx's checker and its strict shape inference accept a convolution with the wrong number
of channels. A graph that it refuses is a bug of ours, never the user's mistake.
"""

from __future__ import annotations

from ..diagnostics import InternalError, Reject
from .graph import Graph, Node, Value
from .operation import infer_type


def verify(graph: Graph) -> None:
    """Raises InternalError where the graph is not well formed or does not fit its phase."""
    known = {value.name: value for value in graph.inputs}
    for node in graph.nodes:
        for value in node.inputs:
            if known.get(value.name) != value:
                raise breach(graph, node, f"its input %{value.name} is not made before it, or is another type there")
        if graph.phase == "inference" and node.op.training_only:
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
    if len({head.path for head in graph.heads}) != len(graph.heads):
        raise InternalError(f"graph {graph.name} has two heads of one path")
    if graph.rewrites:
        check_rewrites(graph)


def breach(graph: Graph, node: Node, what: str) -> InternalError:
    """The error of a node; `what` says in a clause what is wrong."""
    return InternalError(f"graph {graph.name}, node {node.path}: {what}")


def check_types(graph: Graph, node: Node) -> None:
    """Raises InternalError unless the node has as many inputs as its op takes, and the type that the op infers."""
    count, arity = len(node.inputs), node.op.arity
    if count != arity if arity is not None else not count:
        raise breach(
            graph, node, f"{count} inputs where `{node.op.name}` takes {'at least one' if arity is None else arity}"
        )
    try:
        found = infer_type(node.op, *node.input_types)
    except Reject as reject:
        raise breach(graph, node, f"its op refuses its inputs: {reject}") from reject
    if found != node.output.type:
        raise breach(graph, node, f"it says {node.output.type}, its op infers {found}")


def check_result(graph: Graph, known: dict[str, Value], value: Value) -> None:
    """Raises InternalError unless an input or a node makes the output."""
    if known.get(value.name) != value:
        raise InternalError(f"graph {graph.name}: the output %{value.name} is made by no node")


def check_rewrites(graph: Graph) -> None:
    """Raises InternalError unless each tensor that a rewrite makes belongs to its node and is made once.

    A tensor that a rewrite only takes must belong to no node any more.
    """
    owned, made = graph.params(), set[str]()
    for rewrite in graph.rewrites:
        for _, tensor in rewrite.makes:
            if tensor not in owned or not tensor.startswith(f"{rewrite.node}."):
                raise InternalError(
                    f"graph {graph.name}: {rewrite.how} makes {tensor}, which no tensor of {rewrite.node} is"
                )
            if tensor in made:
                raise InternalError(f"graph {graph.name}: {tensor} is made twice")
            made.add(tensor)
    for rewrite in graph.rewrites:
        for _, tensor in rewrite.takes:
            if tensor in owned and tensor not in made:
                raise InternalError(f"graph {graph.name}: {rewrite.how} takes {tensor}, which a node still owns")
