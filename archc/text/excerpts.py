"""Lines of a spec with a caret under what is meant, and the colours of a terminal."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from ..compiler.diagnostics import Span, clean
from .layout import cut_end, cut_start, output_width, text_width

BOLD, RED, YELLOW, BLUE = "1", "1;31", "1;33", "1;34"


class Paint:
    """Colours text for a terminal. Without a terminal, or where NO_COLOR is set, text stays as it is. `width` is the terminal's."""

    def __init__(self, stream: TextIO | None) -> None:
        self.on = bool(
            stream and stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )
        self.width = output_width(stream) if stream else sys.maxsize

    def __call__(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.on else text


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
