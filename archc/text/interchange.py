"""Tables for other programs: csv for spreadsheets and scripts, Markdown for pages and pull requests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

from ..compiler.diagnostics import clean

FORMULA = ("=", "+", "-", "@")
MARKUP = re.compile(r"[\\`*_{}\[\]|~<>&$]")
NOTIFYING = re.compile(r"(?<=[@#])")  # GitHub looks for people and issues after it has read the escapes


def csv_table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows under one head, quoted as RFC 4180 says, with a line feed behind each line but the last.

    Numbers are plain, sizes are `64x56x56`, and what is not there is empty. A text that a spreadsheet would take for a formula has a `'`
    in front.
    """
    import csv

    lines: list[str] = []
    writer = csv.writer(SimpleNamespace(write=lines.append), lineterminator="\n")
    writer.writerows([head, *(map(csv_cell, row) for row in rows)])
    return "".join(lines).removesuffix("\n")


def csv_cell(value: Any) -> Any:
    """A value as a cell of a csv."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "x".join(map(str, value))
    if isinstance(value, str):
        text = clean(value)
        return f"'{text}" if text.startswith(FORMULA) else text
    return "" if value is None else value


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]], right: str) -> str:
    """Rows of a table in Markdown. `right` has a character for each column: `>` aligns it at the right."""
    rule = ["--:" if right[at : at + 1] == ">" else "---" for at in range(len(head))]
    cells = [[escape_markdown(cell) for cell in row] for row in ([*head], *rows)]
    lines = [cells[0], rule, *cells[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escape_markdown(text: str) -> str:
    """A text, in one cell, in which nothing is Markdown, HTML, a mention of somebody or a link to an issue."""
    return NOTIFYING.sub("<!-- -->", MARKUP.sub(lambda found: "\\" + found[0], clean(text)))
