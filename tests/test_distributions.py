"""Which outputs are said to be probabilities, and that they are: on numbers, in torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from archc.compiler.analysis.distributions import distributions
from archc.compiler.backends.torch.module import to_torch
from archc.compiler.driver import check, run_passes
from archc.compiler.ir.graph import Graph
from archc.compiler.ops import OPS
from archc.compiler.sources import Memory, SpecText
from archc.compiler.weights.seeded import SeededSource

SHAPE = (4, 6, 8)
ONE = "global_avg_pool"


def graph_of(steps: str) -> Graph:
    text = f"archspec: 1\nname: net\ninput: {{image: [{', '.join(map(str, SHAPE))}]}}\ngraph: {steps}\n"
    found = check(SpecText(Memory({}), "net.yaml", text.encode(), "net.yaml"))
    assert found.graph is not None, found.diagnostics
    return found.graph


class Varied(SeededSource):
    """Weights without zeros or ones among them, so that nothing is a distribution by chance."""

    def get(self, name: str) -> Any:
        array = super().get(name)
        return array if array.dtype.kind == "i" else np.asarray(np.abs(array) * np.float32(0.5) + np.float32(0.3))


def is_distribution(graph: Graph) -> bool:
    """Whether every position's channels are never negative and add up to one, for images of all kinds."""
    net = to_torch(graph, Varied(graph.params())).eval()
    images = torch.randn(8, *SHAPE, generator=torch.Generator().manual_seed(0)) * torch.logspace(-1, 1, 8).view(
        -1, 1, 1, 1
    )
    with torch.no_grad():
        y = net(images)
    return bool((y >= 0).all()) and bool(((y.sum(1) - 1).abs() < 1e-5).all())


