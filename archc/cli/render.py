"""Diagnostics as text for people, in the form of docs and house alike:

    error[groups-mismatch]: 64 arriving channels do not divide into 3 groups
      --> net.yaml:7:28
       |
     7 |   - conv: {out: 64, groups: 3}
       |                             ^
       = help: choose groups that divide both 64 and 64

Nothing from outside reaches a terminal as it is: control characters, invisible ones and those that turn the direction
of text are written as escapes, in messages, source lines and file names. Long lines are cut around the caret.
"""

from __future__ import annotations

import os
import shutil
import traceback
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from ..compiler.diagnostics import Diagnostic, Span

MAX_EACH = 20
BOLD, RED, YELLOW, BLUE = "1", "1;31", "1;33", "1;34"


def clean(text: str) -> str:
    """`text` on one line, with all that does not print written as an escape."""
    return text if text.isprintable() else "".join(map(visible, text))


def visible(character: str) -> str:
    if character.isprintable():
        return character
    return {"\t": "\\t", "\n": "\\n", "\r": "\\r"}.get(character) or escape_sequence(ord(character))


def escape_sequence(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class Paint:
    """Colours text, or leaves it: only a terminal gets colour, and none where NO_COLOR is set."""

    def __init__(self, stream: TextIO | None) -> None:
        self.on = bool(
            stream and stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )

    def __call__(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.on else text


def diagnostics(found: Iterable[Diagnostic], stream: TextIO | None = None) -> str:
    """All of them in their order, but at most MAX_EACH errors and MAX_EACH warnings; then how many more there are."""
    paint, width = Paint(stream), columns()
    parts: list[str] = []
    seen = {"error": 0, "warning": 0}
    for each in found:
        seen[each.severity] += 1
        if seen[each.severity] <= MAX_EACH:
            parts.append("\n".join(lines(each, paint, width)))
    for severity, count in seen.items():
        if count > MAX_EACH:
            parts.append(f"and {counted(count - MAX_EACH, 'more ' + severity)}")
    return "\n\n".join(parts)


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def columns() -> int:
    return max(shutil.get_terminal_size((100, 24)).columns, 40)


def lines(diagnostic: Diagnostic, paint: Paint, width: int) -> Iterator[str]:
    """The lines of one diagnostic: its head, the place with the source line and caret, notes, and help."""
    colour = RED if diagnostic.severity == "error" else YELLOW
    head = paint(f"{diagnostic.severity}[{diagnostic.code}]", colour)
    yield f"{head}: {paint(clean(diagnostic.message), BOLD)}"
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
        yield from remark("note", note.message + where, gutter, paint)
    if diagnostic.help:
        yield from remark("help", diagnostic.help, gutter, paint)


def remark(kind: str, text: str, gutter: int, paint: Paint) -> Iterator[str]:
    """A note or a help; one of several lines stays in its column."""
    first, *rest = text.split("\n")
    yield f"{' ' * gutter} {paint('=', BLUE)} {paint(kind, BOLD)}: {clean(first)}"
    for line in rest:
        yield f"{' ' * gutter}         {clean(line)}".rstrip()


def excerpt(source: str, span: Span, room: int) -> tuple[str, int, int]:
    """A source line as shown, the caret's column in it and its length; cut to `room` columns around the caret."""
    end = span.end_column if span.end_line == span.line else len(source) + 1
    start, stop = span.column - 1, max(end - 1, span.column)
    first = max(0, start - 2 * room)  # what is far from the caret is not even looked at
    before, marked, after = (
        clean(source[first:start]),
        clean(source[start:stop][:room]),
        clean(source[stop : stop + 2 * room]),
    )
    lead, length = cells(before), max(cells(marked), 1)
    if first == 0 and lead + length + cells(after) <= room:
        return before + marked + after, lead, length
    if first or lead + length > room - 2:
        kept = max(room // 3, room - 2 - length - cells(after))
        before, cut = tail(before, kept), "…"
        before = cut + before
    lead = cells(before)
    marked = head(marked, room - lead - 1)
    left = room - lead - cells(marked)
    after = after if cells(after) <= left else head(after, left - 1) + "…"
    return before + marked + after, lead, max(min(length, room - lead), 1)


def head(text: str, room: int) -> str:
    while cells(text) > max(room, 0):
        text = text[:-1]
    return text


def tail(text: str, room: int) -> str:
    text = text[-room:] if room > 0 else ""
    while cells(text) > room:
        text = text[1:]
    return text


def cells(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def failure(error: Any, stream: TextIO | None = None) -> str:
    """What stopped a command without being a fault of a spec; of a Failure or of the runtime's own fault."""
    paint = Paint(stream)
    text = f"{paint(f'error[{error.code}]', RED)}: {paint(clean(error.message), BOLD)}"
    return "\n".join([text, *remark("help", error.help, 1, paint)]) if error.help else text


def usage(error: Any) -> str:
    """A wrong command line."""
    message = clean(error.format_message()).rstrip(".")
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "archc"
    text = f"error[usage]: {message[:1].lower()}{message[1:]}"
    return "\n".join([text, *remark("help", f"see `{where} --help`", 1, Paint(None))])


def bug(error: BaseException, stream: TextIO | None = None) -> str:
    """A bug of ours, without its traceback but with the place that a report needs."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    paint = Paint(stream)
    parts = [
        f"{paint('error[internal]', RED)}: {paint('archc has a bug', BOLD)}: "
        f"{type(error).__name__}: {clean(str(error))[:500]}{place}"
    ]
    parts += remark("note", "this is not a fault of your spec or model", 1, paint)
    parts += remark(
        "help", "set ARCHC_DEBUG=1 and run it again to see the traceback; please report it with the spec", 1, paint
    )
    return "\n".join(parts)
