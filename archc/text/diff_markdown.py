"""What differs between two nets, as Markdown for a comment on a pull request: short at first sight, the rest folded away.

A comment on GitHub has at most 65,536 characters, so lists are cut that would not fit. What comes from specs and files is shown as code, or escaped, so that
it is no link, no mention of anybody and no HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..compiler.diagnostics import clean
from .diff_report import report_diff
from .interchange import escape_markdown
from .tables import count_of

if TYPE_CHECKING:
    from ..difference import NetDiff
    from .diff_report import DiffLine, DiffSection

MAX_OPEN = 6  # entries of a section that is not folded away
MAX_ENTRIES = 60
MAX_CODE = 200  # characters of a piece of code
MAX_SENTENCE = 1_000
# of the whole, but for the titles of sections; leaves room for what a script puts around it
MAX_CHARACTERS = 60_000


def diff_markdown(diff: NetDiff, summary: bool = False) -> str:
    """The report as Markdown; a `summary` is without the lists of steps."""
    report = report_diff(diff).summary if summary else report_diff(diff)
    blocks = [f"### archc diff: {escape_markdown(report.title)}", f"**{escape_markdown(report.headline)}**"]
    blocks.append("\n".join(f"- {name}: {code(side)}" for name, side in report.sides))
    if report.costs:
        blocks.append("\n".join(cost_table(report.costs)))
    if report.weights:
        first, *rest = (
            escape_markdown(line if len(line) <= MAX_SENTENCE else f"{line[:MAX_SENTENCE]}…") for line in report.weights
        )
        lines = [f"**A's checkpoint for B**: {first}", *([""] if rest else []), *(f"- {line}" for line in rest)]
        blocks.append("\n".join(lines))
    room = MAX_CHARACTERS - sum(map(len, blocks))
    for section in report.sections:
        items = fitting_items(section, room)
        room -= sum(map(len, items))
        blocks.append("\n".join(section_lines(section, items)))
    return "\n\n".join(blocks)


def cost_table(rows: tuple[tuple[str, ...], ...]) -> Iterator[str]:
    """The costs as a table; those that are equal say so once."""
    yield "| cost | A | B | change | ratio |"
    yield "|---|--:|--:|--:|--:|"
    for name, a, b, change, ratio in rows:
        yield f"| {escape_markdown(name.strip())} | {a} | {b} | {change or '='} | {ratio} |"


def fitting_items(section: DiffSection, room: int) -> list[str]:
    """The entries of a section as items of a list, as many as fit into so many characters."""
    items = []
    for entry in section.entries[:MAX_ENTRIES]:
        item = "\n".join(entry_lines(entry))
        room -= len(item) + 1
        if room < 0:
            break
        items.append(item)
    return items


def section_lines(section: DiffSection, items: Sequence[str]) -> Iterator[str]:
    """A section with those of its entries that are told; a long one is folded away."""
    title = section.title + (f" ({count_of(section.steps, 'step')})" if section.steps else "")
    folded = len(section.entries) > MAX_OPEN or section.title == "changed by it"
    yield f"<details><summary>{title}</summary>" if folded else f"**{title}**"
    yield ""
    yield from items
    if len(section.entries) > len(items):
        yield f"- and {len(section.entries) - len(items):,} more; `--format json` has them all"
    if folded:
        yield ""
        yield "</details>"


def entry_lines(entry: DiffLine) -> Iterator[str]:
    """An entry as an item of a list, with its lines of YAML as a diff below."""
    place = f" ({code(entry.place)})" if entry.place else ""
    facts = f" {code(entry.facts)}" if entry.facts else ""
    yield f"- {code(f'{entry.mark} {entry.subject}')}{facts}{place}"
    if entry.yaml:
        fence = "`" * max(3, 1 + max(len(run) for _, line in entry.yaml for run in re.findall(r"`*", line)))
        yield f"  {fence}diff"
        yield from (f"  {mark} {clean(line)}" for mark, line in entry.yaml)
        yield f"  {fence}"


def code(text: str) -> str:
    """A text as code: between more backticks than it has in a row, so that nothing in it is Markdown."""
    text = clean(text)[:MAX_CODE]
    ticks = "`" * (1 + max(map(len, re.findall(r"`*", text))))
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{space}{text}{space}{ticks}"
