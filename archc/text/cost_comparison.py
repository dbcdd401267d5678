"""Several nets, or one at several sizes, in one table: a row each."""

from __future__ import annotations

from collections.abc import Sequence

from .costs import CostReport, describe_sizes
from .layout import table_width
from .tables import format_bytes, format_number, format_table

# the least telling first
OPTIONAL = ("output", "minimum input", "receptive field", "layers", "without heads", "peak memory")


def comparison_columns(reports: Sequence[CostReport]) -> tuple[list[str], list[list[str]]]:
    """The heads and the rows; there is a column for the parameters without heads where a net has any."""
    with_heads = any(x.params_without_aux != x.params for x in reports)
    head = ["net", reports[0].counted, "without heads", "MACs", "activations", "peak memory", "depth", "layers",
            "receptive field", "minimum input", "output"]  # fmt: skip
    rows = []
    for x in reports:
        layers = x.cost.weight_layers
        rows.append([
            x.label, f"{x.params:,}", f"{x.params_without_aux:,}", f"{x.cost.macs * x.batch:,}", f"{x.activations:,}",
            format_bytes(x.peak_bytes), f"{x.cost.depth:,}", f"{sum(layers.values()) - layers.get('aux', 0):,}",
            format_number(x.cost.receptive_field), format_number(x.cost.min_input), describe_sizes(x.cost.outputs),
        ])  # fmt: skip
    if not with_heads:
        head.pop(2)
        for row in rows:
            row.pop(2)
    return head, rows


def compare_costs(reports: Sequence[CostReport]) -> str:
    """The table for people."""
    head, rows = comparison_columns(reports)
    right = "<" + ">" * (len(head) - 2) + "<"
    return format_table(head, rows, right, [name for name in OPTIONAL if name in head], table_width())


def compare_costs_markdown(reports: Sequence[CostReport]) -> str:
    """The table in Markdown."""
    from .interchange import markdown_table

    head, rows = comparison_columns(reports)
    return markdown_table(head, rows, "<" + ">" * (len(head) - 2) + "<")
