"""Diagnostics as text for people:

    error[groups-mismatch]: 64 arriving channels do not divide into 3 groups
      --> net.yaml:7:28
       |
     7 |   - conv: {out: 64, groups: 3}
       |                             ^
       = help: choose groups that divide both 64 and 64

Text from outside is never printed as it is: in messages, source lines and file names, control characters, invisible ones and
those that change the direction of text become escapes. Long lines are cut around the caret.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from ..compiler.diagnostics import clean
from ..text.excerpts import BLUE, BOLD, RED, YELLOW, Paint, excerpt
from ..text.layout import fold_line, terminal_width
from ..text.tables import count_of

if TYPE_CHECKING:
    from ..compiler.diagnostics import Diagnostic

MAX_PER_SEVERITY = 20
LONGEST_TEXT = 4000  # characters of one message: names in a model may have millions


def format_diagnostics(found: Iterable[Diagnostic], stream: TextIO | None = None) -> str:
    """The diagnostics in their order, at most MAX_PER_SEVERITY errors and as many warnings; then how many more there are."""
    paint, width = Paint(stream), terminal_width()
    parts: list[str] = []
    seen = {"error": 0, "warning": 0, "note": 0}
    for each in found:
        seen[each.severity] += 1
        if seen[each.severity] <= MAX_PER_SEVERITY:
            parts.append("\n".join(diagnostic_lines(each, paint, width)))
    for severity, count in seen.items():
        if count > MAX_PER_SEVERITY:
            parts.append(f"and {count_of(count - MAX_PER_SEVERITY, 'more ' + severity)}")
    return "\n\n".join(parts)


def diagnostic_lines(diagnostic: Diagnostic, paint: Paint, width: int) -> Iterator[str]:
    """The lines of one diagnostic: its message, the source line with a caret, its notes, and its help."""
    colour = RED if diagnostic.severity == "error" else YELLOW
    yield from title_lines(diagnostic.severity, diagnostic.code, diagnostic.message, colour, paint)
    span = diagnostic.span
    gutter = len(str(span.line)) if span else 1
    edge = paint(" " * gutter + " |", BLUE)
    if span:
        yield f"{' ' * gutter}{paint('-->', BLUE)} {clean(span.place)}"
        source = span.source.line(span.line)
        if source.strip() or diagnostic.label:
            shown, caret, length = excerpt(source, span, width - gutter - 3)
            yield edge
            yield f"{paint(f'{span.line} |', BLUE)} {shown}".rstrip()
            mark = "^" * length + " " * bool(diagnostic.label) + clean(diagnostic.label)
            yield f"{edge} {' ' * caret}{paint(mark, colour)}"
    for note in diagnostic.notes:
        where = f" ({clean(note.span.place)})" if note.span and note.span.short not in note.message else ""
        yield from note_lines("note", note.message + where, gutter, paint)
    if diagnostic.help:
        yield from note_lines("help", diagnostic.help, gutter, paint)


def clean_message(text: str) -> str:
    """`text` as `clean` gives it, cut where it is very long."""
    return clean(text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…")


def title_lines(kind: str, code: str, message: str, colour: str, paint: Paint) -> Iterator[str]:
    """The kind, the code and the message, folded where the terminal is narrower."""
    title = f"{kind}[{code}]"
    first, *rest = fold_line(f"{title}: {clean_message(message)}", paint.width, "  ", cut=False)
    yield f"{paint(title, colour)}: {paint(first[len(title) + 2 :], BOLD)}".rstrip()
    for line in rest:
        yield "  " + paint(line[2:], BOLD)


def note_lines(kind: str, text: str, gutter: int, paint: Paint) -> Iterator[str]:
    """The lines of a note or a help; those after the first are indented as far as the first one's text."""
    lead, room = " " * (gutter + 9), paint.width
    lines = [part for line in text.split("\n") for part in fold_line(lead + clean_message(line), room, lead, cut=False)]
    yield f"{' ' * gutter} {paint('=', BLUE)} {paint(kind, BOLD)}: {lines[0][gutter + 9 :]}"
    for line in lines[1:]:
        yield line.rstrip()


def format_warning(code: str, message: str, stream: TextIO | None = None) -> str:
    """A warning that is about no place in a spec."""
    return "\n".join(title_lines("warning", code, message, YELLOW, Paint(stream)))


def format_failure(error: Any, stream: TextIO | None = None) -> str:
    """The message of a Failure, or of a RuntimeFault."""
    paint = Paint(stream)
    lines = [*title_lines("error", error.code, error.message, RED, paint)]
    return "\n".join([*lines, *note_lines("help", error.help, 1, paint)] if error.help else lines)


BUG_HELP = "set ARCHC_DEBUG=1 and run it again to see the traceback; please report it with the spec"


def describe_bug(error: BaseException) -> str:
    """What a bug of ours is: no traceback, but the place that a report of it needs."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    return f"archc has a bug: {type(error).__name__}: {str(error)[:500]}{place}"


def format_bug(error: BaseException, stream: TextIO | None = None) -> str:
    """The message of a bug of ours."""
    paint = Paint(stream)
    parts = [*title_lines("error", "internal", describe_bug(error), RED, paint)]
    parts += note_lines("note", "this is not a fault of your spec or model", 1, paint)
    parts += note_lines("help", BUG_HELP, 1, paint)
    return "\n".join(parts)
