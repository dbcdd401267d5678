"""Cells of tables with long texts. A browser makes their columns as narrow as their longest words where a table has no room; a style sheet can keep them
wider, and does not see how long a text is."""

from __future__ import annotations

import re
from pathlib import Path

# one with a style is of a column of numbers
CELL = re.compile(r"<td>(.*?)</td>", re.S)
TAG = re.compile(r"<[^>]*>")
# letters of what is still read well in a narrow column
SHORT = 30


def mark_long_cells(site: Path) -> None:
    """Marks them in all pages of the built site, for the style of docsite/tables.py."""
    for path in site.rglob("*.html"):
        text = path.read_text("utf-8")
        if (marked := CELL.sub(mark_cell, text)) != text:
            path.write_text(marked, "utf-8")


def mark_cell(cell: re.Match[str]) -> str:
    """A cell, with a class where its text is long."""
    return f'<td class="long">{cell[1]}</td>' if len(TAG.sub("", cell[1])) > SHORT else cell[0]
