"""What there is to tell of two nets: a headline, the differences that are alike as one line each, costs, weights.

Text (diff.py) and Markdown (diff_markdown.py) are two views of it; JSON (diff_json.py) has every difference by itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from operator import add
from typing import TYPE_CHECKING, Any, NamedTuple

from ..compiler.analysis.diff.folding import ScopeNodes, fold, group_by_scope, path_pattern, path_template
from ..compiler.ir.types import TensorType, format_sizes
from .carried import weight_lines
from .tables import count_of, format_bytes, format_number

if TYPE_CHECKING:
    from ..compiler.analysis.diff.changes import NodeChange, PortChange, ShapeChange
    from ..compiler.analysis.diff.costs import CostChange
    from ..compiler.diagnostics import Span
    from ..compiler.ir.graph import Graph, Node
    from ..difference import NetDiff, Side

# of a whole name of a commit what tells it from others
COMMIT = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{28,52}\b")
MAX_WHOLE = 8  # items of a list that is told whole
MAX_ITEMS = 3  # of a longer one, items that are told of those that differ
MAX_YAML = 160  # characters of a line of YAML
COST_NAMES = {
    "params": "parameters", "params_without_aux": "  without heads", "macs": "MACs", "activations": "activations",
    "peak_activation_bytes": "peak activations", "depth": "depth", "receptive_field": "receptive field", "min_input": "minimum input",
}  # fmt: skip


class DiffLine(NamedTuple):
    """One difference, or several that are alike: `mark` is + - ~ or >, `place` where it stands in the specs, `yaml` these lines."""

    mark: str
    subject: str
    facts: str = ""
    place: str = ""
    yaml: tuple[tuple[str, str], ...] = ()


class DiffSection(NamedTuple):
    """Differences of a kind; `steps` is how many steps they are about, all told."""

    title: str
    entries: tuple[DiffLine, ...]
    steps: int = 0


class DiffReport(NamedTuple):
    """All there is to tell of two nets. `costs` are rows of name, A, B, difference and ratio; `weights` are sentences."""

    title: str
    sides: tuple[tuple[str, str], ...]
    headline: str
    sections: tuple[DiffSection, ...]
    costs: tuple[tuple[str, ...], ...]
    weights: tuple[str, ...]

    @property
    def summary(self) -> DiffReport:
        """The same without the sections that list steps."""
        return self._replace(sections=tuple(section for section in self.sections if not section.steps))


def report_diff(diff: NetDiff) -> DiffReport:
    """What there is to tell of two nets."""
    found = [
        DiffSection("params", tuple(DiffLine("~", each.name, change_of(each.a, each.b)) for each in diff.params)),
        DiffSection("header", tuple(DiffLine("~", each.name, change_of(each.a, each.b)) for each in diff.header)),
        DiffSection("inputs, outputs, heads", tuple(map(port_entry, diff.graph.ports))),
        DiffSection("changed here", tuple(changed_entries(diff.graph.changed)), len(diff.graph.changed)),
        DiffSection("added", tuple(whole_entries("+", diff.graph.added, diff.b.graph)), len(diff.graph.added)),
        DiffSection("removed", tuple(whole_entries("-", diff.graph.removed, diff.a.graph)), len(diff.graph.removed)),
        DiffSection("renamed", tuple(renamed_entries(diff.graph.renamed)), len(diff.graph.renamed)),
        DiffSection("changed by it", tuple(reshaped_entries(diff.graph.reshaped)), len(diff.graph.reshaped)),
    ]
    equal = diff.graph.equal
    return DiffReport(
        describe_both(diff),
        (("A", describe_side(diff.a)), ("B", describe_side(diff.b))),
        headline(diff),
        tuple(section for section in found if section.entries),
        () if equal else tuple(map(cost_row, costs_to_tell(diff.costs))),
        () if equal else tuple(weight_lines(diff.weights)),
    )


def describe_both(diff: NetDiff) -> str:
    """Both nets in a title: by their names; where both have one, by what the user named them; where that is one, too, by their settings."""
    sides = (diff.a, diff.b)
    specs = [COMMIT.sub(r"\1", side.spec) for side in sides]
    settings = ["".join(f" --set {each}" for each in side.checked.settings) for side in sides]
    ways = ([side.checked.name for side in sides], specs, [*map(add, specs, settings)])
    a, b = next((way for way in ways if way[0] != way[1]), ways[0])
    return f"{a} → {b}"


def describe_side(side: Side) -> str:
    """Which net a side is: as the user named it, its settings, and what it was built by."""
    parts = [side.spec]
    if side.checked.bundled:
        parts.append("bundled")
    parts += [f"--set {setting}" for setting in side.checked.settings]
    if side.built_by is not None:
        parts.append(f"the spec in it, built by archc {side.built_by} to compute in {side.precision}")
    if not side.is_current:
        parts.append("which gives another graph today than is in the file: `archc verify` says more")
    return ", ".join(parts)


def headline(diff: NetDiff) -> str:
    """The answer in a sentence."""
    graph = diff.graph
    if graph.equal:
        header = (
            f"; {', '.join(each.name for each in diff.header)} differ{'s' * (len(diff.header) == 1)}"
            if diff.header
            else ""
        )
        if diff.same_text:
            return f"the same net: equal graphs of the same text{header}"
        if not diff.params and diff.a.checked.settings == diff.b.checked.settings and same_steps(diff):
            return f"the same net: equal graphs; only names, comments or the layout of the specs differ{header}"
        return f"the same net: equal graphs, path for path; the specs write it in two ways{header}"
    if graph.computes_the_same:
        how = "steps stand in another order" if graph.reordered else f"{count_of(len(graph.renamed), 'step')} renamed"
        return f"the same net but for names and order: {how}"
    counts = [(len(graph.changed), "changed"), (len(graph.added), "added"), (len(graph.removed), "removed"), (len(graph.renamed), "renamed"),
              (len(graph.reshaped), "changed by it")]  # fmt: skip
    told = [f"{count:,} {what}" for count, what in counts if count]
    first, *rest = told or [""]
    number, _, what = first.partition(" ")
    steps = f"{number} step{'s' * (number != '1')} {what}" if told else "inputs, outputs or heads differ"
    return ", ".join([steps, *rest])


def same_steps(diff: NetDiff) -> bool:
    """Whether both specs have as many texts, so that one may be an edited copy of the other."""
    return len(diff.a.texts) == len(diff.b.texts)


# -- entries --------------------------------------------------------------------------------------------------------------


def changed_entries(changes: Sequence[NodeChange]) -> Iterator[DiffLine]:
    """The nodes that were changed themselves; copies that were changed alike are one."""

    def key(change: NodeChange) -> tuple[object, ...]:
        places = tuple(each.span.short if each.span else "" for each in (change.a, change.b))
        wiring = tuple(path_template(v.name) for v in (*change.a.inputs, *change.b.inputs)) if change.rewired else ()
        return path_template(change.a.path), path_template(change.b.path), change.fields, wiring, places

    for alike in fold(changes, key):
        first = alike[0]
        facts = [f"{each.name} {change_of(each.a, each.b)}" for each in first.fields]
        if first.rewired:
            facts.append(f"reads {list_inputs(first.a)} → {list_inputs(first.b)}")
        if first.a.output.type != first.b.output.type:
            facts.append(f"gives {types_change(alike)}")
        place, yaml = telling_places(first.a, first.b)
        paths = both_paths([(change.a.path, change.b.path) for change in alike])
        yield DiffLine("~", paths, ", ".join(facts), place, yaml)


def whole_entries(mark: str, nodes: Sequence[Node], graph: Graph) -> Iterator[DiffLine]:
    """Nodes that only one graph has; scopes of which that has all are one, and such as are alike, too."""

    def key(scope: ScopeNodes) -> tuple[object, ...]:
        inside = tuple(
            (node.op, node.path[len(scope.path) :], node.span.short if node.span else "") for node in scope.nodes
        )
        return path_template(scope.path), inside

    for alike in fold(group_by_scope(nodes, graph), key):
        first, span = alike[0].nodes[0], common_span(alike[0].nodes)
        line = span.source.line(span.line).strip()[:MAX_YAML] if span else ""
        subject = counted_path([scope.path for scope in alike])
        facts = describe_steps(alike[0].nodes, len(alike) > 1)
        if len(alike[0].nodes) == 1:
            shapes = dict.fromkeys(describe_type(scope.nodes[0].output.type) for scope in alike)
            facts = f"{first.op.text('')}, gives {next(iter(shapes))}{', …' * (len(shapes) > 1)}"
        yield DiffLine(mark, subject, facts, place_of(span), ((mark, line),) * bool(line))


def common_span(nodes: Sequence[Node]) -> Span | None:
    """Where a node stands; of several the innermost call or repeat that all of them were expanded from, or else where the first stands."""
    if len(nodes) == 1:
        return nodes[0].span
    shared = [
        each[0]
        for each in zip(*(node.frames for node in nodes), strict=False)
        if len({frame.span for frame in each}) == 1
    ]
    return shared[-1].span if shared else nodes[0].span


def describe_steps(nodes: Sequence[Node], each: bool) -> str:
    """How many steps of which ops: `10 steps: 3 conv, 3 batch_norm, 3 relu, add`; `each` says that other scopes have as many."""
    counts = Counter(node.op.name for node in nodes)
    ops = [f"{count} {op}" if count > 1 else op for op, count in counts.most_common(4)] + ["…"] * (len(counts) > 4)
    return f"{count_of(len(nodes), 'step')}{' each' * each}: {', '.join(ops)}"


def renamed_entries(renamed: Sequence[tuple[Node, Node]]) -> Iterator[DiffLine]:
    """Nodes that have another path, by the scopes whose paths differ."""

    def moved(pair: tuple[Node, Node]) -> tuple[str, str]:
        a, b = (node.path.split(".") for node in pair)
        while len(a) > 1 and len(b) > 1 and a[-1] == b[-1]:
            a.pop()
            b.pop()
        return ".".join(a), ".".join(b)

    by_scope = fold(renamed, moved)
    for alike in fold(by_scope, lambda pairs: tuple(map(path_template, moved(pairs[0])))):
        steps = sum(map(len, alike))
        scopes = [moved(pairs[0]) for pairs in alike]
        first, last = (f"{a} → {b}" for a, b in (scopes[0], scopes[-1]))
        subject = first if len(scopes) == 1 else f"{first}, …, {last}" if len(scopes) > 2 else f"{first}, {last}"
        yield DiffLine(
            ">",
            subject,
            count_of(steps, "step") if steps > 1 else "",
            both_places(*(node.span for node in alike[0][0])),
        )


def reshaped_entries(changes: Sequence[ShapeChange]) -> Iterator[DiffLine]:
    """The nodes that only follow from another change, by what they follow from: the first and the last of each; causes that are copies of one are one."""
    by_cause = fold(changes, lambda change: change.by)

    def key(some: tuple[ShapeChange, ...]) -> tuple[object, ...]:
        return path_template(some[0].by), tuple(path_template(change.b.path) for change in some)

    for alike in fold(by_cause, key):
        first, last = alike[0][0], alike[0][-1]
        causes = [some[0].by for some in alike]
        facts = [f"{each.b.path} {reshaped_types(each)}" for each in dict.fromkeys((first, last))]
        if len(alike[0]) > 2:
            facts.insert(1, "…")
        copies = len(alike) > 1
        steps = count_of(len(alike[0]), "step") + " each" * copies
        subject = f"because of {path_pattern(causes)}" + f" ×{len(alike)}" * copies
        yield DiffLine("~", subject, f"{steps}: {', '.join(facts)}" + ", …" * copies)


def reshaped_types(change: ShapeChange) -> str:
    """What of a node's shapes differs: those of its result, or else those that it takes."""
    a, b = change.types
    if a != b:
        return f"{describe_type(a)} → {describe_type(b)}"
    x, y = next((x, y) for x, y in zip(change.a.input_types, change.b.input_types, strict=False) if x != y)
    return f"takes {describe_type(x)} → {describe_type(y)}"


