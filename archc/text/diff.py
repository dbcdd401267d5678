"""What differs between two nets, in lines for a terminal or a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from ..compiler.diagnostics import clean
from .diff_report import report_diff
from .excerpts import Paint
from .layout import cut_end, cut_middle, fold_line, output_width, text_width
from .tables import count_of, format_table

if TYPE_CHECKING:
    from ..difference import NetDiff
    from .diff_report import DiffLine

MAX_ENTRIES = 40  # of a section
MAX_SUBJECT = 200  # columns of a path, which may be very deep
STYLES = {"+": "32", "-": "31", "~": "33", ">": "36"}


def diff_text(diff: NetDiff, stream: TextIO | None = None, summary: bool = False) -> str:
    """The report for a pipe, or for the terminal that `stream` writes to, in colour; a `summary` is without the lists of steps."""
    paint = Paint(stream)
    report = report_diff(diff).summary if summary else report_diff(diff)
    width = output_width()
    blocks = [[paint(line, "1") for line in fold_line(clean(report.title), width, "  ")]]
    blocks[0] += [line for name, side in report.sides for line in fold_line(f"  {name}  {clean(side)}", width, "     ")]
    blocks.append(fold_line(clean(report.headline), width, "  "))
    for section in report.sections:
        lines = [paint(section.title, "1") + (f"  ({count_of(section.steps, 'step')})" if section.steps else "")]
        for entry in section.entries[:MAX_ENTRIES]:
            lines += entry_lines(entry, width, paint)
        if len(section.entries) > MAX_ENTRIES:
            lines.append(f"  and {len(section.entries) - MAX_ENTRIES:,} more; --format json has them all")
        blocks.append(lines)
    if report.costs:
        table = format_table(["costs", "A", "B", "change", "ratio"], report.costs, "<>>>>", width=width).split("\n")
        blocks.append([paint(table[0], "1"), *table[1:]])
    if report.weights:
        lines = [part for line in report.weights for part in fold_line(f"  {clean(line)}", width, "    ")]
        blocks.append([paint("A's checkpoint for B", "1"), *lines])
    return "\n\n".join("\n".join(lines) for lines in blocks)


def entry_lines(entry: DiffLine, width: int, paint: Paint) -> Iterator[str]:
    """The lines of an entry: what differs, where, and the two lines of YAML."""
    text = f"{cut_middle(clean(entry.subject), MAX_SUBJECT)}  {clean(entry.facts)}".rstrip()
    place = clean(entry.place)
    whole = f"  {entry.mark} {text}" + (f"  {place}" if place else "")
    first, *rest = (
        [whole]
        if text_width(whole) <= width
        else [*fold_line(f"  {entry.mark} {text}", width, "      "), *([f"      {place}"] if place else [])]
    )
    yield first[:2] + paint(first[2:3], STYLES[entry.mark]) + first[3:]
    yield from rest
    for mark, line in entry.yaml:
        cut = clean(line)
        yield f"      {paint(f'{mark} {cut if text_width(cut) <= width - 8 else cut_end(cut, width - 9) + chr(8230)}', STYLES[mark])}"
