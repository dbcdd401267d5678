"""A net's costs for programs: the document of `--format json`, and the rows of `--format csv`. Bytes and numbers are plain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..compiler.analysis.cost import Layer
from ..compiler.analysis.parts import By
from .cost_tables import CostTable
from .costs import CostReport
from .rooflines import CardReport, part_times


def cost_document(report: CostReport, by: By | None, depth: int, cards: Sequence[CardReport] = ()) -> dict[str, Any]:
    """The net's numbers and its layers; the blocks or ops if `by` asks for them, and the rooflines of `cards`."""
    table = CostTable(report, by, depth) if by else None
    document = overview(report) | {"layers": [row_document(x, report) for x in report.layers]}
    if table is not None and by != "layer":
        document[f"{by}s"] = rows_document(table)
    if cards:
        document["rooflines"] = [card_document(each, table) for each in cards]
    return document


def overview(report: CostReport) -> dict[str, Any]:
    """The net's numbers."""
    cost = report.cost
    return {
        "name": cost.name,
        "params": {"total": report.params, "without_aux": report.params_without_aux},
        "weight_layers": cost.weight_layers,
        "macs": cost.macs * report.batch,
        "activations": report.activations,
        "activations_with_input": report.with_input,
        "peak_activation_bytes": report.peak_bytes,
        "depth": cost.depth,
        "receptive_field": cost.receptive_field,
        "min_input": cost.min_input,
        "input": cost.inputs,
        "output": cost.outputs,
        "batch": report.batch,
        "precision": report.precision,
    }


def row_document(row: Layer, report: CostReport) -> dict[str, Any]:
    """A row with its bytes in the report's precision."""
    size = report.element_bytes
    return row._asdict() | {"param_bytes": row.params * size, "activation_bytes": row.activations * size}


def rows_document(table: CostTable) -> list[dict[str, Any]]:
    """The rows of a table, each with how many steps it has."""
    return [
        row_document(row, table.report) | {"steps": len(part.members)}
        for row, part in zip(table.rows, table.parts, strict=True)
    ]


def card_document(found: CardReport, table: CostTable | None) -> dict[str, Any]:
    """A roofline, with the least times of the rows if there is a table."""
    roof = found.roof
    card, total = roof.card, roof.total
    document: dict[str, Any] = {
        "card": card.name,
        "precision": roof.precision,
        "batch": roof.batch,
        "flops": total.flops,
        "bytes": total.bytes,
        "intensity": total.intensity,
        "bound": total.bound,
        "least_us": 1e6 * total.seconds,
        "arithmetic_us": 1e6 * total.arithmetic_seconds,
        "images_per_second": roof.images_per_second,
        "largest_batch": found.largest_batch,
        "param_bytes": found.fixed_bytes,
        "image_bytes": found.image_bytes,
        "ridge": roof.ridge,
        "peak_flops": card.peak(roof.precision),
        "bandwidth": card.bandwidth,
        "memory": card.memory or None,
        "source": card.source,
    }
    return document | ({f"{table.by}s": times_document(table, found)} if table is not None else {})


def times_document(table: CostTable, found: CardReport) -> list[dict[str, Any]]:
    """What each row takes at least."""
    return [
        {"path": part.path, "op": part.op, "times": part.times, "flops": time.flops, "bytes": time.bytes, "intensity": time.intensity,
         "bound": time.bound, "least_us": 1e6 * time.seconds}
        for part, time in zip(table.parts, part_times(table, found.roof), strict=True)
    ]  # fmt: skip


def cost_csv(reports: Sequence[tuple[str, CostReport, Sequence[CardReport]]], by: By | None, depth: int) -> str:
    """The rows of all nets under one head, each with the spec that was asked for; for each card they stand there once more."""
    from .interchange import csv_table

    lines: list[dict[str, Any]] = []
    for spec, report, cards in reports:
        first = {"spec": spec, "name": report.cost.name, "input": sizes_cell(report.cost.inputs)}
        table = CostTable(report, by, depth) if by else None
        rows = rows_document(table) if table is not None else [overview_cells(report)]
        lines += [first | row for row in rows] if not cards else []
        for found in cards:
            times = times_document(table, found) if table is not None else [card_document(found, None)]
            told = {"card": found.roof.card.name, "precision": found.roof.precision, "batch": found.roof.batch}
            for row, time in zip(rows, times, strict=True):
                lines.append(first | row | told | {name: time[name] for name in CARD_CELLS if name in time})
    head = list(lines[0]) if lines else ["spec", "name", "input", *ROW_CELLS]  # a net of no steps has no rows
    return csv_table(head, [[*line.values()] for line in lines])


ROW_CELLS = (*Layer._fields, "param_bytes", "activation_bytes", "steps")
CARD_CELLS = ("flops", "bytes", "intensity", "bound", "least_us", "images_per_second", "largest_batch")


def overview_cells(report: CostReport) -> dict[str, Any]:
    """The net's numbers, each in a cell of its own."""
    document = overview(report)
    layers = report.cost.weight_layers
    return {
        "params": report.params,
        "params_without_aux": report.params_without_aux,
        "weight_layers": sum(layers.values()) - layers.get("aux", 0),
        **{name: document[name] for name in ("macs", "activations", "activations_with_input", "peak_activation_bytes", "depth")},
        **{f"{name}_{side}": document[name][at] for name in ("receptive_field", "min_input") for at, side in enumerate(("height", "width"))},
        "output": sizes_cell(report.cost.outputs),
        "batch": report.batch,
        "precision": report.precision,
    }  # fmt: skip


def sizes_cell(values: Mapping[str, tuple[int, ...]]) -> str:
    """Inputs or outputs in one cell: `logits 1000`, `left 3x32x32; right 3x32x32`."""
    return "; ".join(f"{name} {'x'.join(map(str, sizes))}" for name, sizes in values.items())
