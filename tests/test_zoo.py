"""The zoo: every spec proves what it expects, and every row of the reference holds of its spec, to the unit.

tests/data/facts.json was counted by others: on torchvision's and timm's own nets, and on plain PyTorch reconstructions of the papers' tables.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from archc.compiler.analysis.cost import Cost, cost, live_nodes
from archc.compiler.analysis.parts import divide_layers, sum_part
from archc.compiler.driver import Compilation, check, run_passes
from archc.compiler.ir.dtypes import F32
from archc.compiler.ir.graph import Graph, Node
from archc.compiler.passes import PassOptions
from archc.compiler.sources import zoo

from .test_zoo_builds import MEMBERS

FACTS: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "facts.json").read_text())["rows"]
# rows that are another row's spec: with its heads or without, or with other parameters
SAME = {"googlenet_noaux": "googlenet", "inception_v3_noaux": "inception_v3", "googlenet_paper_aux": "googlenet_paper"}
HEADLESS = ("googlenet_noaux", "inception_v3_noaux", "googlenet_paper")
CIFAR100 = {
    row: row[:-1] if row.startswith("nin") else row[:-3]
    for row in FACTS
    if row.endswith("cifar100") and row not in zoo()
}
C3_PARTS = {"lenet5_1998": 15}  # C3's connection table makes one layer of sixteen small convolutions


@cache
def checked(name: str, *settings: str) -> Compilation:
    return check(str(zoo()[name]), settings)  # by its path: a bundled name alone is not held against the schema


def spec_of(row: str) -> Compilation:
    if row in CIFAR100:
        return checked(CIFAR100[row], "classes=100")
    return checked(SAME.get(row, row))


@pytest.mark.parametrize("name", sorted(zoo()))
def test_every_spec_is_clean_and_proves_what_it_expects(name: str) -> None:
    found = checked(name)
    assert not found.diagnostics
    assert found.header.source and found.header.summary
    assert (name in MEMBERS) == (not found.open_params), "test_zoo_builds.py builds those that state an `expect`"
    if found.open_params:
        assert found.graph is None
        return
    assert found.header.preprocess or zoo()[name].parent.name == "lecture"
    assert {e.name for e in found.expectations} >= {"output", "params", "macs", "depth"}
    assert all(e.holds for e in found.expectations)


def test_the_zoo_has_every_row_of_the_reference() -> None:
    assert len(FACTS) == 121
    assert not [row for row in FACTS if row not in zoo() and row not in SAME and row not in CIFAR100]


@pytest.mark.parametrize("row", FACTS)
def test_counts_are_the_reference_s(row: str) -> None:
    fact, graph = FACTS[row], spec_of(row).graph
    assert graph is not None
    if row in HEADLESS:
        graph = run_passes(graph, PassOptions(fold=False))
    found = cost(graph)
    nodes = live_nodes(graph)
    by_op = {op: [x for x in found.layers if x.op == op] for op in ("conv", "linear", "batch_norm")}
    assert list(graph.inputs[0].type.sizes) == fact["input"]
    assert found.outputs == {graph.outputs[0].name: tuple(fact["output"])}
    assert found.params.total == fact["params"]["total"]
    check_rows(found)
    params = {
        kind: sum(x.params for x in by_op[op])
        for kind, op in (("conv", "conv"), ("fc", "linear"), ("bn", "batch_norm"))
    }
    assert params == {kind: fact["params"][kind] for kind in params}
    tensors = graph.params().values()
    assert sum(not p.buffer for p in tensors) == fact["params"]["tensors"]
    assert sum(p.elements for p in tensors if p.buffer and p.dtype is F32) == fact["buffers"]
    macs = {kind: sum(x.macs for x in by_op[op]) for kind, op in (("conv", "conv"), ("fc", "linear"))}
    assert {"total": found.macs, **macs} == fact["macs"]
    assert found.depth == fact["depth"]
    counted = Counter(node.op.name for node in nodes)
    assert {"conv": counted["conv"] - C3_PARTS.get(row, 0), "fc": counted["linear"]} == fact["layers"]
    assert convolutions(graph) == fact["convs"]
    assert activations(found.layers) == fact["activations"]
    assert list(found.receptive_field) == fact["receptive_field"]
    norms = [node.op.eps for node in graph.nodes if node.op.name == "batch_norm"]  # type: ignore[attr-defined]
    assert [len(norms), sorted(set(norms))] == fact["bn"]


def check_rows(found: Cost) -> None:
    """However a net is divided, its rows add up to it: each layer is in one row, and a row of n rounds is n times the same layers."""
    layers = found.layers
    whole = [(f"{layer.op} {layer.output}", layer[4:]) for layer in layers]
    for by, depth in (("layer", 1), ("block", 1), ("block", 2), ("block", 3), ("op", 1)):
        parts = divide_layers(layers, found.frames, by, depth)  # type: ignore[arg-type]
        rows = [sum_part(part, layers) for part in parts]
        assert sorted(at for part in parts for at in part.members) == list(range(len(layers)))
        assert sum(x.params for x in rows) == found.params.total
        assert (sum(x.macs for x in rows), sum(x.activations for x in rows)) == (found.macs, found.activations)
        assert len({part.path for part in parts}) == len(parts)
        for part in parts:
            count = len(part.members) // part.times
            rounds = [part.members[at : at + count] for at in range(0, len(part.members), count)]
            assert len(rounds) == part.times
            assert all([whole[at] for at in each] == [whole[at] for at in rounds[0]] for each in rounds)


def convolutions(graph: Graph) -> list[int]:
    """How many there are, how many have a bias, and how many are grouped; heads included."""
    ops: list[Any] = [node.op for node in graph.nodes if node.op.name == "conv"]
    return [len(ops), sum(op.bias for op in ops), sum(op.groups > 1 for op in ops)]


def activations(layers: Any) -> dict[str, int]:
    kinds = {"conv": "conv", "linear": "fc"}
    total: Counter[str] = Counter()
    for layer in layers:
        total[kinds.get(layer.op, "pool")] += layer.activations
    return {"total": sum(total.values()), "conv": total["conv"], "pool": total["pool"], "fc": total["fc"]}


@pytest.mark.parametrize("row", FACTS)
def test_pools_are_the_reference_s(row: str) -> None:
    graph = spec_of(row).graph
    assert graph is not None
    assert sorted(pools(run_passes(graph, PassOptions(fold=False)))) == sorted(
        told(pool) for pool in FACTS[row]["pools"]
    )


def pools(graph: Graph) -> Iterator[tuple[Any, ...]]:
    for node in graph.nodes:
        if node.op.name in ("max_pool", "avg_pool"):
            yield pool(node)


@pytest.mark.parametrize("row", FACTS)
def test_stages_have_the_reference_s_shapes(row: str) -> None:
    """Each stage in its order: at its path where the spec has that path, and as the next value of that shape.

    A path that is a bare number is a place in somebody's Sequential and says nothing here.
    """
    graph = spec_of(row).graph
    assert graph is not None
    nodes = live_nodes(graph)
    at = 0
    for path, shape in FACTS[row]["stages"]:
        inside = [node for node in nodes if node.path == path or node.path.startswith(path + ".")]
        if inside and not path.isdigit():
            assert squeezed(inside[-1].output.type.sizes) == squeezed(shape)
        while squeezed(nodes[at].output.type.sizes) != squeezed(shape):
            at += 1
            assert at < len(nodes), f"no value of shape {shape} is left for stage {path}"


def squeezed(shape: Sequence[int]) -> list[int]:
    """A pooled C×1×1 is the vector that some flatten at once and some later."""
    return list(shape[:1] if list(shape[1:]) == [1, 1] else shape)


def pool(node: Node) -> tuple[Any, ...]:
    """Kind, kernel, stride, padding, rounding, what counts, and the output's sizes."""
    op: Any = node.op
    counts = op.count_include_pad if op.name == "avg_pool" and any(op.padding) else None
    return (op.name, op.kernel, op.resolved_stride, op.padding[:2], op.ceil_mode, counts, node.output.type.sizes)


def told(row: list[Any]) -> tuple[Any, ...]:
    kind, kernel, stride, padding, ceil_mode, counts, output = row
    name = {"maxpool": "max_pool", "avgpool": "avg_pool"}[kind]
    counts = counts if name == "avg_pool" and any(padding) else None
    return (name, tuple(kernel), tuple(stride), tuple(padding), bool(ceil_mode), counts, tuple(output))
