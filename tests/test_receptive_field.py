"""The receptive field that is reported is what gradients reach in torch: all rows and columns, over every position."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from archc.compiler.analysis.cost import cost
from archc.compiler.analysis.receptive_field import receptive_fields, seen_pixels
from archc.compiler.backends.torch.module import to_torch
from archc.compiler.driver import check
from archc.compiler.ir.graph import Graph
from archc.compiler.sources import Memory, SpecText
from archc.compiler.weights.seeded import SeededSource

HEIGHT, WIDTH = 30, 24
BLOCKS = """blocks:
  Squeeze:
    steps:
      - multiply: [[], [global_avg_pool, {conv: $(x.channels)}, sigmoid]]
"""


def graph_of(steps: str) -> Graph:
    text = f"archspec: 1\nname: net\ninput: {{image: [2, {HEIGHT}, {WIDTH}]}}\n{BLOCKS}graph: {steps}\n"
    found = check(SpecText(Memory({}), "net.yaml", text.encode(), "net.yaml"))
    assert found.graph is not None, found.diagnostics
    return found.graph


class Positive(SeededSource):
    """Weights over zero: no gradient cancels another, and no unit is dead."""

    def get(self, name: str) -> Any:
        return np.asarray(np.abs(super().get(name)) + np.float32(0.1))


def result_of(net: torch.nn.Module, image: torch.Tensor) -> torch.Tensor:
    """The net's first output."""
    result = net(image)
    return next(iter(result.values())) if isinstance(result, dict) else result


