"""How tables and code in them look: no word of code is broken, and what a row is about, its first column, is on one line where there is room. A table that is too wide for the page scrolls
in itself, so cells have narrower margins than the theme's, and the page is as wide as a window of 1280 pixels. So does a picture that would be too small (docsite/drawings.py)."""

from __future__ import annotations

from collections.abc import Iterator

from .page import Page

STYLE = """\
@media (min-width: 76.25em) { .md-grid { max-width: 64rem; } }
.whole { white-space: nowrap; }
.md-typeset table:not([class]) code { word-break: normal; }
@media (min-width: 44em) { .md-typeset table:not([class]) td:first-child code { white-space: nowrap; } }
.md-typeset table:not([class]) :is(th, td) { min-width: 0; padding: .6em .4em; }
.md-typeset table:not([class]) td.long { min-width: 7em; }
.md-typeset p:has(> a > img) { overflow-x: auto; }
@media (max-width: 44em) { .md-typeset table:not([class]) td.long { min-width: 14em; } }
"""


def table_style() -> Iterator[Page]:
    """The style sheet that docsite/zensical.toml names."""
    yield Page("tables.css", STYLE)
