"""Multiply-accumulates are those that torch counts itself, over tensors without data: 1 MAC is 2 FLOPs."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from archc.compiler.analysis.cost import cost
from archc.compiler.backends.torch.module import SkipInitialization, TorchNamespace, to_torch
from archc.compiler.driver import check, run_passes
from archc.compiler.ir.graph import Graph
from archc.compiler.ir.types import TensorType
from archc.compiler.ops.op import Op, op_of
from archc.compiler.passes import PassOptions
from archc.compiler.sources import Memory, SpecText

from .six_nets import NoWeights
from .test_zoo_builds import MEMBERS

SAMPLES = ("alexnet_2012", "googlenet", "densenet_40_12_cifar", "squeezenet1_1", "fractalnet20_cifar", "lenet5_1998")


def counted_by_torch(graph: Graph) -> dict[str, int]:
    """The MACs of each module by its path, as torch's counter sees the inference graph run."""
    with SkipInitialization(), torch.device("meta"):
        net = to_torch(graph.replace(heads=()), NoWeights()).eval()
        images = [torch.empty(1, *value.type.sizes) for value in graph.inputs]
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            net(*images)
    prefix = f"{type(net).__name__}."
    by_path = {name.removeprefix(prefix): sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    assert all(flops % 2 == 0 for flops in by_path.values())
    return {path: flops // 2 for path, flops in by_path.items()} | {"": counter.get_total_flops() // 2}


def check_macs(name: str) -> None:
    graph = check(name).graph
    assert graph is not None
    found, torchs = cost(graph), counted_by_torch(graph)
    assert found.macs == torchs[""]
    assert {x.path: x.macs for x in found.layers if x.macs} == {
        x.path: torchs.get(x.path) for x in found.layers if x.macs
    }


@pytest.mark.parametrize("name", SAMPLES)
def test_macs_are_torchs(name: str) -> None:
    check_macs(name)


@cache
def counted_for_layer(op: Op, *x: TensorType) -> int:
    """The MACs of one layer by torch's counter, whose result has the shape that archc infers; once for equal layers of all nets."""
    with SkipInitialization(), torch.device("meta"):
        module = op.torch(TorchNamespace(), *x).eval()
        values = [torch.empty(1, *each.sizes) for each in x]
        values = [value.flatten(1) for value in values] if op.takes_vector else values
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            result = module(*values)
    assert tuple(result.shape[1:]) == op.infer(*x).sizes
    return counter.get_total_flops() // 2


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_macs_of_the_whole_zoo_are_torchs(name: str) -> None:
    """Layer by layer: a net of a thousand layers has a dozen kinds, and to run it whole takes torch a minute."""
    graph = check(name).graph
    assert graph is not None
    graph = run_passes(graph, PassOptions(fold=False))
    assert cost(graph).macs == sum(counted_for_layer(op_of(node), *node.input_types) for node in graph.nodes)


@pytest.mark.parametrize(
    "step",
    [
        "{conv: {out: 6, kernel: [3, 2], stride: [2, 1], groups: 3}}",
        "{conv: {out: 12, kernel: 3, padding: 2, dilation: 2, groups: 6, bias: false}}",
        "{conv: {out: 4, kernel: 4, padding: same, stride: 3}}",
        "{steps: [{max_pool: 2}, flatten, {linear: 7}, relu, {linear: {out: 3, bias: false}}]}",
        "{multiply: [[], [global_avg_pool, {conv: 6}, sigmoid]]}",
    ],
)
def test_macs_of_layers_are_torchs(step: str) -> None:
    text = f"archspec: 1\nname: net\ninput: {{image: [6, 13, 9]}}\ngraph: [{step}]\n"
    graph = check(SpecText(Memory({}), "net.yaml", text.encode(), "net.yaml")).graph
    assert graph is not None
    assert cost(graph).macs == counted_by_torch(graph)[""]