def reached(net: torch.nn.Module, axis: int) -> int:
    """The most rows (axis 0) or columns (axis 1) of the image that reach one row or column of the result.

    In float64, where torch sums products one by one: what it does not read has a gradient of exactly zero. A maximum reads one
    element at a time, so several images are taken.
    """
    count = result_of(net, torch.ones(1, 2, HEIGHT, WIDTH, dtype=torch.float64)).shape[2 + axis]
    seen = torch.zeros(count, (HEIGHT, WIDTH)[axis], dtype=torch.bool)
    for seed in range(6):
        image = torch.rand(1, 2, HEIGHT, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        batch = (image + 0.1).repeat(count, 1, 1, 1).requires_grad_()  # an image for each row of the result
        (gradient,) = torch.autograd.grad(result_of(net, batch).sum((1, 3 - axis)).diagonal().sum(), batch)
        seen |= gradient.abs().sum((1, 3 - axis)) > 0
    extents = [int(row.nonzero().max() - row.nonzero().min()) + 1 for row in seen]
    return max(extents)


def measured(graph: Graph) -> tuple[int, int]:
    torch.manual_seed(0)
    net = to_torch(graph, Positive(graph.params())).double().eval()
    return reached(net, 0), reached(net, 1)


EXACT = {
    "a convolution": "[{conv: {out: 2, kernel: 3}}]",
    "sides": "[{conv: {out: 2, kernel: [1, 5], padding: [0, 2]}}, {conv: {out: 2, kernel: [4, 1]}}]",
    "a padded one": "[{conv: {out: 2, kernel: 5, padding: same}}, relu, {conv: {out: 2, kernel: 2, padding: same}}]",
    "strides": "[{conv: {out: 2, kernel: 3, stride: 2}}, {conv: {out: 2, kernel: 3, stride: [1, 2]}}, {conv: {out: 2, kernel: 2}}]",
    "a stride over a kernel": "[{conv: {out: 2, kernel: 1, stride: 3}}, {conv: {out: 2, kernel: 2}}]",
    "dilation": "[{conv: {out: 2, kernel: 3, dilation: [2, 3]}}, {conv: {out: 2, kernel: 2}}]",
    "groups": "[{conv: {out: 2, kernel: 3, groups: 2}}, {channel_shuffle: 2}, {select: {channels: [1, 0]}}]",
    "pools": "[{max_pool: 2}, {conv: {out: 2, kernel: 3}}, {avg_pool: {kernel: 3, stride: 2}}]",
    "pools, padded and rounded up": "[{max_pool: {kernel: 3, stride: 2, padding: 1}}, {avg_pool: {kernel: 2, ceil_mode: true}}]",
    "a slice by two": "[{slice: {height: [0, 30, 2], width: [1, 24, 2]}}, {conv: {out: 2, kernel: 3}}]",
    "a slice of a stretch": "[{slice: {height: [3, 20]}}, {conv: {out: 2, kernel: 3}}]",
    "pads": "[{pad: {height: [1, 2], width: [0, 1]}}, {conv: {out: 2, kernel: 3}}]",
    "nearest": "[{upsample: 2}, {conv: {out: 2, kernel: 3}}]",
    "nearest, by three, and an even window": "[{upsample: 3}, {conv: {out: 2, kernel: [2, 5]}}]",
    "nearest behind strides": "[{conv: {out: 2, kernel: 3, stride: 2}}, {upsample: 2}, {conv: {out: 2, kernel: 3}}]",
    "bilinear": "[{upsample: {scale: 2, mode: bilinear}}]",
    "bilinear and a convolution": "[{upsample: {scale: 2, mode: bilinear}}, {conv: {out: 2, kernel: [3, 2]}}]",
    "adaptive means that divide": "[{adaptive_avg_pool: [15, 6]}, {conv: {out: 2, kernel: 3}}]",
    "adaptive means that overlap": "[{adaptive_avg_pool: [7, 9]}]",
    "a squeeze": "[{conv: {out: 2, kernel: 3, stride: 2}}, {Squeeze: {}}]",
    "branches": "[{concat: [{conv: {out: 2, kernel: 1}}, {conv: {out: 2, kernel: 5, padding: 2}}, {max_pool: {kernel: 3, stride: 1, padding: 1}}]}]",
    "a residual": "[{residual: {body: [{conv: {out: 4, kernel: 3, stride: 2, padding: 1}}, relu, {conv: {out: 4, kernel: 3, padding: 1}}], shortcut: {conv: {out: 4, stride: 2}}}}, {conv: {out: 2, kernel: 3}}]",
    "what keeps positions": "[{batch_norm: {}}, {layer_norm: {}}, {local_response_norm: {size: 3}}, gelu, {prelu: {}}, {affine: {}}, {scale: 0.5}, softmax, {conv: {out: 2, kernel: 2}}]",
}  # fmt: skip


@pytest.mark.parametrize("case", EXACT)
def test_what_is_reported_is_what_gradients_reach(case: str) -> None:
    graph = graph_of(EXACT[case])
    reported = cost(graph).receptive_field
    # not clipped to the image, which a squeeze sees whole from wherever it stands
    assert (min(reported[0], HEIGHT), min(reported[1], WIDTH)) == measured(graph)


def test_a_slice_by_two_and_three_rows_are_five() -> None:
    assert cost(graph_of(EXACT["a slice by two"])).receptive_field == (5, 5)


def test_the_classifier_begins_behind_the_field() -> None:
    """The field is that of the features before the global pool, whatever comes after."""
    graph = graph_of(
        "[{conv: {out: 2, kernel: 3, stride: 2}}, {max_pool: 2, output: features}, global_avg_pool, {linear: 3}]"
    )
    net = to_torch(graph, Positive(graph.params())).double().eval()
    assert cost(graph).receptive_field == (reached(net, 0), reached(net, 1)) == (5, 5)


@pytest.mark.parametrize(
    "step",
    [
        "{max_pool: {kernel: 1, stride: 999999999}}",
        "{steps: [{upsample: 7}, {max_pool: {kernel: 3, stride: 11, padding: 1}}]}",
    ],
)
def test_steps_on_one_pixel_stay_finite(step: str) -> None:
    """Nothing ends such strides: their product is no number of thousands of digits, and neither infinite nor none."""
    found = cost(graph_of(f"[{{adaptive_avg_pool: 1}}, {{repeat: {{i: 2000}}, steps: [{step}]}}]"))
    assert all(1 <= size <= 2**53 for size in found.receptive_field)


# The widest field of a map's positions, where no two neighbours see equally much.
UNEVEN = {
    "adaptive means and a convolution": "[{adaptive_avg_pool: [12, 7]}, {conv: {out: 2, kernel: 3}}]",
    "adaptive means over more bins than rows": "[{max_pool: 4}, {adaptive_avg_pool: [11, 8]}, {conv: {out: 2, kernel: 3}}]",
    "adaptive means by two steps": "[{adaptive_avg_pool: [13, 11]}, {adaptive_avg_pool: [5, 4]}]",
    "a window that fits what was enlarged": "[{upsample: 2}, {avg_pool: 2}]",
    "a window beside what was enlarged": "[{upsample: 2}, {pad: {height: [1, 0]}}, {avg_pool: 2}]",
    "enlarged, and every third taken": "[{upsample: 2}, {slice: {height: [1, 60, 3]}}, {conv: {out: 2, kernel: 3}}]",
}


@pytest.mark.parametrize("case", UNEVEN)
def test_the_widest_field_of_an_uneven_grid(case: str) -> None:
    graph = graph_of(UNEVEN[case])
    assert cost(graph).receptive_field == measured(graph)


# Paths that look at different places, steps that move the map, and windows that lie in padding.
PLACES = {
    "branches at different places": "[{add: [{slice: {height: [0, 20]}}, {slice: {height: [10, 30]}}]}]",
    "three crops": "[{concat: [{slice: {height: [0, 20], width: [4, 24]}}, {slice: {height: [10, 30], width: [0, 20]}}, {slice: {height: [5, 25], width: [2, 22]}}]}]",
    "uneven sides": "[{conv: {out: 2, kernel: 3, padding: [0, 0, 2, 2]}}, {conv: {out: 2, kernel: [3, 2], padding: [2, 1, 0, 0]}}]",
    "uneven strides": "[{conv: {out: 2, kernel: 3, stride: [2, 1]}}, {max_pool: {kernel: [2, 3], stride: [1, 3]}}, {conv: {out: 2, kernel: [1, 2]}}]",
    "dilation beside a pool": "[{concat: [{conv: {out: 2, kernel: 3, dilation: 2, padding: 2}}, {avg_pool: {kernel: 3, stride: 1, padding: 1}}, {steps: [{pad: {height: [1, 0], width: [0, 3]}}, {slice: {height: [0, 30], width: [3, 27]}}]}]}]",
    "crops that cut": "[{slice: {height: [7, 25], width: [3, 20]}}, {conv: {out: 2, kernel: 5, padding: 2}}, {conv: {out: 2, kernel: 3, padding: 1}}]",
    "a crop of a strided map": "[{conv: {out: 2, kernel: 3, stride: 2, padding: 1}}, {slice: {height: [2, 14, 2]}}, {conv: {out: 2, kernel: 3, padding: 1}}]",
    "enlarged and cut": "[{max_pool: 2}, {upsample: 2}, {slice: {height: [1, 29], width: [3, 23]}}, {conv: {out: 2, kernel: 3}}]",
    "down and up beside a crop": "[{slice: {height: [0, 28]}}, {concat: [{steps: [{conv: {out: 2, kernel: 3, stride: 2, padding: 1}}, {upsample: 2}]}, {conv: {out: 2, kernel: 5, padding: same}}]}]",
    "between positions": "[{max_pool: 3}, {upsample: {scale: 3, mode: bilinear}}, {conv: {out: 2, kernel: 2}}]",
    "between positions, by two": "[{upsample: {scale: 2, mode: bilinear}}, {conv: {out: 2, kernel: 3, stride: 3}}]",
    "rounded up": "[{max_pool: {kernel: 3, stride: 2, ceil_mode: true}}, {avg_pool: {kernel: 2, stride: 2, ceil_mode: true}}]",
    "padding as wide as a window": "[{pad: {height: [4, 3], width: [5, 0]}}, {conv: {out: 2, kernel: 3, stride: 2}}]",
    "windows in padding alone": "[{conv: {out: 2, kernel: [1, 2], stride: [3, 2], padding: [2, 2, 1, 2]}}, {conv: {out: 2, kernel: [2, 3], dilation: [1, 2], padding: [1, 1, 0, 3]}}]",
    "a gate": "[{conv: {out: 2, kernel: 3, stride: 2}}, {Squeeze: {}}, {conv: {out: 2, kernel: 3}}]",
    "a map of one, enlarged": "[{slice: {height: [0, 24]}}, {concat: [[], [global_avg_pool, {upsample: 24}]]}]",
    "uneven bins": "[{conv: {out: 2, kernel: 3}}, {adaptive_avg_pool: [9, 5]}, {conv: {out: 2, kernel: 2}}]",
}  # fmt: skip


@pytest.mark.parametrize("case", {**PLACES, **EXACT, **UNEVEN})
def test_each_position_sees_what_gradients_reach(case: str) -> None:
    """The first and the last row and column, at the corners and in the middle."""
    graph = graph_of({**PLACES, **EXACT, **UNEVEN}[case])
    torch.manual_seed(0)
    net = to_torch(graph, Positive(graph.params())).double().eval()
    value = graph.outputs[0].value
    for row, column in {(0, 0), (value.type.height // 2, value.type.width // 2), (value.type.height - 1, value.type.width - 1)}:  # fmt: skip
        assert seen_pixels(graph, value, row, column) == reached_by(net, row, column)


def reached_by(net: torch.nn.Module, row: int, column: int) -> dict[str, Any]:
    """The rows and columns of the image with a gradient from one position of the result; none where there is no such pixel."""
    seen = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    for seed in range(12):  # a maximum reads one element at a time
        image = (
            torch.rand(1, 2, HEIGHT, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + 0.1
        )
        (gradient,) = torch.autograd.grad(result_of(net, image.requires_grad_())[0, :, row, column].sum(), image)
        seen |= gradient.abs().sum((0, 1)) > 0
    rows, columns = (seen.any(axis).nonzero() for axis in (1, 0))
    bounds = [(int(found.min()), int(found.max())) for found in (rows, columns) if len(found)]
    return {"image": tuple(bounds)} if bounds else {}


@pytest.mark.parametrize(
    ("steps", "size", "stride", "center"),
    [
        ("[{conv: {out: 2, kernel: 3, padding: 1}}]", (3, 3), (1, 1), (0, 0)),
        ("[{conv: {out: 2, kernel: [3, 5], stride: [2, 1]}}]", (3, 5), (2, 1), (1, 2)),
        ("[{conv: {out: 2, kernel: 3, padding: [0, 0, 2, 2]}}]", (3, 3), (1, 1), (1, 1)),
        ("[{conv: {out: 2, kernel: 2, padding: same}}, {max_pool: 2}]", (3, 3), (2, 2), (1, 1)),
        ("[{slice: {height: [6, 30, 3]}}, {conv: {out: 2, kernel: 3}}]", (7, 3), (3, 1), (9, 1)),
        ("[{pad: {height: [2, 0]}}]", (1, 1), (1, 1), (-2, 0)),
        ("[{max_pool: 2}, {upsample: 4}]", (2, 2), (0.5, 0.5), (0.5, 0.5)),
        ("[{add: [{slice: {height: [0, 20]}}, {slice: {height: [10, 30]}}]}]", (11, 1), (1, 1), (5, 0)),
        ("[{max_pool: 2}, global_avg_pool]", (30, 24), (0, 0), (14.5, 11.5)),
        ("[{max_pool: 2}, flatten, {linear: 3}]", (30, 24), (0, 0), (14.5, 11.5)),
    ],
)
def test_size_stride_and_center_of_a_node(steps: str, size: Any, stride: Any, center: Any) -> None:
    """Counted by hand; the last node's."""
    *_, field = receptive_fields(graph_of(steps)).values()
    assert field == (size, stride, center)


def test_a_fields_place_is_that_of_the_first_position_inside() -> None:
    """A field and what a position sees are the same where nothing is cut: far from the border."""
    graph = graph_of(
        "[{conv: {out: 2, kernel: 3, stride: 2, padding: 1}}, {conv: {out: 2, kernel: [3, 5], padding: [1, 2]}}]"
    )
    (rows, columns), (down, across), (y, x) = list(receptive_fields(graph).values())[-1]
    (first_row, last_row), (first_column, last_column) = seen_pixels(graph, graph.outputs[0].value, 7, 6)["image"]
    assert ((first_row + last_row) / 2, (first_column + last_column) / 2) == (y + 7 * down, x + 6 * across)
    assert (last_row - first_row + 1, last_column - first_column + 1) == (rows, columns)
