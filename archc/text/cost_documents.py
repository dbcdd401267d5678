"""A net's costs for programs: the document of `--format json`, and the rows of `--format csv`. Bytes and numbers are plain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..compiler.analysis.cost import Layer
from ..compiler.analysis.parts import By
from .cost_details import detail_cells, details_document
from .cost_tables import CostTable
from .costs import CostReport, NetReport, count_layers
from .rooflines import CardReport, part_times

if TYPE_CHECKING:
    from ..compiler.analysis.receptive_field import ReceptiveField


def cost_document(found: NetReport, by: By | None, depth: int) -> dict[str, Any]:
    """The net's numbers and its layers; the blocks or ops if `by` asks for them, and what else was asked for."""
    report, cards = found.report, found.cards
    table = CostTable(report, by, depth) if by else None
    document = overview(report) | details_document(found.details, report)
    document["layers"] = [row_document(x, report) | field_document(found.fields, x.path) for x in report.layers]
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


def field_document(fields: Mapping[str, ReceptiveField], path: str) -> dict[str, Any]:
    """The receptive field of a layer; nothing where none were asked for, or the layer sees no input."""
    return {"receptive_field": fields[path]._asdict()} if path in fields else {}


def cost_csv(nets: Sequence[NetReport], by: By | None, depth: int) -> str:
    """The rows of all nets under one head, each with the spec that was asked for; for each card they stand there once more."""
    from .interchange import csv_table

    lines: list[dict[str, Any]] = []
    for net in nets:
        report = net.report
        first = {"spec": net.spec, "name": report.cost.name, "input": sizes_cell(report.cost.inputs)}
        table = CostTable(report, by, depth) if by else None
        if table is None:
            rows = [overview_cells(report) | detail_cells(net.details, report)]
        else:
            rows = [row | field_cells(net.fields, row["path"]) for row in rows_document(table)]
        lines += [first | row for row in rows] if not net.cards else []
        for card in net.cards:
            times = times_document(table, card) if table is not None else [card_document(card, None)]
            told = {"card": card.roof.card.name, "precision": card.roof.precision, "batch": card.roof.batch}
            for row, time in zip(rows, times, strict=True):
                lines.append(first | row | told | {name: time[name] for name in CARD_CELLS if name in time})
    head = list(lines[0]) if lines else ["spec", "name", "input", *ROW_CELLS]  # a net of no steps has no rows
    return csv_table(head, [[*line.values()] for line in lines])


def field_cells(fields: Mapping[str, ReceptiveField], path: str) -> dict[str, Any]:
    """The receptive field of a layer in cells; empty ones where the layer sees no input, none where no fields were asked for."""
    if not fields:
        return {}
    found = fields.get(path)
    pairs = found._asdict() if found else dict.fromkeys(FIELD_CELLS, (None, None))
    return {
        f"field_{name}_{side}": pairs[name][at] for name in FIELD_CELLS for at, side in enumerate(("height", "width"))
    }


FIELD_CELLS = ("size", "stride", "center")
ROW_CELLS = (*Layer._fields, "param_bytes", "activation_bytes", "steps")
CARD_CELLS = ("flops", "bytes", "intensity", "bound", "least_us", "images_per_second", "largest_batch")


def overview_cells(report: CostReport) -> dict[str, Any]:
    """The net's numbers, each in a cell of its own."""
    document = overview(report)
    return {
        "params": report.params,
        "params_without_aux": report.params_without_aux,
        "weight_layers": count_layers(report.cost.weight_layers),
        **{name: document[name] for name in ("macs", "activations", "activations_with_input", "peak_activation_bytes", "depth")},
        **{f"{name}_{side}": document[name][at] for name in ("receptive_field", "min_input") for at, side in enumerate(("height", "width"))},
        "output": sizes_cell(report.cost.outputs),
        "batch": report.batch,
        "precision": report.precision,
    }  # fmt: skip


def sizes_cell(values: Mapping[str, tuple[int, ...]]) -> str:
    """Inputs or outputs in one cell: `logits 1000`, `left 3x32x32; right 3x32x32`."""
    return "; ".join(f"{name} {'x'.join(map(str, sizes))}" for name, sizes in values.items())