def port_entry(change: PortChange) -> DiffLine:
    """An input, output or head that differs."""
    mark = "+" if change.a is None else "-" if change.b is None else "~"
    name = change.b if change.a is None else change.a if change.b in (None, change.a) else f"{change.a} → {change.b}"
    facts = ", ".join(f"{each.name} {change_of(each.a, each.b)}" for each in change.facts)
    return DiffLine(mark, f"{change.kind} {name}", facts)


def costs_to_tell(costs: Sequence[CostChange]) -> list[CostChange]:
    """The costs; where neither net has heads, without the row of the parameters besides those: they are all."""
    told = {each.name: (each.a, each.b) for each in costs}
    has_heads = told.get("params_without_aux") != told.get("params")
    return [each for each in costs if has_heads or each.name != "params_without_aux"]


def cost_row(change: CostChange) -> tuple[str, ...]:
    """A cost's name, its values in A and B, their difference and ratio; empty where both are equal."""

    def form(value: object) -> str:
        if change.name != "peak_activation_bytes" or not isinstance(value, int):
            return format_number(value)
        return f"{value:,} B" if is_small else format_bytes(value)

    sides = [format_bytes(x) for x in (change.a, change.b) if isinstance(x, int)]
    # two that look alike are told to the byte
    is_small = change.differs and len(sides) == 2 and sides[0] == sides[1]
    row = (COST_NAMES.get(change.name, change.name), form(change.a), form(change.b))
    difference, ratio = change.difference, change.ratio
    if not change.differs:
        return (*row, "", "")
    if isinstance(difference, tuple):
        signs = {each < 0 for each in difference}
        told = [f"{abs(each):,}" for each in difference] if len(signs) == 1 else [f"{each:+,}" for each in difference]
        return (*row, ("-" if signs == {True} else "+" if len(signs) == 1 else "") + "×".join(told), "")
    sign = "+" if difference > 0 else "-"
    return (*row, sign + form(abs(difference)), "" if ratio is None else describe_ratio(ratio))


