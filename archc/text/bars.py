"""Bars of characters: eighths of a column where the output can show them, whole columns of `#` where it cannot."""

from __future__ import annotations

import sys

EIGHTHS = "▏▎▍▌▋▊▉█"


def can_show_eighths() -> bool:
    """Whether the encoding of standard output has the characters of bars."""
    try:
        EIGHTHS.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def draw_bar(part: float, columns: int, eighths: bool = True) -> str:
    """A bar of `part` (0 to 1) of the `columns`, without the space behind it."""
    if not eighths:
        return "#" * round(part * columns)
    whole, rest = divmod(round(part * columns * 8), 8)
    return "█" * whole + (EIGHTHS[rest - 1] if rest else "")