YES = {
    "softmax of an image": "[softmax]",
    "softmax of a vector": f"[{ONE}, flatten, softmax]",
    "softmax of a 1×1 map, flat": f"[{ONE}, softmax, flatten]",
    "what was a distribution before": "[softmax, softmax]",
    "the mean of a map": "[softmax, global_avg_pool]",
    "the mean of a map, flat": "[softmax, global_avg_pool, flatten]",
    "means of bins": "[softmax, {adaptive_avg_pool: [4, 3]}]",
    "means of windows": "[softmax, {avg_pool: {kernel: 3, stride: 2}}]",
    "means of partial windows": "[softmax, {avg_pool: {kernel: 4, stride: 3, ceil_mode: true}}]",
    "means without the padding": "[softmax, {avg_pool: {kernel: 3, padding: 1, count_include_pad: false}}]",
    "a window that needs no `same` padding": "[softmax, {avg_pool: {kernel: 2, padding: same}}]",
    "an ensemble": "[{mean: [[{conv: 4}, softmax], [softmax], [{conv: 4}, softmax]]}]",
    "a join of members": "[{join: {local: 0.1, branches: [[softmax], [{conv: 4}, softmax]]}}]",
    "a join with its draw": "[{join: {global: 0.5, branches: [[softmax], [{conv: 4}, softmax]]}}]",
    "a nearest enlargement": "[softmax, {upsample: 2}]",
    "a bilinear enlargement": "[softmax, {upsample: {scale: 3, mode: bilinear}}]",
    "shuffled channels": "[softmax, {channel_shuffle: 2}]",
    "channels in another order": "[softmax, {select: {channels: [2, 0, 3, 1]}}]",
    "a part of the map": "[softmax, {slice: {height: [1, 5], width: [0, 8, 3]}}]",
    "a slice of all channels": "[softmax, {slice: {channels: [0, 4]}}]",
    "dropout behind it, which is over": "[softmax, {dropout: 0.5}, identity]",
    "drop path, which is over": "[softmax, {drop_path: 0.5}]",
}  # fmt: skip
NO = {
    "an image": "[]",
    "a linear layer": f"[{ONE}, {{linear: 4}}]",
    "sigmoid": "[sigmoid]",
    "log softmax": "[log_softmax]",
    "a map, flat: it adds up to its positions": "[softmax, flatten]",
    "the largest of a map": "[softmax, global_max_pool]",
    "the largest of windows": "[softmax, {max_pool: 2}]",
    "means with the padding": "[softmax, {avg_pool: {kernel: 3, padding: 1}}]",
    "means with `same` padding": "[softmax, {avg_pool: {kernel: 3, stride: 1, padding: same}}]",
    "a sum of members": "[{add: [[softmax], [{conv: 4}, softmax]]}]",
    "a product of members": "[{multiply: [[softmax], [{conv: 4}, softmax]]}]",
    "members side by side": "[{concat: [[softmax], [{conv: 4}, softmax]]}]",
    "a mean with what is none": "[{mean: [[softmax], [{conv: 4}]]}]",
    "a join with what is none": "[{join: {global: 0.5, branches: [[softmax], [{conv: 4}]]}}]",
    "some of the channels": "[softmax, {slice: {channels: [0, 3]}}]",
    "every other channel": "[softmax, {slice: {channels: [0, 4, 2]}}]",
    "some channels, one twice": "[softmax, {select: {channels: [0, 1, 2, 2]}}]",
    "all channels, one twice": "[softmax, {select: {channels: [0, 1, 2, 3, 3]}}]",
    "zeros around the map": "[softmax, {pad: {height: [1, 1]}}]",
    "a factor": "[softmax, {scale: 0.5}]",
    "the drop path of the paper": "[softmax, {drop_path: {p: 0.5, rescale: inference}}]",
    "a convolution behind it": "[softmax, {conv: 4}]",
    "a norm behind it": "[softmax, {batch_norm: {}}]",
    "a learned factor": "[softmax, {affine: {bias: false}}]",
    "a soft gate behind it": "[softmax, silu]",
}  # fmt: skip
# Distributions all the same, of which nothing is said: a reader adds a second softmax then, which keeps their order.
UNSAID = {
    "relu of what is never negative": "[softmax, relu]",
    "a factor of one": "[softmax, {scale: 1}]",
    "channels of zeros": "[softmax, {pad: {channels: [0, 2]}}]",
    "the largest of a 1×1 map": f"[{ONE}, softmax, global_max_pool]",
    "a sum of one": "[{add: [[softmax]]}]",
    "a concat of one": "[{concat: [[softmax]]}]",
    "a window of one": "[softmax, {max_pool: 1}]",
}


@pytest.mark.parametrize("case", YES)
def test_what_is_said_to_be_a_distribution_is_one(case: str) -> None:
    graph = graph_of(YES[case])
    assert distributions(graph) == distributions(run_passes(graph)) == ["logits"]
    assert is_distribution(graph)


@pytest.mark.parametrize("case", NO)
def test_what_is_none_is_not_said_to_be_one(case: str) -> None:
    graph = graph_of(NO[case])
    assert distributions(graph) == distributions(run_passes(graph)) == []
    assert not is_distribution(graph)


@pytest.mark.parametrize("case", UNSAID)
def test_what_is_one_and_not_said(case: str) -> None:
    graph = graph_of(UNSAID[case])
    assert distributions(graph) == [] and is_distribution(graph)


def test_only_those_outputs_that_are() -> None:
    graph = graph_of(
        "[{conv: 4, output: map}, {softmax: {}, output: parts}, global_avg_pool, {flatten: {}, output: whole}]"
    )
    assert distributions(graph) == ["parts", "whole"]


def test_every_op_that_speaks_of_it_is_tried() -> None:
    """An op with a rule of its own stands in one of the tables."""
    from archc.compiler.ops.op import Op

    speaks = {
        name for name, op in OPS.items() if op.gives_distribution is not Op.gives_distribution and not op.is_internal
    }
    tried = {node.op.name for steps in [*YES.values(), *NO.values()] for node in graph_of(steps).nodes}
    assert speaks <= tried
