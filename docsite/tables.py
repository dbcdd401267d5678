"""How tables and code in them look: no word of code is broken, and what a row is about, its first column, is on one line where there is room. A table that is too wide for the page scrolls
in itself, so cells have narrower margins than the theme's."""

from __future__ import annotations

from collections.abc import Iterator

from .page import Page

STYLE = """\
.whole { white-space: nowrap; }
.md-typeset table:not([class]) code { word-break: normal; }
@media (min-width: 44em) { .md-typeset table:not([class]) td:first-child code { white-space: nowrap; } }
.md-typeset table:not([class]) :is(th, td) { min-width: 0; padding: .6em .5em; }
@media (max-width: 44em) { .md-typeset table:not([class]) td:last-child:not([style], :first-child) { min-width: 14em; } }
"""


def table_style() -> Iterator[Page]:
    """The style sheet that docsite/zensical.toml names."""
    yield Page("tables.css", STYLE)
