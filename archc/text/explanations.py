"""Explanations as people read them: one rendering for `archc explain` and `print(net.explain(…))`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, Any, TextIO

from ..compiler.analysis.step_groups import shared_scope
from ..compiler.diagnostics import Source, Span, clean
from ..compiler.frontend.reporting import describe_frame
from ..compiler.ops.fields import quote_value
from .excerpts import BLUE, BOLD, Paint, excerpt
from .layout import cut_middle, fold_line, table_width, terminal_width, text_width
from .tables import count_of, format_number, format_pairs, format_table

if TYPE_CHECKING:
    from ..compiler.analysis.cost import Layer
    from ..compiler.analysis.explanation import Explanation, Facts, OnnxCall
    from ..compiler.ir.provenance import Frame
    from ..compiler.ir.types import TensorType
    from ..compiler.ops.working import Working
    from ..explanations import ExplainedGroup, NetExplanation

MAX_LINES = 8  # of a written step
LONGEST_CALL = 300  # characters of a module's call, which may list a thousand channels
SMALLEST_SHARE = 0.0001
MAX_NAME = 24  # columns that a name takes beside its value, however narrow the terminal
Pairs = list[tuple[str, str]]
Parts = list[tuple[str, tuple["Explanation", ...]]]  # by their paths, one node or several each


def explanation_text(found: NetExplanation, stream: TextIO | None = None) -> str:
    """The whole answer; coloured if it goes to a terminal."""
    paint = Paint(stream)
    if len(found.nodes) == 1:
        return "\n".join([*node_lines(found, found.nodes[0], paint), *inside_lines(found.groups, paint)])
    if len(found.groups) == 1:
        return "\n".join(group_lines(found, found.groups[0], paint))
    return "\n".join(several_lines(found, paint))


def node_lines(found: NetExplanation, node: Explanation, paint: Paint) -> Iterator[str]:
    """A node from all sides."""
    yield title(node.path, f"{node.facts.op.name} of {found.name}", paint)
    yield from place_lines(node.place, found.lines, node.frames, paint)
    yield from fact_sections(node, paint)
    yield from section("passes", [(each.by, f"it {each.text}") for each in node.changes], paint)


def inside_lines(groups: Sequence[ExplainedGroup], paint: Paint) -> Iterator[str]:
    """The parts of groups, a level of their paths deep."""
    for each in groups:
        yield f"\n{paint('steps', BOLD)}"
        yield parts_table(parts_below(each), paint)


def group_lines(found: NetExplanation, explained: ExplainedGroup, paint: Paint) -> Iterator[str]:
    """A block, a repeat or a scope: what comes in, goes out, and what it costs."""
    group = explained.group
    blocks = [f"`{frame.name}`" for frame in group.own if frame.kind in ("block", "import")]
    made = [
        *blocks[-1:],
        *([count_of(group.rounds, "round")] if group.rounds else []),
        count_of(len(group.nodes), "step"),
    ]
    yield title(group.path or found.asked, f"{', '.join(made)} of {found.name}", paint)
    yield from place_lines(explained.place, found.lines, explained.outer, paint, explained.definition)
    rows = [("input", f"{v.name}  {sizes(v.type)}") for v in group.inputs]
    rows += [("output", f"{v.name}  {sizes(v.type)}") for v in group.outputs]
    yield from section("shape", rows, paint)
    sums = [
        ("params", "params", group.params),
        ("MACs", "macs", group.macs),
        ("activations", "activations", group.activations),
    ]
    rows = [(name, with_share(f"{n:,}", explained.shares.get(key, 0))) for name, key, n in sums]
    yield from section("costs", [*rows, *aux_rows([each.layer for each in explained.members])], paint)
    yield from inside_lines([explained], paint)


def several_lines(found: NetExplanation, paint: Paint) -> Iterator[str]:
    """A line that makes many steps: a list of them, and what is true of all of them if they are equal."""
    parts: Parts = [(each.path, (each,)) for each in found.nodes]
    parts += [(each.group.path, each.members) for each in found.groups]
    what = "step" if found.nodes else "group"
    yield title(found.asked, f"makes {count_of(len(parts), what)} of {found.name}", paint)
    first = found.nodes[0].place if found.nodes else found.groups[0].place
    yield from place_lines(first, found.lines, (), paint)
    yield ""
    yield parts_table(parts, paint)
    if len({id(each.facts) for each in found.nodes}) == 1:
        yield f"\nall {len(found.nodes)} are equal, as is what follows, but for where they stand"
        yield from fact_sections(found.nodes[0], paint, placeless=True)
    else:
        yield "\n`archc explain SPEC PATH` explains one of them"


def title(name: str, what: str, paint: Paint) -> str:
    """The first line: what is explained, and what that is."""
    return f"{paint(clean(name), BOLD)}: {clean(what)}"


def place_lines(
    span: Span | None,
    lines: tuple[Source, int, int] | None,
    frames: Sequence[Frame],
    paint: Paint,
    definition: Span | None = None,
) -> Iterator[str]:
    """Where it is written, with a caret as in a diagnostic, and what it was expanded from, innermost last."""
    if span is None:
        return
    first, last = span.line, span.line
    if lines:
        source, first, last = lines
        if source.label != span.source.label or not first <= span.line <= last:
            span = line_span(source, first)
        if last - first >= MAX_LINES:
            first, last = span.line, span.line
    gutter = len(str(last))
    edge = paint(" " * gutter + " |", BLUE)
    yield f"{' ' * gutter}{paint('-->', BLUE)} {clean(span.place)}"
    yield edge
    for number in range(first, last + 1):
        here = span if number == span.line else Span(span.source, number, 1, number, 2)
        shown, caret, length = excerpt(span.source.line(number), here, min(terminal_width(), paint.width) - gutter - 3)
        yield f"{paint(f'{number:>{gutter}} |', BLUE)} {shown}".rstrip()
        if here is span:
            yield f"{edge} {' ' * caret}{paint('^' * length, BLUE)}"
    notes = [f"expanded from {frame_text(frame)} ({clean(frame.span.place)})" for frame in frames]
    notes += [f"the block is written at {clean(definition.place)}"] if definition else []
    for note in notes:
        first_line, *rest = fold_line(note, max(paint.width - gutter - 3, 20), "  ", cut=False)
        yield f"{' ' * gutter} {paint('=', BLUE)} {first_line}"
        yield from (f"{' ' * gutter}   {line}" for line in rest)


def line_span(source: Source, number: int) -> Span:
    """A whole line, without the spaces around it."""
    text = source.line(number)
    return Span(source, number, len(text) - len(text.lstrip()) + 1, number, len(text.rstrip()) + 1)


def frame_text(frame: Frame) -> str:
    """A frame with its bindings: "`ConvBN` out=64 kernel=7", "`repeat` i=0", "the branch `body`"."""
    if frame.kind == "branch":
        return f"the branch `{clean(frame.name)}`"
    bound = "" if frame.kind == "repeat" else " ".join(f"{name}={quote_value(value)}" for name, value in frame.bindings)
    return clean(f"{describe_frame(frame)} {bound}".strip())


def fact_sections(node: Explanation, paint: Paint, placeless: bool = False) -> Iterator[str]:
    """What is true of a node: shape, costs, receptive field, torch module and ONNX nodes. `placeless` leaves out what depends on its place."""
    facts = node.facts
    inputs = zip(node.names, facts.inputs, strict=True)
    rows = [("input", sizes(x) if placeless else f"{name}  {sizes(x)}") for name, x in inputs]
    rows += [(each.name, working_text(each)) for each in facts.shape]
    yield from section("shape", [*rows, ("output", sizes(facts.output))], paint)
    yield from section("costs", cost_rows(node), paint)
    if node.field and not placeless:
        rows = [
            ("size", f"{format_number(node.field.size)} pixels"),
            ("stride", f"{plain_pair(node.field.stride)} pixels"),
        ]
        row, column = node.field.center
        rows += [("center", f"at the first position row {row:g}, column {column:g}")]
        yield from section("receptive field", rows, paint)
    yield from section("pytorch", [*module_rows(node), *tensor_rows(facts, "" if placeless else node.path)], paint)
    yield from section("onnx", [onnx_row(each, "" if placeless else node.path) for each in facts.onnx], paint)


def plain_pair(pair: tuple[float, float]) -> str:
    """Two numbers, rows first, without a fraction where there is none: `2×2`."""
    return "×".join(f"{each:g}" for each in pair)


def sizes(x: TensorType) -> str:
    """The sizes of a tensor without the batch."""
    return "a control value" if x.is_control else format_number(x.sizes)


def working_text(working: Working) -> str:
    """`(224 + 2·3 − 7) // 2 + 1 = 112`, with its note in brackets."""
    result = f"{working.result:,}"
    sum_text = working.terms if working.terms == str(working.result) else f"{working.terms} = {result}"
    return f"{sum_text}  ({working.note})" if working.note else sum_text


def cost_rows(node: Explanation) -> Pairs:
    """The costs with their arithmetic, and their shares of the net."""
    shares = {"params": "params", "MACs": "macs", "activations": "activations"}
    rows = []
    for each in node.facts.costs:
        text = working_text(each)
        rows.append(
            (each.name, with_share(text, node.shares.get(shares[each.name], 0)) if each.name in shares else text)
        )
    return [*rows, *aux_rows([node.layer])]


def aux_rows(layers: Sequence[Layer]) -> Pairs:
    """What of these costs inference does without, as auxiliary heads alone need it; no row where that is nothing."""
    aux = [each for each in layers if each.aux]
    if not aux:
        return []
    if len(aux) == len(layers):
        return [("", "only an auxiliary head needs it: it costs nothing at inference")]
    macs = sum(each.macs for each in aux)
    return [
        (
            "",
            f"only auxiliary heads need {len(aux):,} of the steps: their {macs:,} MACs are not for inference, and not in the sum",
        )
    ]


def with_share(text: str, share: float) -> str:
    """A cost with its share of the net in percent."""
    percent = f"{100 * share:.2f}" if share >= SMALLEST_SHARE else "under 0.01"
    return f"{text}  ({percent} % of the net)" if share else text


def module_rows(node: Explanation) -> Pairs:
    """The call that makes the torch module."""
    call = node.facts.module
    call = call if len(call) <= LONGEST_CALL else call[:LONGEST_CALL] + "…"
    before = "  (behind .flatten(1))" if node.facts.flattens else ""
    return [("module", call + before)] if call else []


def tensor_rows(facts: Facts, path: str) -> Pairs:
    """The tensors by their names in a state dict."""
    rows = []
    for each in facts.tensors:
        name = f"{path}.{each.name}" if path else each.name
        shape = "×".join(map(str, each.param.shape)) or "one number"
        terms = (
            ""
            if str(each.working.result) == each.working.terms
            else f", {each.working.terms} = {each.working.result:,}"
        )
        rows.append((name, f"{shape} {each.param.dtype}{terms}{', a buffer' * each.param.buffer}"))
    return rows


def onnx_row(each: OnnxCall, path: str) -> tuple[str, str]:
    """An ONNX node: its type, and what it takes and has."""
    inputs = [name.lstrip("./") for name in each.inputs if name]
    attributes = [f"{key}={json.dumps(value)}" for key, value in each.attributes]
    return f"{path}{each.name}" or "result", f"{each.op_type}({', '.join([*inputs, *attributes])})"


def section(name: str, rows: Pairs, paint: Paint) -> Iterator[str]:
    """A title with rows of two columns under it; nothing where there are none. Where names leave no room for values, these stand below."""
    if not rows:
        return
    yield f"\n{paint(name, BOLD)}"
    if max(text_width(clean(label)) for label, _ in rows) <= max(paint.width // 2, MAX_NAME):
        yield format_pairs(rows, paint.width)
        return
    for label, value in rows:
        yield f"  {cut_middle(clean(label), paint.width - 2)}"
        yield from fold_line(f"    {clean(value)}", paint.width, "    ")


def parts_below(explained: ExplainedGroup) -> Parts:
    """The parts of a group: its nodes by the first name behind what their paths have in common."""
    scope = shared_scope([each.path for each in explained.members])
    depth = scope.count(".") + 1 if scope else 0
    found: dict[str, list[Explanation]] = {}
    for each in explained.members:
        found.setdefault(".".join(each.path.split(".")[: depth + 1]), []).append(each)
    return [(path if len(members) > 1 else members[0].path, tuple(members)) for path, members in found.items()]


def parts_table(parts: Parts, paint: Paint) -> str:
    """A row for each part, nodes or groups of them; neighbours that are equal but for a number in their paths are one row with ×n."""
    rows = []
    for (_, *row), run in groupby(map(part_row, parts), key=lambda each: (each[0], *each[2:])):
        for paths in number_ranges([each[1] for each in run]):
            name = paths[0] if len(paths) == 1 else f"{paths[0]} … {paths[-1]}"
            rows.append([name, f"×{len(paths)}" if len(paths) > 1 else "", *row])
    head = ["path", "", "op", "output", "params", "MACs"]
    return format_table(head, rows, "<><<>>", optional=("MACs", "params"), width=min(paint.width, table_width()))


def number_ranges(paths: Sequence[str]) -> list[list[str]]:
    """Runs of neighbours of which each range keeps to one scope: only one word of their paths differs, and that is a number."""
    ranges: list[list[str]] = []
    for path in paths:
        last = ranges[-1] if ranges else []
        place = differing_number(last[0], path) if last else None
        if place is not None and (len(last) == 1 or place == differing_number(last[0], last[-1])):
            last.append(path)
        else:
            ranges.append([path])
    return ranges


def differing_number(a: str, b: str) -> int | None:
    """The index of the one word in which two paths differ, if that is a number in both; else None."""
    words = list(zip_longest(a.split("."), b.split("."), fillvalue=""))
    differing = [at for at, (x, y) in enumerate(words) if x != y]
    return differing[0] if len(differing) == 1 and all(word.isdigit() for word in words[differing[0]]) else None


def part_row(part: tuple[str, tuple[Explanation, ...]]) -> tuple[Any, ...]:
    """What tells parts apart, the path, and the cells behind it."""
    path, members = part
    kind = tuple(id(each.facts) for each in members)
    op = members[0].facts.op.name if len(members) == 1 else count_of(len(members), "step")
    params, macs = (sum(getattr(each.layer, key) for each in members) for key in ("params", "macs"))
    return kind, path, op, sizes(members[-1].facts.output), f"{params:,}", f"{macs:,}"
