"""A chart as one page of HTML: the drawing, and all of its figures with their sources. The page loads nothing and runs no script."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from ..compiler.diagnostics import clean
from .style import INK, PAPER, RULE

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """\
:root { color-scheme: light dark; --ink: #1b1b1b; --rule: #d4d4d4; --paper: #ffffff; --note: #555; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececec; --rule: #444; --paper: #181a1c; --note: #aaa; } }
@media print { :root { --ink: #000; --rule: #ccc; --paper: #fff; --note: #333; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
figure { margin: 0 0 2rem; overflow-x: auto; }
svg { width: 100%; height: auto; min-width: 36rem; }
h1 { font-size: 1.3rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.6rem; border-bottom: 1px solid var(--rule); text-align: left; white-space: nowrap; }
td:last-child { white-space: normal; }
.n { text-align: right; }
ul, p { color: var(--note); }
tr { break-inside: avoid; }
"""
NUMBERS = {"accuracy", "params", "MACs", "activations", "depth", "ms", "J"}


def format_page(title: str, svg: str, head: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    """The whole page. `notes` stand below the table: under what the figures hold, and what is left out."""
    kinds = [' class="n"' if name in NUMBERS else "" for name in head]
    top = "".join(f'<th scope="col"{kind}>{escape_text(name)}</th>' for name, kind in zip(head, kinds, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{escape_text(cell)}</td>" for cell, kind in zip(row, kinds, strict=True))
        + "</tr>\n"
        for row in rows
    )
    table = f'<div class="wide" tabindex="0" role="region" aria-label="figures"><table><thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n'
    told = "".join(f"<li>{escape_text(note)}</li>\n" for note in notes)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape_text(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n'
        f"<body>\n<main>\n<h1>{escape_text(title)}</h1>\n<figure>\n{embed(svg)}</figure>\n{table}<ul>\n{told}</ul>\n</main>\n</body>\n</html>\n"
    )  # fmt: skip


def escape_text(value: str) -> str:
    """Text from anywhere as HTML."""
    return escape(clean(value))


def embed(svg: str) -> str:
    """The SVG without what only a file of its own has, in the page's colours: so it is dark where the page is."""
    inner = svg[svg.index("<svg ") :]
    inner = re.sub(r"<metadata>.*?</metadata>\s*", "", inner, count=1, flags=re.S)
    for colour, name in ((INK, "ink"), (RULE, "rule"), (PAPER, "paper")):
        inner = inner.replace(f": {colour}", f": var(--{name})")
    return inner
