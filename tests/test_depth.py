"""Depths: the longest path, and all of them, against paths that are walked one by one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from archc.compiler.analysis.cost import cost
from archc.compiler.analysis.depth import PathDepths, path_depths
from archc.compiler.driver import check
from archc.compiler.ir.graph import Graph
from archc.compiler.sources import Memory, SpecText


def graph_of(steps: str) -> Graph:
    text = f"archspec: 1\nname: net\ninput: {{image: [4, 8, 8]}}\ngraph: {steps}\n"
    found = check(SpecText(Memory({}), "net.yaml", text.encode(), "net.yaml"))
    assert found.graph is not None, found.diagnostics
    return found.graph


def walk(graph: Graph, name: str) -> Iterator[int]:
    """The depths of all paths that end at a value."""
    if name in {value.name for value in graph.inputs}:
        yield 0
        return
    node = next(node for node in graph.nodes if node.output.name == name)
    own = node.op.name in ("conv", "linear")
    for value in node.inputs:
        yield from (own + depth for depth in walk(graph, value.name))


BLOCK = "{residual: {body: [{conv: 4}, relu, {conv: 4}]}}"
CASES = {
    "[{conv: 4}, relu, {conv: 4}, global_avg_pool, {linear: 3}]": PathDepths(3, 3, 3.0, 1),
    "[relu, {max_pool: 2}]": PathDepths(0, 0, 0.0, 1),
    f"[{BLOCK}]": PathDepths(2, 0, 1.0, 2),
    f"[{{conv: 4}}, {BLOCK}, {BLOCK}, {BLOCK}, flatten, {{linear: 3}}]": PathDepths(8, 2, 5.0, 8),
    "[{residual: {body: [{conv: {out: 6, stride: 2}}, {conv: 6}], shortcut: {conv: {out: 6, stride: 2}}}}]": PathDepths(2, 1, 1.5, 2),
    "[{concat: [{conv: 1}, [{conv: 2}, {conv: 2}], {max_pool: {kernel: 3, stride: 1, padding: 1}}]}, {conv: 4}]": PathDepths(3, 1, 2.0, 3),
    f"[{BLOCK}, {{concat: [[], {BLOCK}]}}, {{conv: 2}}]": PathDepths(5, 1, 8 / 3 , 6),
    "[{multiply: [[], [global_avg_pool, {conv: 2}, relu, {conv: 4}, sigmoid]]}, {conv: 4}]": PathDepths(3, 1, 2.0, 2),
    "[{add: [[], [], {conv: 4}]}]": PathDepths(1, 0, 1 / 3, 3),
    "[{conv: 4}, {output: a}, {conv: 4}, {conv: 4}]": PathDepths(3, 1, 2.0, 2),
    "[{join: {branches: [{conv: 4}, [{join: {branches: [{conv: 4}, [{conv: 4}, {conv: 4}]]}}, {conv: 4}]]}}]": PathDepths(3, 1, 2.0, 3),
    "[{conv: 4}, {name: head, aux: 0.3, steps: [global_avg_pool, {linear: 3}]}, {conv: 4}]": PathDepths(2, 2, 2.0, 1),
}  # fmt: skip


@pytest.mark.parametrize("steps", CASES)
def test_depths_of_all_paths(steps: str) -> None:
    graph = graph_of(steps)
    found = path_depths(graph)
    walked = [depth for output in graph.outputs for depth in walk(graph, output.value.name)]
    assert found == (max(walked), min(walked), pytest.approx(sum(walked) / len(walked)), len(walked))
    assert found == CASES[steps]._replace(mean=pytest.approx(CASES[steps].mean))
    assert found.longest == cost(graph).depth


# Veit et al. 2016, section 4: a net of n blocks has 2**n paths, whose lengths are binomial
def test_a_residual_net_is_an_ensemble_of_shallow_ones() -> None:
    graph = check(
        "resnet110_cifar_optA"
    ).graph  # 54 blocks of two convolutions, one before them and the classifier behind
    assert graph is not None
    assert path_depths(graph) == PathDepths(110, 2, 2 + 54 * 2 / 2, 2**54)


def test_a_fractal_net_has_the_paths_of_its_columns() -> None:
    """Larsson et al. 2016: with C columns a block's depth is 2**(C - 1), and its shortest path is one layer. f(C) paths: f(C - 1)**2 + 1."""
    graph = check("fractalnet20_cifar").graph  # five blocks of three columns and the classifier
    assert graph is not None
    found = path_depths(graph)
    assert (found.longest, found.shortest, found.paths) == (5 * 4 + 1, 5 * 1 + 1, ((1**2 + 1) ** 2 + 1) ** 5)


def test_a_thousand_layers_have_paths_without_rounding() -> None:
    graph = check("resnet1202_cifar_optA").graph
    assert graph is not None
    assert path_depths(graph) == PathDepths(1202, 2, 602.0, 2**600)
