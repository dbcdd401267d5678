"""What follows when every step is a node: the outputs, the random draw that joins share, names that collide, and unused steps."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from itertools import accumulate

from ..diagnostics import Collector, Diagnostic, Note, Span
from ..ir.graph import Graph, Head, Node, Output, Value
from ..limits import raise_limit
from ..ops.fields import quote_value
from ..ops.merge import PathDraw
from ..ops.op import op_of
from .application import count_params
from .context import StepValue
from .located_yaml import Entry, Located
from .values import Fault

# no step and no input can have a name that begins so
DRAW_PATH = "__path_draw__"


def add_output(
    name: str,
    node: Located,
    result: StepValue,
    outputs: dict[str, tuple[Value, Span]],
    inputs: Mapping[str, Entry],
) -> None:
    """Makes the result of a step an output of the graph, under the name at `node`. Raises Fault where the name is taken."""
    first = inputs[name].key.span if name in inputs else outputs[name][1] if name in outputs else None
    if first:
        what = f"an {'input' if name in inputs else 'output'} is called `{name}` already"
        raise Fault("duplicate-output", node.span, what, notes=(Note("it is here", first),))
    if isinstance(result, Value):
        outputs[name] = (result, node.span)


def collect_outputs(
    outputs: Mapping[str, tuple[Value, Span]], end: Value, inputs: Mapping[str, Entry], diagnostics: Collector
) -> tuple[Output, ...] | None:
    """The outputs of the graph: those that steps name, and its end as `logits` unless the end has a name.

    `outputs` are the values that steps name, with the places of the names. Reports a second `logits`, and then gives None; so
    for an input of that name.
    """
    named = tuple(Output(name, value) for name, (value, _) in outputs.items())
    if any(output.value == end for output in named):
        return named
    if "logits" in outputs:
        diagnostics.error("duplicate-output", outputs["logits"][1], "the end of the graph is `logits` already")
        return None
    if "logits" in inputs:
        what = "an input is called `logits`, as the end of the graph is"
        help = "call it otherwise, or give the last step an `output: NAME`"
        diagnostics.error("duplicate-output", inputs["logits"].key.span, what, help)
        return None
    return (*named, Output("logits", end))


def known_part(name: str, nodes: Sequence[Node], heads: Sequence[Head]) -> Graph | None:
    """The graph of the steps that are known of a net that is refused: it ends wherever one of them does. None without any."""
    made = {node.output.name: node.output for node in nodes}
    read = {value.name: value for node in nodes for value in node.inputs}
    ends = [value for path, value in made.items() if path not in read] or [*made.values()][-1:]
    inputs = tuple(value for path, value in read.items() if path not in made)
    kept = tuple(head for head in heads if head.value.name in made)
    return Graph(name, inputs, tuple(nodes), tuple(Output(v.name, v) for v in ends), kept) if nodes else None


def check_params(nodes: Sequence[Node], limit: int, diagnostics: Collector) -> None:
    """Reports the step with which the net has more parameters than the limit of `params`."""
    counts = [count_params(op_of(node), *node.input_types) for node in nodes]
    total = sum(counts)
    if total > limit:
        over = next(node for node, up_to in zip(nodes, accumulate(counts), strict=True) if up_to > limit)
        message = f"the net has {total:,} parameters ({total * 4 / 1e9:,.0f} GB); the limit is {limit:,}, which is passed here"
        diagnostics.error("too-large", over.span, message, raise_limit("params", total))


def insert_path_draw(nodes: Sequence[Node], diagnostics: Collector) -> tuple[Node, ...]:
    """The nodes, where every join with a global drop takes its draw from one new node, the first."""
    probabilities = {n.path: p for n in nodes if (p := op_of(n).draw_probability) > 0}
    if not probabilities:
        return tuple(nodes)
    joins = [n for n in nodes if n.path in probabilities]
    first = joins[0]
    for node in joins:
        if probabilities[node.path] != probabilities[first.path]:
            diagnostics.add(probability_mismatch(node, probabilities[node.path], first, probabilities[first.path]))
    columns = max(len(n.inputs) for n in joins)
    draw = PathDraw(columns=columns, probability=probabilities[first.path])
    value = Value(DRAW_PATH, draw.infer())
    drawing = [n.replace(inputs=(*n.inputs, value)) if n.path in probabilities else n for n in nodes]
    return Node(DRAW_PATH, draw, (), (value,), first.span), *drawing


def probability_mismatch(node: Node, one: float, first: Node, other: float) -> Diagnostic:
    """The diagnostic for two joins with different probabilities: a net draws once, so all of its joins have the same."""
    what = f"`global` is {quote_value(one)} in this join, but {quote_value(other)} in `{first.path}`"
    help = "the net draws one column for all of its joins: give them the same `global`"
    return Diagnostic("global-differs", node.span, what, "", (Note("the other is here", first.span),), help)


def check_results(graph: Graph, absorbed: Container[str], diagnostics: Collector) -> None:
    """Reports heads that are called as an output is, and warns of what reaches no result; `absorbed` as in warn_dead."""
    names = {output.name for output in graph.outputs}
    spans = {node.output.name: node.span for node in graph.nodes}
    for head in graph.heads:
        if head.path in names:
            message = f"the head `{head.path}` is called as an output is"
            help = "training gives heads and outputs by name: give one of them another"
            diagnostics.add(Diagnostic("duplicate-output", spans.get(head.value.name), message, help=help))
    warn_dead(graph, absorbed, diagnostics)


def warn_dead(graph: Graph, absorbed: Container[str], diagnostics: Collector) -> None:
    """Warns once of each chain of steps that reaches no output.

    Merges in `absorbed` may reach none: a larger merge has taken their inputs.
    """
    live = {node.path for node in graph.needed_by(graph.results())}
    unused = [node for node in reversed(graph.nodes) if node.path not in live]
    dead = [node for node in unused if node.output.name not in absorbed and not op_of(node).is_marker]
    used = {v.name for node in dead for v in node.inputs}
    for node in dead:
        if node.output.name not in used:
            message = f"the result of `{node.path}` reaches no output"
            diagnostics.warn("dead-step", node.span, message, "take the step out, or use it with `from`")
