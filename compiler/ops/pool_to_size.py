"""Pools whose output has a size of its own, whatever arrives: adaptive and global ones."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import Any

from ..ir.dtypes import I64
from ..ir.graph import Value
from ..ir.types import TensorType
from .fields import Pair
from .op import MOST_HALF_TERMS, Lengths, OnnxBuilder, Op, Saved, field, format_extent, op, require_image
from .windows import Window, Windows, whole_window
from .working import Working


@op("adaptive_avg_pool", bare="size")
class AdaptiveAvgPool(Op):
    """Means over a grid of `size` bins; neighbouring bins overlap where the size does not divide.

    Shapes   (N, C, H, W) -> (N, C, *size)
    Rejects  not-an-image
    Source   torch.nn.AdaptiveAvgPool2d; He et al. 2014 (spatial pyramid pooling)
    """

    also_called = ("AdaptiveAvgPool2d", "AdaptiveAveragePool", "AdaptiveAveragePooling2D")
    example = "adaptive_avg_pool: 7"

    size: tuple[int, int] = field(
        Pair(1), "height and width that come out", also_called=("output_size", "out_size", "bins")
    )
    counts = "pool"
    pools_to_size = True
    family = "pool"

    def caption(self, x: TensorType) -> str:
        return f"avg pool to {format_extent(self.size)}"

    def infer(self, x: TensorType) -> TensorType:
        require_image(self, x)
        return x.with_sizes(x.channels, *self.size)

    def least_input(self, least: Lengths, x: TensorType) -> Lengths:
        return 1, 1

    def shape_working(self, x: TensorType) -> tuple[Working, ...]:
        (h, w), note = self.size, "`size`, whatever arrives"
        return Working("H", f"{h}", h, note), Working("W", f"{w}", w, note)

    def windows(self, x: TensorType) -> Windows:
        return bin_window(x.height, self.size[0]), bin_window(x.width, self.size[1])

    def saved_for_backward(self, y: TensorType, x: TensorType) -> Saved:
        """Its input; nothing for one bin, which torch takes for a mean."""
        return Saved(inputs=self.size != (1, 1))

    def gives_distribution(self, given: Sequence[bool], x: TensorType) -> bool:
        return given[0]

    def needs_float32(self, x: TensorType) -> bool:
        return widest_bin(x.height, self.size[0]) * widest_bin(x.width, self.size[1]) > MOST_HALF_TERMS

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.AdaptiveAvgPool2d(self.size)

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        """A plain pool where the size divides; else two matrix products, because ONNX has no adaptive pool."""
        h, w = x.type.height, x.type.width
        if self.size == (h, w):
            return g.node("Identity", x.name)
        if self.size == (1, 1):
            return g.node("GlobalAveragePool", x.name)
        if h % self.size[0] == 0 and w % self.size[1] == 0:
            bins = (h // self.size[0], w // self.size[1])
            return g.node("AveragePool", x.name, kernel_shape=bins, strides=bins)
        rows = g.floats("rows", averaging_matrix(h, self.size[0]), (self.size[0], h))
        across = averaging_matrix(w, self.size[1])
        columns = tuple(across[o * w + i] for i in range(w) for o in range(self.size[1]))
        return g.node("MatMul", g.node("MatMul", rows, x.name), g.floats("columns", columns, (w, self.size[1])))


def widest_bin(size: int, bins: int) -> int:
    """The length of the longest adaptive bin. Bin b takes the positions from floor(b·size/bins) to ceil((b+1)·size/bins), as in torch."""
    common = gcd(size, bins)
    return 1 + -(-(size // common - 1) // (bins // common))


def bin_window(size: int, bins: int) -> Window:
    """What the adaptive bins of an axis see; see widest_bin."""
    if bins == 1:
        return whole_window(size)
    common = gcd(size, bins)
    step, parts = size // common, bins // common
    return Window(step, 1 - parts, step - 1, parts)


def averaging_matrix(size: int, bins: int) -> tuple[float, ...]:
    """A (bins, size) matrix, row by row; its product with `size` numbers is the mean of each adaptive bin, as in torch."""
    rows = []
    for b in range(bins):
        start, end = b * size // bins, -(-(b + 1) * size // bins)
        rows += [1 / (end - start) if start <= i < end else 0.0 for i in range(size)]
    return tuple(rows)


class GlobalPool(Op):
    """The root of pools over the whole map: one number per channel, as C×1×1."""

    counts = "pool"
    pools_to_size = True
    family = "pool"

    def infer(self, x: TensorType) -> TensorType:
        require_image(self, x)
        return x.with_sizes(x.channels, 1, 1)

    def least_input(self, least: Lengths, x: TensorType) -> Lengths:
        return 1, 1

    def shape_working(self, x: TensorType) -> tuple[Working, ...]:
        note = "the whole map becomes one position"
        return Working("H", "1", 1, note), Working("W", "1", 1, note)

    def windows(self, x: TensorType) -> Windows:
        return whole_window(x.height), whole_window(x.width)


@op("global_avg_pool")
class GlobalAvgPool(GlobalPool):
    """The mean of each channel.

    Shapes   (N, C, H, W) -> (N, C, 1, 1)
    Rejects  not-an-image
    Source   Lin et al. 2013 (network in network)
    """

    also_called = (
        "GlobalAveragePool",
        "GlobalAveragePooling",
        "GlobalAveragePooling2D",
        "GlobalAvgPool2d",
        "ReduceMean",
        "GAP",
    )

    def gives_distribution(self, given: Sequence[bool], x: TensorType) -> bool:
        return given[0]

    def needs_float32(self, x: TensorType) -> bool:
        return x.height * x.width > MOST_HALF_TERMS

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.AdaptiveAvgPool2d((1, 1))

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        return g.node("GlobalAveragePool", x.name)


@op("global_max_pool")
class GlobalMaxPool(GlobalPool):
    """The largest element of each channel.

    Shapes   (N, C, H, W) -> (N, C, 1, 1)
    Rejects  not-an-image
    Source   Oquab et al. 2015
    """

    also_called = ("GlobalMaxPooling", "GlobalMaxPooling2D", "GlobalMaxPool2d", "ReduceMax", "GMP")

    def gives_scores(self, given: Sequence[bool], x: TensorType) -> bool:
        return given[0]

    def saved_for_backward(self, y: TensorType, x: TensorType) -> Saved:
        """Its input, and where each maximum was found."""
        return Saved(inputs=True, bytes=y.elements * I64.size_bytes)

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.AdaptiveMaxPool2d((1, 1))

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        return g.node("GlobalMaxPool", x.name)
