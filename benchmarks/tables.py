"""Tables of Markdown that read well as text, too: what is in a column, and which rows are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from .result import Row

Choice = Callable[[Sequence[Row]], Sequence[Row]]
NOTHING = "–"
CODE = "`"


class Column(NamedTuple):
    """A key of the rows under its heading. `form` is how a number is written, as format() takes it, or CODE for a name."""

    key: str
    heading: str
    form: str = ""


class Table(NamedTuple):
    """Columns over the rows that `choose` gives of a result's; a table without rows is left out."""

    columns: Sequence[Column]
    choose: Choice = list
    title: str = ""


def format_value(value: Any, form: str) -> str:
    """A cell's text; a dash where there is no value."""
    if value is None or value == "":
        return NOTHING
    if form == CODE:
        return f"`{value}`"
    return format(value, form) if is_number(value) else str(value)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def format_table(table: Table, rows: Sequence[Row]) -> str:
    """The table as Markdown, its columns padded; numbers stand at the right."""
    shown = table.choose(rows)
    if not shown:
        return ""
    cells = [[format_value(row.get(column.key), column.form) for column in table.columns] for row in shown]
    numeric = [any(is_number(row.get(column.key)) for row in shown) for column in table.columns]
    text = format_grid([column.heading for column in table.columns], cells, numeric)
    return f"{table.title}:\n\n{text}" if table.title else text


def format_grid(headings: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[bool]) -> str:
    """Rows of texts as a table of Markdown."""
    widths = [max(3, *map(len, column)) for column in zip(headings, *cells, strict=True)]

    def line(texts: Iterable[str]) -> str:
        placed = (text.rjust(width) if right else text.ljust(width)
                  for text, width, right in zip(texts, widths, numeric, strict=True))  # fmt: skip
        return f"| {' | '.join(placed)} |"

    rule = ("-" * (width - 1) + (":" if right else "-") for width, right in zip(widths, numeric, strict=True))
    return "\n".join([line(headings), line(rule), *map(line, cells)])
