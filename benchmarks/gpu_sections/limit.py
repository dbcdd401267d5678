"""The layer-wise limit of a net: for each layer the longer of its arithmetic and its bytes at the device's ceilings, added up.

- *unfused*: each layer reads its inputs and its weights, and writes its result
- *fused*: relu, add and batch norm read and write nothing, as if they were part of the layer before them. A fused addition would still
  read its other branch, so that no kernel reaches this one

A product takes 2 FLOPs a multiply-accumulate; what only changes the shape takes no bytes. The layers are those of the inference graph,
with batch norms folded where they can be. Ceilings and contenders are read from the files of this run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from archc.compiler.analysis.cost import live_nodes, op_cost
from archc.compiler.driver import check, run_passes
from archc.compiler.ir.graph import Graph, Node
from archc.compiler.ops.op import op_of
from archc.compiler.ops.windows import POINTWISE_WINDOWS

from .ceilings import COPY, name_product
from .contender import KERNELS
from .plan import Task, name_case
from .rows import MEASURED, NEEDS_CARD, NOT_REACHED, Row, measured, unmeasured

ELEMENT_BYTES = {"fp32": 4, "tf32": 4, "fp16": 2}


class LayerWork(NamedTuple):
    """What one layer does for one image: FLOPs, elements that it reads and writes, and elements of its weights, read once a batch.

    `fuses` says that it may be part of the layer before it.
    """

    flops: int
    elements: int
    weights: int
    fuses: bool


def measure(task: Task) -> Iterator[Row]:
    """Rows of the limit of each net, batch and precision, fused and not, each with the share that the contenders reach of it."""
    ceilings = read_ceilings(task.results)
    for net in task.settings["nets"]:
        graph = check(net).graph
        assert graph is not None
        layers = list_layers(run_passes(graph))
        for batch in task.settings["batches"]:
            for precision in task.settings["precisions"]:
                yield from limit_rows(task, ceilings, layers, net, batch, precision)


def limit_rows(task: Task, ceilings: dict[str, Row], layers: list[LayerWork], net: str, batch: int, precision: str) -> Iterator[Row]:  # fmt: skip
    """The two rows of a case, and for each contender that was measured a row of its shares."""
    facts = {"net": net, "batch": batch, "precision": precision}
    case = name_case(net, batch, precision)
    copy, product = (ceilings.get(name, {}) for name in (COPY, name_product(precision)))
    if not all(each.get("status") == MEASURED for each in (copy, product)):
        no_card = NEEDS_CARD in (copy.get("status"), product.get("status"))
        status = NEEDS_CARD if no_card else NOT_REACHED
        yield unmeasured(f"{case}: limit", status, "the ceilings were not measured in this run", **facts)
        return
    limits = {}
    for called, fused in (("unfused", False), ("fused", True)):
        seconds = sum_layers(layers, batch, ELEMENT_BYTES[precision], product["ceiling"], copy["ceiling"], fused)
        limits[called] = batch / seconds
        yield measured(f"{case}: limit, {called}", **facts, images_per_s=limits[called], latency_ms=1e3 * seconds,
                       flop_per_s=product["ceiling"], bytes_per_s=copy["ceiling"])  # fmt: skip
    for row in read_rows(task.results / f"{case}.json"):
        if row["status"] == MEASURED and row["mode"] == KERNELS:
            shares = {f"share_of_{called}": row["images_per_s"] / each for called, each in limits.items()}
            yield measured(f"{case}: {row['contender']}", **facts, contender=row["contender"], **shares)


def list_layers(graph: Graph) -> list[LayerWork]:
    """The work of each layer that the outputs need."""
    return [measure_layer(node) for node in live_nodes(graph)]


def measure_layer(node: Node) -> LayerWork:
    """The work of one layer, from the facts of its op."""
    op, inputs, output = op_of(node), node.input_types, node.output.type
    costs = op_cost(op, output, *inputs)
    # one number in, one number out, at the same place: relu, add, batch norm
    same = all(each.sizes == output.sizes for each in inputs)
    pointwise = (
        same and not op.counts and op.windows(*inputs) == POINTWISE_WINDOWS and not op.needs_float32(*inputs)
    )  # fmt: skip
    view = not same and len(inputs) == 1 and inputs[0].elements == output.elements and not costs.macs
    elements = 0 if view else sum(each.elements for each in inputs) + output.elements
    weights = sum(param.elements for param in op.params(*inputs).values())
    return LayerWork(2 * costs.macs, elements, weights, pointwise)


def sum_layers(layers: list[LayerWork], batch: int, element_bytes: int, flops_per_s: float, bytes_per_s: float, fused: bool) -> float:  # fmt: skip
    """The seconds of a batch at the limit."""
    seconds = 0.0
    for layer in layers:
        moved = element_bytes * (batch * layer.elements + layer.weights)
        seconds += max(batch * layer.flops / flops_per_s, 0.0 if fused and layer.fuses else moved / bytes_per_s)
    return seconds


def read_ceilings(results: Path) -> dict[str, Row]:
    return {row["what"]: row for row in read_rows(results / "ceilings.json")}


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of results; none where it is not there."""
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["rows"]
    return rows
