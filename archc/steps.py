"""Which steps a user means: by a path, by a line of the spec, or by a line of a file that the spec extends or imports."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from .compiler.analysis.missing_steps import EnteringValue, no_such_step
from .compiler.analysis.step_groups import nodes_under
from .compiler.diagnostics import Failure, Source, Span, list_names, nearest
from .compiler.driver import Compilation
from .compiler.frontend.application import RejectedStep
from .compiler.frontend.located_yaml import Located
from .compiler.ir.graph import Graph, Node
from .compiler.ir.provenance import Frame

PLACE = re.compile(r"(?P<file>.*):(?P<line>[0-9]{1,7})(?::[0-9]{0,7})?")
NEAR_LINES = 3  # that a message names before and after a line without steps


class FoundSteps(NamedTuple):
    """What a word means. `lines` is the written step, as its file and its first and last line, None for a path.

    `parts` are the nodes: one alone for a step of the graph, or, for a block or a repeat, all nodes of each of its calls.
    """

    word: str
    parts: tuple[tuple[Node, ...], ...]
    lines: tuple[Source, int, int] | None = None


class WrittenStep(NamedTuple):
    """A step as it is written: its first and last line in a file, and the lines on which its keys and their values begin."""

    label: str
    first: int
    last: int
    begins: tuple[int, ...]


def find_steps(checked: Compilation, graph: Graph, word: str) -> FoundSteps:
    """The steps that `word` means: a path, `%path`, a line, `:line`, or `file:line`. A number is a line if there are steps in it.

    Raises Failure `no-such-step` (usage) where there are none.
    """
    main = checked.sources[0]
    if re.fullmatch(r":?[0-9]{1,7}", word):
        number = int(word.lstrip(":"))
        found = steps_at(checked, graph, main, number)
        if found:
            return found
        if word.startswith(":") or not has_path(graph, word):
            raise empty_line(checked, graph, main, number)
    path = word.removeprefix("%")
    if has_path(graph, path):
        return at_path(graph, path)
    place = PLACE.fullmatch(word)
    source = place and find_source(checked.sources, place["file"])
    if place and source:
        number = int(place["line"])
        found = steps_at(checked, graph, source, number)
        if found:
            return found
        raise empty_line(checked, graph, source, number)
    raise unknown_path(graph, path, checked.sources, place["file"] if place else "")


def rejected_steps(checked: Compilation, word: str) -> tuple[RejectedStep, ...]:
    """The steps that `word` means, or that are under it, and whose ops refuse what arrives; of those of one mistake the first."""
    place = PLACE.fullmatch(word)
    source = find_source(checked.sources, place["file"]) if place and place["file"] else checked.sources[0]
    found: list[RejectedStep] = []
    if (place or word.isdecimal()) and source:
        number = int(place["line"] if place else word)
        step = step_around(checked, source.label, number)
        lines = range(step.first, step.last + 1) if step else range(number, number + 1)
        found = [
            each
            for each in checked.rejected.values()
            # a call, too, means all that is in it
            if any(
                is_at(span, source.label, lines)
                for span in (each.diagnostic.span, *(frame.span for frame in each.frames))
            )
        ]
    if not found:
        path = word.removeprefix("%")
        found = [each for at, each in checked.rejected.items() if at == path or at.startswith(f"{path}.")]
    return tuple({(each.diagnostic.code, each.diagnostic.span): each for each in reversed(found)}.values())[::-1]


def has_path(graph: Graph, path: str) -> bool:
    """Whether a step or a scope of the graph has this path, or an output this name."""
    names = {output.name for output in graph.outputs}
    return path in names or any(node.path == path or node.path.startswith(f"{path}.") for node in graph.nodes)


def at_path(graph: Graph, path: str) -> FoundSteps:
    """The steps of a path that is there: those under it, then that of the name itself, then the one that gives an output."""
    own = [node for node in graph.nodes if node.path == path]
    inside = nodes_under(graph, path)
    if not own and not inside:
        given = next(output.value.name for output in graph.outputs if output.name == path)
        own = [node for node in graph.nodes if node.output.name == given]
    return FoundSteps(path, ((*own,),) if own else (inside,))


def find_source(sources: Sequence[Source], file: str) -> Source | None:
    """The text that a user calls `file`: by its name, its label, or the last part of its label, with or without `.yaml`."""
    ways = [
        {source.name: source for source in reversed(sources)},
        {source.label: source for source in reversed(sources)},
    ]
    short = {source.label.rsplit("/", 1)[-1]: source for source in reversed(sources)}
    found = [way[name] for way in (*ways, short) for name in (file, f"{file}.yaml") if name in way]
    return found[0] if found else None


def steps_at(checked: Compilation, graph: Graph, source: Source, line: int) -> FoundSteps | None:
    """The steps that a line makes, or that of which it is a part; None where it makes none."""
    word = f"{source.label.rsplit('/', 1)[-1]}:{line}"
    step = step_around(checked, source.label, line)
    lines = (source, step.first, step.last) if step else (source, line, line)
    for begin in (line, *(step.begins if step else ())):
        if parts := made_at(graph, source.label, begin):
            return FoundSteps(word, parts, lines)
    if step:
        covered = range(step.first, step.last + 1)
        inside = [node for node in graph.nodes if any(is_at(span, source.label, covered) for span in spans_of(node))]
        return FoundSteps(word, ((*inside,),), lines) if inside else None
    block = block_at(checked, source.label, line)
    called = calls_where(graph, lambda frame: frame.name == block) if block else ()
    return FoundSteps(word, called, lines) if called else None


def made_at(graph: Graph, label: str, line: int) -> tuple[tuple[Node, ...], ...]:
    """What a line of a file makes: its steps, each node alone, or else the nodes of each call, copy or branch that begins there."""
    at = range(line, line + 1)
    own = tuple((node,) for node in graph.nodes if is_at(node.span, label, at))
    return own or calls_where(graph, lambda frame: is_at(frame.span, label, at))


def calls_where(graph: Graph, is_meant: Callable[[Frame], bool]) -> tuple[tuple[Node, ...], ...]:
    """The nodes of each frame that is meant; of frames in one another those of the outermost."""
    found: dict[int, list[Node]] = {}
    for node in graph.nodes:
        frame = next((frame for frame in node.frames if is_meant(frame)), None)
        if frame:
            found.setdefault(id(frame), []).append(node)
    return tuple(tuple(nodes) for nodes in found.values())


def spans_of(node: Node) -> tuple[Span | None, ...]:
    """The places of a node: its own, and those it was expanded from."""
    return (node.span, *(frame.span for frame in node.frames))


def is_at(span: Span | None, label: str, lines: range) -> bool:
    """Whether a place begins in these lines of a file."""
    return span is not None and span.line in lines and span.source.label == label


def written_steps(checked: Compilation, label: str) -> Iterator[WrittenStep]:
    """All steps of a file."""
    for node in checked.scopes:
        if node.span.source.label == label:
            entries = node.value.values() if isinstance(node.value, dict) else ()
            begins = {line for entry in entries for line in (entry.key.span.line, entry.value.span.line)}
            yield WrittenStep(label, node.span.line, last_line(node), (node.span.line, *sorted(begins)))


def last_line(node: Located) -> int:
    """The last line on which something of a YAML node stands."""
    if isinstance(node.value, dict):
        return max((last_line(entry.value) for entry in node.value.values()), default=node.span.line)
    if isinstance(node.value, list):
        return max((last_line(item) for item in node.value), default=node.span.line)
    return max(node.span.end_line, node.span.line)


def step_around(checked: Compilation, label: str, line: int) -> WrittenStep | None:
    """The innermost step that a line is a part of."""
    around = [step for step in written_steps(checked, label) if step.first <= line <= step.last]
    return min(around, key=lambda step: (step.last - step.first, -step.first), default=None)


def block_at(checked: Compilation, label: str, line: int) -> str:
    """The block whose params and names a line is among, before its first step; empty where there is none."""
    for block in checked.document.blocks.values() if checked.document else ():
        if is_at(block.steps.span, label, range(line + 1, sys.maxsize)) and is_at(
            block.key.span, label, range(line + 1)
        ):
            first = min((step.node.span.line for step in block.steps.steps), default=0)
            if line < first:
                return block.name
    return ""


def unknown_path(graph: Graph, path: str, sources: Sequence[Source], file: str) -> Failure:
    """The failure for a path that no step has; `file` is what stands before a line's number, if the word is such a place."""
    if file:
        near = nearest(file, [source.label.rsplit("/", 1)[-1] for source in sources])
        known = list_names([source.label.rsplit("/", 1)[-1] for source in sources], "`{}`")
        help = f"did you mean `{near}`?" if near else f"its files are {known}"
        return Failure("no-such-step", f"`{file[:200]}` is no file of this spec", help, 2)
    readers = {value.name: [node.path for node in graph.nodes if value in node.inputs] for value in graph.inputs}
    inputs = {value.name: EnteringValue(str(value.type), readers[value.name]) for value in graph.inputs}
    return no_such_step(path, (node.path for node in graph.nodes), inputs)


