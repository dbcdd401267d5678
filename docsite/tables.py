"""How tables look: what a row is about, its first column, is not broken within a word of code."""

from __future__ import annotations

from collections.abc import Iterator

from .page import Page

STYLE = """\
.md-typeset table:not([class]) td:first-child code { white-space: nowrap; }
"""


def table_style() -> Iterator[Page]:
    """The style sheet that docsite/zensical.toml names."""
    yield Page("tables.css", STYLE)
