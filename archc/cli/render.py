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
import shutil
import traceback
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from ..compiler.diagnostics import Diagnostic, Span

MAX_PER_SEVERITY = 20
BOLD, RED, YELLOW, BLUE = "1", "1;31", "1;33", "1;34"


def clean(text: str) -> str:
    """`text` on one line, with an escape for every character that does not print."""
    return text if text.isprintable() else "".join(map(escape_character, text))


def escape_character(character: str) -> str:
    """The character, or its escape if it does not print."""
    if character.isprintable():
        return character
    return {"\t": "\\t", "\n": "\\n", "\r": "\\r"}.get(character) or escape_sequence(ord(character))


def escape_sequence(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class Paint:
    """Colours text for a terminal. Without a terminal, or where NO_COLOR is set, text stays as it is."""

    def __init__(self, stream: TextIO | None) -> None:
        self.on = bool(
            stream and stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )

    def __call__(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.on else text


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


def count_of(count: int, noun: str) -> str:
    """`1 error`, `2 errors`, `1,000 errors`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def terminal_width() -> int:
    """The columns of the terminal, at least 40; 100 where there is none."""
    return max(shutil.get_terminal_size((100, 24)).columns, 40)


def diagnostic_lines(diagnostic: Diagnostic, paint: Paint, width: int) -> Iterator[str]:
    """The lines of one diagnostic: its message, the source line with a caret, its notes, and its help."""
    colour = RED if diagnostic.severity == "error" else YELLOW
    title = paint(f"{diagnostic.severity}[{diagnostic.code}]", colour)
    yield f"{title}: {paint(clean(diagnostic.message), BOLD)}"
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


def note_lines(kind: str, text: str, gutter: int, paint: Paint) -> Iterator[str]:
    """The lines of a note or a help; those after the first are indented as far as the first one's text."""
    first, *rest = text.split("\n")
    yield f"{' ' * gutter} {paint('=', BLUE)} {paint(kind, BOLD)}: {clean(first)}"
    for line in rest:
        yield f"{' ' * gutter}         {clean(line)}".rstrip()


def excerpt(source: str, span: Span, room: int) -> tuple[str, int, int]:
    """A source line cut to `room` columns around the span, the column of the caret in it, and the caret's length."""
    end = span.end_column if span.end_line == span.line else len(source) + 1
    start, stop = span.column - 1, max(end - 1, span.column)
    first = max(0, start - 2 * room)  # a line may be very long: what is far from the caret is not looked at
    before, marked, after = (
        clean(source[first:start]),
        clean(source[start:stop][:room]),
        clean(source[stop : stop + 2 * room]),
    )
    lead, length = text_width(before), max(text_width(marked), 1)
    if first == 0 and lead + length + text_width(after) <= room:
        return before + marked + after, lead, length
    if first or lead + length > room - 2:
        kept = max(room // 3, room - 2 - length - text_width(after))
        before, cut = cut_start(before, kept), "…"
        before = cut + before
    lead = text_width(before)
    marked = cut_end(marked, room - lead - 1)
    left = room - lead - text_width(marked)
    after = after if text_width(after) <= left else cut_end(after, left - 1) + "…"
    return before + marked + after, lead, max(min(length, room - lead), 1)


def cut_end(text: str, room: int) -> str:
    """As much of the beginning as fits `room` columns."""
    while text_width(text) > max(room, 0):
        text = text[:-1]
    return text


def cut_start(text: str, room: int) -> str:
    """As much of the end as fits `room` columns."""
    text = text[-room:] if room > 0 else ""
    while text_width(text) > room:
        text = text[1:]
    return text


def text_width(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def format_failure(error: Any, stream: TextIO | None = None) -> str:
    """The message of a Failure, or of a RuntimeFault."""
    paint = Paint(stream)
    text = f"{paint(f'error[{error.code}]', RED)}: {paint(clean(error.message), BOLD)}"
    return "\n".join([text, *note_lines("help", error.help, 1, paint)]) if error.help else text


def format_usage_error(error: Any) -> str:
    """The message of a wrong command line, from click's exception."""
    message = clean(error.format_message()).rstrip(".")
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "archc"
    text = f"error[usage]: {message[:1].lower()}{message[1:]}"
    return "\n".join([text, *note_lines("help", f"see `{where} --help`", 1, Paint(None))])


def format_bug(error: BaseException, stream: TextIO | None = None) -> str:
    """The message of a bug of ours: no traceback, but the place that a report of it needs."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    paint = Paint(stream)
    parts = [
        f"{paint('error[internal]', RED)}: {paint('archc has a bug', BOLD)}: "
        f"{type(error).__name__}: {clean(str(error))[:500]}{place}"
    ]
    parts += note_lines("note", "this is not a fault of your spec or model", 1, paint)
    parts += note_lines(
        "help", "set ARCHC_DEBUG=1 and run it again to see the traceback; please report it with the spec", 1, paint
    )
    return "\n".join(parts)
