"""What is done when every step is a node: the draw that joins share, and a warning for what reaches no output."""

from __future__ import annotations

from collections.abc import Container, Sequence

from ..diagnostics import Collector, Diagnostic, Note
from ..ir.graph import Graph, Node, Value
from ..ops.fields import show
from ..ops.merge import PathDraw
from ..ops.op import op_of


def insert_path_draw(every: Sequence[Node], diagnostics: Collector) -> tuple[Node, ...]:
    """The nodes; joins with a global drop take their draw from one node before all others."""
    joins = {n.path: p for n in every if (p := op_of(n).draw_probability) > 0}
    if not joins:
        return tuple(every)
    taking = [n for n in every if n.path in joins]
    first = taking[0]
    for node in taking:
        if joins[node.path] != joins[first.path]:
            diagnostics.add(differing(node, joins[node.path], first, joins[first.path]))
    columns = max(len(n.inputs) for n in taking)
    draw = PathDraw(columns=columns, probability=joins[first.path])
    value = Value(PathDraw.name, draw.infer())
    nodes = [n.replace(inputs=(*n.inputs, value)) if n.path in joins else n for n in every]
    return Node(PathDraw.name, draw, (), (value,), first.span), *nodes


def differing(node: Node, one: float, first: Node, other: float) -> Diagnostic:
    """A net draws once, so its joins have one probability."""
    what = f"`global` is {show(one)} in this join, but {show(other)} in `{first.path}`"
    help = "the net draws one column for all of its joins: give them the same `global`"
    return Diagnostic("global-differs", node.span, what, "", (Note("the other is here", first.span),), help)


def warn_dead(graph: Graph, absorbed: Container[str], diagnostics: Collector) -> None:
    """One warning for each chain of steps that reaches no output; joins that a larger join absorbed are meant."""
    live = {v.name for v in graph.results()}
    dead: list[Node] = []
    for node in reversed(graph.nodes):
        if node.output.name in live:
            live.update([v.name for v in node.inputs])
        elif node.output.name not in absorbed and not op_of(node).is_marker:
            dead.append(node)
    fed = {v.name for node in dead for v in node.inputs}
    for node in dead:
        if node.output.name not in fed:
            diagnostics.add(Diagnostic("dead-step", node.span, f"the result of `{node.path}` reaches no output",
                                            help="take the step out, or use it with `from`", severity="warning"))  # fmt: skip