def describe_ratio(ratio: float) -> str:
    """`×1.743`."""
    return f"×{ratio:.3f}" if ratio < 100 else f"×{ratio:,.0f}"


# -- words ----------------------------------------------------------------------------------------------------------------


def change_of(a: Any, b: Any) -> str:
    """`64 → 96`; a value that one side does not have is `none`. Of two long lists the first items that differ are told, by their numbers."""
    change = f"{describe_value(a)} → {describe_value(b)}"
    if not all(isinstance(each, (list, tuple)) and len(each) > MAX_WHOLE for each in (a, b)):
        return change
    places = [at for at, (old, new) in enumerate(zip(a, b, strict=False)) if old != new]
    shown = [f"[{at}] {describe_value(a[at])} → {describe_value(b[at])}" for at in places[:MAX_ITEMS]]
    more = [f"… {len(places) - MAX_ITEMS:,} more"] if places[MAX_ITEMS:] else []
    if len(a) == len(b):
        return f"{len(places):,} of {len(a):,} items: {', '.join([*shown, *more])}"
    return f"{change}; {shown[0]}" if shown else change


def describe_value(value: Any) -> str:
    """A value of a field, a param or the header, in a line."""
    if value is None:
        return "none"
    if isinstance(value, TensorType):
        return describe_type(value)
    if isinstance(value, (list, tuple)):
        if len(value) > MAX_WHOLE:
            return f"{len(value):,} items ({describe_value(value[0])}, …)"
        if isinstance(value, tuple) and len(value) > 1 and len(set(value)) == 1 and isinstance(value[0], int):
            return describe_value(value[0])
        return f"[{', '.join(map(describe_value, value))}]"
    text = format_number(value) if not isinstance(value, dict) else str(value)
    return text if len(text) <= MAX_YAML else text[:MAX_YAML] + "…"


