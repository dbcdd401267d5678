"""Costs of small nets, counted by hand. The zoo's are held against the reference in test_zoo.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc.compiler.analysis.cost import Cost, cost
from archc.compiler.analysis.parts import divide_layers, sum_part
from archc.compiler.driver import check, run_passes

HEAD = "archspec: 1\nname: net\ninput: {image: [3, 32, 32]}\n"
TINY = (
    HEAD
    + """graph:
  - {name: stem, conv: {out: 8, kernel: 3, stride: 2, padding: 1}}
  - relu
  - global_avg_pool
  - {name: fc, linear: 10}
"""
)


def costs(tmp_path: Path, text: str) -> Cost:
    path = tmp_path / "net.yaml"
    path.write_text(text, "utf-8")
    checked = check(str(path))
    assert checked.graph is not None, checked.diagnostics
    return cost(checked.graph)


def test_by_hand(tmp_path: Path) -> None:
    found = costs(tmp_path, TINY)
    assert found.params == (224 + 90, 314)
    assert found.macs == 16 * 16 * 8 * 27 + 80
    assert found.activations == 8 * 16 * 16 + 8 + 10
    assert found.depth == 2
    assert found.receptive_field == (3, 3)
    assert found.min_input == (1, 1)
    assert found.peak_activation_bytes == 4 * max(3 * 32 * 32 + 2048, 2048 + 2048)
    assert found.outputs == {"logits": (10,)}
    assert [x.source for x in found.layers] == ["net.yaml:5", "net.yaml:6", "net.yaml:7", "net.yaml:8"]


def test_layers_add_up_and_heads_cost_nothing_at_inference(tmp_path: Path) -> None:
    text = TINY.replace(
        "  - relu\n", "  - {name: aux1, aux: 0.3, steps: [global_avg_pool, {name: fc, linear: 10}]}\n  - relu\n"
    )
    found = costs(tmp_path, text)
    assert found.params == (404, 314)
    assert found.macs == costs(tmp_path, TINY).macs
    assert sum(x.params for x in found.layers) == 404
    assert [x.path for x in found.layers if x.aux] == ["aux1.0", "aux1.fc"]
    for by in ("layer", "block", "op"):
        rows = [sum_part(each, found.layers) for each in divide_layers(found.layers, found.frames, by)]
        assert sum(x.macs for x in rows) == found.macs
        assert sum(x.activations for x in rows) == found.activations


def test_dropout_takes_no_memory(tmp_path: Path) -> None:
    plain, dropped = costs(tmp_path, TINY), costs(tmp_path, TINY.replace("  - relu\n", "  - relu\n  - dropout: 0.5\n"))
    assert plain.peak_activation_bytes == dropped.peak_activation_bytes


def test_a_residual_keeps_its_entry_alive(tmp_path: Path) -> None:
    found = costs(tmp_path, HEAD + "graph:\n  - {name: a, conv: 4}\n  - residual: {body: [relu, {name: b, conv: 4}]}\n")
    assert found.peak_activation_bytes == 4 * 3 * 4 * 32 * 32


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("[{conv: {out: 4, kernel: 3}}, {conv: {out: 4, kernel: 3}}]", (5, 5)),
        ("[{conv: {out: 4, kernel: [1, 7], stride: 2}}, {conv: {out: 4, kernel: [3, 1]}}]", (5, 7)),
        ("[{max_pool: 2}, {conv: {out: 4, kernel: 3, dilation: 2}}, global_avg_pool, flatten]", (10, 10)),
        (
            "[{concat: [{conv: {out: 4, kernel: 5, padding: 2}}, {conv: {out: 4, kernel: 3, padding: 1}}]}, flatten]",
            (5, 5),
        ),
        ("[{max_pool: 2}, {name: e, identity}, {multiply: [[], [global_avg_pool, {conv: 3}]]}, {conv: 3}]", (32, 32)),
    ],
)
def test_receptive_field(tmp_path: Path, steps: str, expected: tuple[int, int]) -> None:
    assert costs(tmp_path, HEAD + f"graph: {steps}\n").receptive_field == expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("[{conv: {out: 4, kernel: 5}}, {max_pool: 2}, global_avg_pool]", (6, 6)),
        ("[{conv: {out: 4, kernel: [3, 1]}}, global_avg_pool]", (3, 1)),
        ("[{max_pool: 2}, flatten, {linear: 10}]", (32, 32)),
        ("[{conv: {out: 4, kernel: 3, stride: 4}}, flatten, {linear: 10}]", (31, 31)),
    ],
)
def test_minimum_input_keeps_the_weights(tmp_path: Path, steps: str, expected: tuple[int, int]) -> None:
    assert costs(tmp_path, HEAD + f"graph: {steps}\n").min_input == expected


def test_the_inference_graph_costs_the_same(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(TINY, "utf-8")
    graph = check(str(path)).graph
    assert graph is not None
    train, inference = cost(graph), cost(run_passes(graph))
    assert (train.macs, train.activations, train.depth) == (inference.macs, inference.activations, inference.depth)


@pytest.mark.parametrize(
    ("name", "field", "depth"), [("googlenet", 379, 22), ("resnet18", 435, 18), ("resnet50", 427, 50)]
)
def test_receptive_field_of_the_zoo(name: str, field: int, depth: int) -> None:
    """The final features' field, as the reference has it: without the global pool."""
    graph = check(name).graph
    assert graph is not None
    found = cost(graph)
    assert found.receptive_field == (field, field)
    assert found.depth == depth
