"""Several nets, or one at several sizes, in one table: a row each, or one below the other where the terminal is too narrow for that."""

from __future__ import annotations

from collections.abc import Sequence

from ..compiler.diagnostics import clean
from .cost_details import compared_details
from .cost_tables import TableColumn, TableFit, fit_columns, markdown_columns, shorten
from .costs import NetReport, count_layers, describe_sizes
from .layout import table_width
from .tables import MIN_CUT, format_bytes, format_count, format_number, format_pairs, table_columns

# the least telling first
OPTIONAL = (
    "output",
    "minimum input",
    "receptive field",
    "layers",
    "without heads",
    "peak activations",
    "depth",
    "activations",
)
# columns are left out before numbers are rounded only as far as `layers`
LAYOUTS = (
    *(TableFit(OPTIONAL[:count]) for count in range(5)),
    *(TableFit(OPTIONAL[:count], rounds=True) for count in range(len(OPTIONAL) + 1)),
)


def comparison_columns(nets: Sequence[NetReport]) -> list[TableColumn]:
    """A column for each number of the nets; one for the parameters without heads where a net has any."""
    reports = [net.report for net in nets]
    counted = reports[0].counted
    details = [compared_details(net.details, net.report) for net in nets]
    with_heads = any(x.params_without_aux != x.params for x in reports)
    return [
        text_column("net", [x.label for x in reports], right=False),
        count_column(counted, [x.params for x in reports]),
        *([count_column("without heads", [x.params_without_aux for x in reports])] if with_heads else []),
        count_column("MACs", [x.cost.macs * x.batch for x in reports]),
        count_column("activations", [x.activations for x in reports]),
        text_column("peak activations", [format_bytes(x.peak_bytes) for x in reports]),
        *(text_column(name, [each[name] for each in details]) for name in details[0]),
        text_column("depth", [f"{x.cost.depth:,}" for x in reports]),
        text_column("layers", [f"{count_layers(x.cost.weight_layers):,}" for x in reports]),
        text_column("receptive field", [format_number(x.cost.receptive_field) for x in reports]),
        text_column("minimum input", [format_number(x.cost.min_input) for x in reports]),
        text_column("output", [describe_sizes(x.cost.outputs) for x in reports], right=False),
    ]


def count_column(name: str, counts: Sequence[int]) -> TableColumn:
    """A column of counts, which may be rounded."""
    return TableColumn(name, name, [f"{x:,}" for x in counts], True, name, [format_count(x).strip() for x in counts])


def text_column(name: str, cells: list[str], right: bool = True) -> TableColumn:
    """A column of cells as they are."""
    return TableColumn(name, name, cells, right)


def compare_costs(nets: Sequence[NetReport]) -> str:
    """The table for people; where it is too wide without all that may be left out, the nets stand one below the other."""
    names, *others = comparison_columns(nets)
    cells = [[x.head, *x.cells] for x in (shorten(x) for x in others if x.name not in OPTIONAL)]
    if table_columns([["-" * MIN_CUT], *cells]) <= table_width():
        return fit_columns([names, *others], LAYOUTS)
    return "\n\n".join(
        f"{clean(name)}\n{format_pairs([(x.head, x.cells[at]) for x in others], table_width())}"
        for at, name in enumerate(names.cells)
    )


def compare_costs_markdown(nets: Sequence[NetReport]) -> str:
    """The table in Markdown."""
    return markdown_columns(comparison_columns(nets))
