"""Tables and numbers for people: aligned columns, and thousands separators."""

from __future__ import annotations

from collections.abc import Sequence

from ..compiler.counts import count_of as count_of
from ..compiler.counts import format_bytes as format_bytes  # a table is made with all of them
from ..compiler.counts import format_count as format_count
from ..compiler.diagnostics import clean
from .layout import cut_middle, fold_line, output_width, text_width

MIN_CUT = 12  # columns that are left of a cell that is cut


def format_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], right: str = "", optional: Sequence[str] = (), width: int = 0
) -> str:
    """Rows under their heads. `right` has a character for each column: `>` aligns it at the right.

    Where the table is wider than `width` (0: see output_width), the columns in `optional` are left out, the first of them first, as
    long as it is too wide, and a last line says so; then the cells of the first column are cut in their middle.
    """
    room = width or output_width()
    cells = [[clean(cell) for cell in row] for row in ([*head], *rows)]
    widths = [max(map(text_width, column)) for column in zip(*cells, strict=True)]
    kept = list(range(len(head)))
    left_out: list[str] = []
    for name in optional:
        if table_size(widths, kept) > room:
            kept.remove(head.index(name))
            left_out.append(name)
    excess = max(table_size(widths, kept) - room, 0)
    widths[0] = max(widths[0] - excess, min(widths[0], MIN_CUT))
    lines = []
    for row in cells:
        row[0] = cut_middle(row[0], widths[0])
        parts = []
        for i in kept:
            space = " " * (widths[i] - text_width(row[i]))
            parts.append(space + row[i] if right[i : i + 1] == ">" else row[i] + space)
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines) + table_note(f"left out at {room} columns: {', '.join(left_out)}" if left_out else "", room)


def table_note(text: str, room: int) -> str:
    """The lines below a table that say what it lacks; nothing where `text` is empty."""
    return "\n\n" + "\n".join(fold_line(text, room)) if text else ""


def table_size(widths: Sequence[int], kept: Sequence[int]) -> int:
    """How many columns of a terminal the `kept` columns of a table take."""
    return sum(widths[i] for i in kept) + 2 * (len(kept) - 1)


def table_columns(columns: Sequence[Sequence[str]]) -> int:
    """How many columns of a terminal a table of these columns of cells takes."""
    return table_size([max(text_width(clean(cell)) for cell in column) for column in columns], range(len(columns)))


def format_pairs(pairs: Sequence[tuple[str, str]], width: int = 0) -> str:
    """Names and their values in two columns; a value that is wider than `width` (0: see output_width) goes on in the next line."""
    pairs = [(clean(name), value) for name, value in pairs]
    names = max((len(name) for name, _ in pairs), default=0)
    room = max((width or output_width()) - names - 4, 2 * MIN_CUT)
    lines = []
    for name, value in pairs:
        first, *rest = fold_line(clean(value), room)
        lines.append(f"  {name:<{names}}  {first}".rstrip())
        lines += [f"  {'':<{names}}  {line}".rstrip() for line in rest]
    return "\n".join(lines)


def format_number(value: object) -> str:
    """A number with separators, a shape as `64×56×56`, anything else as it is."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**30 else "a number of over 30 digits"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return "×".join(str(v) for v in value)
    if isinstance(value, dict):
        return ", ".join(f"{k} {format_number(v)}" for k, v in value.items())
    return str(value)


def format_plain(value: object) -> str:
    """As format_number does, but without separators, so that numbers can be searched for and compared."""
    if isinstance(value, dict):
        return ", ".join(f"{k} {format_plain(v)}" for k, v in value.items())
    return format_number(value).replace(",", "") if isinstance(value, int) else format_number(value)
