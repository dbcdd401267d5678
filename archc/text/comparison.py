"""Nets side by side as people read them: under what the figures hold, the table, and what a chart leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..compiler.diagnostics import clean
from .layout import fold_line, output_width, table_width
from .tables import format_table

if TYPE_CHECKING:
    from ..charts.selection import Selection


def comparison_text(
    chart: Selection, variants: Mapping[str, Sequence[str]], target: str | None = None, style: str = "bubbles"
) -> str:
    """The whole answer; `variants` are other nets with figures by the names of these, and `target` is the file that the chart was drawn
    into, in that style.
    """
    return "\n\n".join(text_parts(chart, variants, target, style))


def text_parts(
    chart: Selection, variants: Mapping[str, Sequence[str]], target: str | None, style: str
) -> Iterator[str]:
    """The parts of the answer, those that there are."""
    from ..charts.tables import alignment, describe_chart, group_left_out, table_head, table_rows

    lines = describe_chart(chart)
    if lines:
        yield "\n".join(fold(clean(line)) for line in lines)
    head = table_head(chart)
    yield format_table(
        head, table_rows(chart), alignment(head), ("source", "activations", "depth"), width=table_width()
    )
    # bars are drawn of every net
    what = "without a place in the chart" if target and style == "bubbles" else "without a figure to compare"
    left_out = [fold(clean(f"{what}, {why}: {', '.join(names)}")) for why, names in group_left_out(chart).items()]
    if left_out:
        yield "\n".join(left_out)
    if variants:
        named = "; ".join(f"{', '.join(names)} beside {name}" for name, names in variants.items())
        yield fold(f"bundled variants with figures of their own: {named}")
    if target:
        yield clean(f"wrote {target}")


def fold(line: str) -> str:
    """A line as wide as the terminal."""
    return "\n".join(fold_line(line, output_width(), "  ", cut=False))