def empty_line(checked: Compilation, graph: Graph, source: Source, line: int) -> Failure:
    """The failure for a line that makes no step."""
    name = source.label.rsplit("/", 1)[-1]
    text = source.line(line).strip()
    if step_around(checked, source.label, line) or block_at(checked, source.label, line):
        why = "makes nothing in this net: what it is in is not called, or its `when` is false"
    elif not text:
        why = (
            "is empty"
            if line <= source.text.count("\n") + 1
            else f"is not there: it has {len(source.text.splitlines())}"
        )
    elif text.startswith("#"):
        why = "is a comment"
    else:
        why = "is no step"
    begins = {line for step in written_steps(checked, source.label) for line in (step.first,)}
    making = sorted(begin for begin in begins if made_at(graph, source.label, begin))
    near = [*(n for n in making if n < line)][-NEAR_LINES:] + [*(n for n in making if n > line)][:NEAR_LINES]
    others = dict.fromkeys(span.short for node in graph.nodes for span in (node.span,) if span)
    help = (
        f"lines near it that make steps: {', '.join(map(str, near))}"
        if near
        else (
            f"it has no steps; the net's are in {list_names(dict.fromkeys(o.rsplit(':', 1)[0].rsplit('/', 1)[-1] for o in others), '`{}`')}"
        )
    )
    return Failure("no-such-step", f"line {line} of `{name}` {why}", help, 2)
