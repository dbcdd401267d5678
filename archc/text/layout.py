"""Text in columns: how many a terminal has, how many a text takes, and how one that takes more is folded or cut."""

from __future__ import annotations

import re
import sys
from typing import TextIO


def terminal_columns(fallback: int) -> int:
    """The columns of the terminal, or of COLUMNS; `fallback` where neither says."""
    import shutil  # late: what it imports takes longer than all else here

    return shutil.get_terminal_size((fallback, 24)).columns


def output_width(stream: TextIO | None = None) -> int:
    """The columns that lines may take: those of the terminal. Without bound where `stream` (standard output) is none: there, nothing
    is folded or cut."""
    terminal = (stream or sys.stdout).isatty()
    return max(terminal_columns(80), 40) if terminal else sys.maxsize


def table_width() -> int:
    """The columns that a table may take: those of the terminal, or of COLUMNS, which whoever sets it wants in a pipe, too."""
    return max(terminal_columns(sys.maxsize), 40)


def prose_width() -> int:
    """The columns that sentences take: those of the terminal up to 100, or of COLUMNS; 80 in a pipe."""
    return min(max(terminal_columns(80), 40), 100)


def terminal_width() -> int:
    """The columns of the terminal, at least 40; 100 where there is none."""
    return max(terminal_columns(100), 40)


def fold_line(text: str, room: int, indent: str = "", cut: bool = True) -> list[str]:
    """A line as lines of at most `room` columns, broken at spaces; those after the first begin with `indent`.

    A word that is too wide is cut in its middle, or left whole where `cut` is False.
    """
    if text_width(text) <= room:
        return [text]
    start = re.match(" *", text)
    lines, line = [], start[0] if start else ""
    for word in re.findall(r"\S+ *", text):
        if line.strip() and text_width(line + word.rstrip()) > room:
            lines.append(line.rstrip())
            line = indent
        fits = not cut or text_width(line + word.rstrip()) <= room
        line += word if fits else cut_middle(word, room - text_width(line))
    return [*lines, line.rstrip()]


def cut_middle(text: str, room: int) -> str:
    """The text, with `…` for its middle where it is over `room` columns: of a path, both ends tell most."""
    if text_width(text) <= room:
        return text
    end = cut_start(text, (room - 1) * 2 // 3)
    return cut_end(text, room - 1 - text_width(end)) + "…" + end


def cut_end(text: str, room: int) -> str:
    """As much of the beginning as fits `room` columns."""
    while text_width(text) > max(room, 0):
        text = text[:-1]
    return text


def cut_start(text: str, room: int) -> str:
    """As much of the end as fits `room` columns."""
    text = text[-room:] if room > 0 else ""
    while text_width(text) > max(room, 0):
        text = text[1:]
    return text


def text_width(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


# of the same width, so that what is laid out stays so; `>` alone would say something else
PLAIN = str.maketrans("├└│─×·−…→←µ", "|`|-x*-~><u") | str.maketrans({"≥": ">="})


def encodable(text: str, stream: TextIO) -> str:
    """The text with ASCII for its strokes, signs and arrows where the stream's encoding lacks one of its characters."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return text.translate(PLAIN)
    return text