def describe_type(type: TensorType) -> str:
    """The sizes of a value: `64×56×56`."""
    return format_sizes(type) or "a number"


def types_change(changes: Sequence[NodeChange]) -> str:
    """What the results' shapes have become; of several that differ the first."""
    shapes = dict.fromkeys(f"{describe_type(c.a.output.type)} → {describe_type(c.b.output.type)}" for c in changes)
    return next(iter(shapes)) + ", …" * (len(shapes) > 1)


def list_inputs(node: Node) -> str:
    """What a node reads; of many the first and how many more."""
    names = [value.name for value in node.inputs]
    return " + ".join(names[:4]) + (f" + {len(names) - 4} more" if len(names) > 4 else "") or "nothing"


def both_paths(pairs: Sequence[tuple[str, str]]) -> str:
    """The path of a pair, or the pattern of several; two where they differ."""
    a, b = (path_pattern([pair[side] for pair in pairs]) for side in (0, 1))
    return (a if a == b else f"{a} → {b}") + f" ×{len(pairs)}" * (len(pairs) > 1)


def counted_path(paths: Sequence[str]) -> str:
    """`layer3.6`, or `layer3.6 … layer3.22 ×17`."""
    return paths[0] if len(paths) == 1 else f"{paths[0]} … {paths[-1]} ×{len(paths)}"


def place_of(span: Span | None) -> str:
    return span.short if span else ""


def both_places(a: Span | None, b: Span | None) -> str:
    """Two places: `net.yaml:5`, `net.yaml:5 → 7`, `a.yaml:5 → b.yaml:5`."""
    if a is None or b is None:
        return place_of(a or b)
    if a.source.label != b.source.label:
        return f"{a.short} → {b.short}"
    return a.short if a.line == b.line else f"{a.short} → {b.line}"


def telling_places(a: Node, b: Node) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The innermost places whose lines say two things, with these lines: of the nodes, or of what they were expanded from.

    Where all say the same, the places of the nodes alone.
    """
    spans_a = [a.span, *(frame.span for frame in reversed(a.frames))]
    spans_b = [b.span, *(frame.span for frame in reversed(b.frames))]
    for x, y in zip(spans_a, spans_b, strict=False):
        if x is None or y is None:
            continue
        before, after = (span.source.line(span.line).strip() for span in (x, y))
        if before != after:
            return both_places(x, y), (("-", before[:MAX_YAML]), ("+", after[:MAX_YAML]))
    return both_places(a.span, b.span), ()
