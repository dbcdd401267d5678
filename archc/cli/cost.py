"""`archc cost`: what a net costs, in all and by its parts."""

from __future__ import annotations

from typing import Any

import click

from ..compiler.analysis.cost import cost
from ..compiler.limits import Limits
from ..text.costs import CostReport, cost_text, report_costs
from ..text.layout import table_width
from ..text.tables import format_number, format_table
from .options import Count, compile_spec, format_option, limit_option, print_json, set_option, specs_argument


@click.command(epilog="Example: archc cost resnet50 --by block --share")
@specs_argument
@set_option
@limit_option
@click.option("--by", type=click.Choice(["layer", "block", "op"]), help="Also a table of the parts.")
@click.option("--share", is_flag=True, help="In the table, each part's share in percent; the input is a part, too.")
@click.option("--weights-only", is_flag=True, help="Count no biases and no normalisation, as many papers do.")
@click.option(
    "--batch",
    type=Count(1, 2**31 - 1),
    default=1,
    help="Images at once: MACs, activations and memory are multiplied.",
)
@format_option()
def command(
    specs: tuple[str, ...],
    settings: tuple[str, ...],
    limits: Limits,
    by: str | None,
    share: bool,
    weights_only: bool,
    batch: int,
    form: str,
) -> None:
    """Count parameters, MACs, activations and memory of specs.

    MACs are those of convolutions and linear layers; 1 MAC is 2 FLOPs. Activations are the outputs of convolutions, pools
    and linear layers.
    """
    if share and not by:
        raise click.UsageError("--share is about a table; say which: --by layer, block or op")
    reports = [report_costs(cost(compile_spec(spec, settings, limits)[1]), weights_only, batch) for spec in specs]
    if form == "json":
        documents = [cost_json(each, by) for each in reports]
        print_json(documents[0] if len(documents) == 1 else documents)
    else:
        print("\n\n".join(report_text(each, by, share) for each in reports))


def report_text(report: CostReport, by: str | None, share: bool) -> str:
    """What is printed for people: the net's numbers, then a table of its parts if `by` says which parts."""
    if not by:
        return cost_text(report)
    return f"{cost_text(report)}\n\n{shares_table(report, by) if share else parts_table(report, by)}"


def parts_table(report: CostReport, by: str) -> str:
    """A row for each layer, block or op with its numbers. A narrow terminal has no room for all of its columns."""
    from ..compiler.analysis.cost import sum_layers

    head = [by, "op", "output", report.counted, "MACs", "activations", "source"]
    rows = [
        [
            x.path + " (aux)" * x.aux,
            x.op,
            format_number(x.output),
            f"{x.params:,}",
            f"{x.macs:,}",
            f"{x.activations:,}",
            x.source,
        ]
        for x in sum_layers(report.layers, by)
    ]
    if by == "op":  # the same op gives many outputs, at many places
        return format_table([by, *head[3:6]], [[row[0], *row[3:6]] for row in rows], "<>>>", width=table_width())
    return format_table(head, rows, "<<<>>><", optional=("source", "op"), width=table_width())


def shares_table(report: CostReport, by: str) -> str:
    """A row for each part with its shares in percent; the input is a part of the activations, and empty rows are left out."""
    from ..compiler.analysis.cost import sum_layers

    def percent(part: int, whole: int) -> str:
        return f"{100 * part / whole:.2f} %" if part else ""

    rows = [["input", "", "", percent(report.cost.input_elements * report.batch, report.with_input)]]
    for x in sum_layers(report.layers, by):
        macs = percent(x.macs, report.cost.macs * report.batch)
        rows.append([x.path, percent(x.params, report.params), macs, percent(x.activations, report.with_input)])
    return format_table([by, report.counted, "MACs", "activations"], [row for row in rows if any(row[1:])], "<>>>",
                        width=table_width())  # fmt: skip


def cost_json(report: CostReport, by: str | None) -> dict[str, Any]:
    """What `--format json` prints: the numbers, the layers, and the blocks or ops if `by` asks for them."""
    from ..compiler.analysis.cost import sum_layers

    cost = report.cost
    document: dict[str, Any] = {
        "name": cost.name,
        "params": {"total": report.params, "without_aux": report.params_without_aux},
        "weight_layers": cost.weight_layers,
        "macs": cost.macs * report.batch,
        "activations": report.activations,
        "activations_with_input": report.with_input,
        "peak_activation_bytes": cost.peak_activation_bytes * report.batch,
        "depth": cost.depth,
        "receptive_field": cost.receptive_field,
        "min_input": cost.min_input,
        "output": cost.outputs,
        "batch": report.batch,
        "layers": [x._asdict() for x in report.layers],
    }
    parts = [x._asdict() for x in sum_layers(report.layers, by)] if by in ("block", "op") else []
    return document | ({f"{by}s": parts} if parts else {})
