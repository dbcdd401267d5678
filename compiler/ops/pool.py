"""Pooling. Sizes follow torch: with `ceil_mode` a last window that would begin in the padding is dropped.

ONNX tools disagree among themselves about ceil_mode with padding, so the lowering writes exact explicit pads instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Self

from ..diagnostics import Reject
from ..ir.dtypes import I64
from ..ir.graph import Value
from ..ir.types import TensorType
from .conv import (
    UNFUSABLE_ZERO,
    Sides,
    least_input_size,
    output_size,
    padded_bytes,
    padding_sides,
    repad,
    sliding_windows,
)
from .fields import Bool, Padding, Pair
from .op import (
    MOST_HALF_TERMS,
    Lengths,
    OnnxBuilder,
    Op,
    Repadding,
    Saved,
    field,
    format_extent,
    format_stride,
    op,
    require_image,
)
from .windows import Windows
from .working import Working, padding_note, window_terms


def pool_output_size(op: Pool, axis: str, size: int, before: int, after: int, kernel: int, stride: int) -> int:
    """The output's size on one axis, as torch counts: with `ceil_mode` a partial last window counts if it begins in the map
    or in the padding before it. It may be the only one, so a window may exceed the padded map by up to stride - 1.

    Raises Reject `window-too-large` where there is no window. `axis` is its name in the message.
    """
    room = size + before + after - kernel
    if not op.ceil_mode or room + stride <= 0:
        return output_size(op, axis, size, before, after, kernel, stride)
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= size + before else count


def least_pool_input_size(op: Pool, least: int, before: int, after: int, kernel: int, stride: int) -> int:
    """The least size of an axis on which a pool has at least `least` windows; see pool_output_size."""
    if op.padding == "same":
        return (least - 1) * stride + 1
    if not op.ceil_mode:
        return least_input_size(least, before, after, kernel, stride)
    begun = (least - 1) * stride + 1 - before  # the last window begins before the padding at the end
    return max(least_input_size(least, before, after, kernel, stride) - stride + 1, begun, 1)


def pool_working(op: Pool, axis: str, size: int, before: int, after: int, kernel: int, stride: int) -> Working:
    """How `pool_output_size` comes about, of the axis with the letter `axis`."""
    result = pool_output_size(op, axis, size, before, after, kernel, stride)
    terms = window_terms(size, before, after, kernel, stride, rounded_up=op.ceil_mode)
    note = padding_note(op.padding, before, after)
    if op.ceil_mode and result == -(-(size + before + after - kernel) // stride):
        return Working(axis, f"{terms} − 1", result, "the last window would begin in the padding")
    return Working(axis, terms, result, note or "`ceil_mode` rounds up" * op.ceil_mode)


class Pool(Op):
    """The root of pools with a window that moves over an image. `stride` None is the kernel's size."""

    kernel: tuple[int, int] = field(
        Pair(1),
        "height and width of the window",
        also_called=("kernel_size", "ksize", "kernel_dim", "pool_size", "kernel_shape", "size", "window_shape", "k"),
    )
    stride: tuple[int, int] | None = field(
        Pair(1), "step of the window; the kernel unless given", None, also_called=("strides", "s")
    )
    padding: Sides | str = field(
        Padding(), "padding around the map, or `same`", (0, 0, 0, 0), also_called=("pad", "pads", "border_mode", "p")
    )
    ceil_mode: bool = field(Bool(), "whether a last, partial window counts", False, also_called=("ceil",))

    counts = "pool"
    family = "pool"

    def caption(self, x: TensorType) -> str:
        return f"{format_extent(self.kernel)} {super().caption(x)}{format_stride(self.resolved_stride)}"

    def __new__(cls, **given: Any) -> Self:
        if given.get("stride") is None:
            given["stride"] = given.get("kernel")
        return super().__new__(cls, **given)

    @property
    def resolved_stride(self) -> tuple[int, int]:
        """The stride; the kernel's size where none is given."""
        return self.stride or self.kernel

    def infer(self, x: TensorType) -> TensorType:
        """The pooled image. Raises Reject where the window does not fit, or the padding is over half of it."""
        require_image(self, x)
        top, left, bottom, right = padding_sides(self, x)
        if self.padding != "same":
            for pad, kernel in ((max(top, bottom), self.kernel[0]), (max(left, right), self.kernel[1])):
                if 2 * pad > kernel:
                    raise Reject("padding-too-large", f"a padding of {pad} is over half the window of {kernel}",
                                 "a window must not lie in the padding alone", "padding")  # fmt: skip
        return x.with_sizes(
            x.channels,
            pool_output_size(self, "height", x.height, top, bottom, self.kernel[0], self.resolved_stride[0]),
            pool_output_size(self, "width", x.width, left, right, self.kernel[1], self.resolved_stride[1]),
        )

    def pad_fully(self, x: TensorType) -> Repadding | None:
        return repad(self, x, self.kernel, self.resolved_stride)

    def unstride(self, x: TensorType) -> Repadding | None:
        """None for an even window, too: it has no middle, and halves a map as a rule because it is meant to."""
        if self.resolved_stride != self.kernel or self.kernel == (1, 1) or any(k % 2 == 0 for k in self.kernel):
            return None
        each = self.replace(stride=(1, 1))
        spelt = self.fields["kernel"].kind.spell(self.kernel)
        has = f"the stride of its kernel, {spelt}"
        try:
            if each.infer(x).lengths == x.lengths:
                return Repadding(each, has, "")
        except Reject:
            return None
        found = repad(each, x, self.kernel, (1, 1))
        return found._replace(has=has) if found else None

    def least_input(self, least: Lengths, x: TensorType) -> Lengths:
        (height, width), (kh, kw), (sh, sw) = least, self.kernel, self.resolved_stride
        top, left, bottom, right = padding_sides(self, x)
        return (
            least_pool_input_size(self, height, top, bottom, kh, sh),
            least_pool_input_size(self, width, left, right, kw, sw),
        )

    def shape_working(self, x: TensorType) -> tuple[Working, ...]:
        top, left, bottom, right = padding_sides(self, x)
        return (
            pool_working(self, "H", x.height, top, bottom, self.kernel[0], self.resolved_stride[0]),
            pool_working(self, "W", x.width, left, right, self.kernel[1], self.resolved_stride[1]),
        )

    def windows(self, x: TensorType) -> Windows:
        return sliding_windows(self.kernel, self.resolved_stride, padding_sides(self, x))

    def pads_itself(self, x: TensorType) -> bool:
        """Whether torch's own module takes its padding: the same number at both ends of each axis."""
        sides = padding_sides(self, x)
        return sides[:2] == sides[2:] and self.padding != "same"

    def exact_pads(self, x: TensorType) -> Sides:
        """The padding with which the output size, rounded down, is the same: what `ceil_mode` adds is padding at the end."""
        y, (top, left, bottom, right) = self.infer(x), padding_sides(self, x)
        more_h = (y.height - 1) * self.resolved_stride[0] + self.kernel[0] - x.height - top
        more_w = (y.width - 1) * self.resolved_stride[1] + self.kernel[1] - x.width - left
        return top, left, max(bottom, more_h), max(right, more_w)


@op("max_pool", bare="kernel")
class MaxPool(Pool):
    """The largest element of each window.

    Shapes   (N, C, H, W) -> (N, C, H', W'), H' = (H + pads - kernel) // stride + 1, rounded up with `ceil_mode`
    Rejects  not-an-image, window-too-large, padding-too-large
    Source   Ranzato et al. 2007
    """

    also_called = ("MaxPool2d", "MaxPooling", "MaxPooling2D", "SpatialMaxPooling")
    example = "max_pool: {kernel: 3, stride: 2, padding: 1}"

    def saved_for_backward(self, y: TensorType, x: TensorType) -> Saved:
        """Its input, or the padded one where our own module pads, and where each maximum was found."""
        indices = y.elements * I64.size_bytes
        if self.pads_itself(x):
            return Saved(inputs=True, bytes=indices)
        return Saved(bytes=indices + padded_bytes(x, self.exact_pads(x)))

    def torch(self, nn: Any, x: TensorType) -> Any:
        if self.pads_itself(x):
            padding = padding_sides(self, x)[:2]
            return nn.MaxPool2d(self.kernel, stride=self.resolved_stride, padding=padding, ceil_mode=self.ceil_mode)
        return nn.PaddedMaxPool2d(self.kernel, stride=self.resolved_stride, sides=self.exact_pads(x))

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        return g.node(
            "MaxPool", x.name, kernel_shape=self.kernel, strides=self.resolved_stride, pads=self.exact_pads(x.type)
        )


@op("avg_pool", bare="kernel")
class AvgPool(Pool):
    """The mean of each window; it counts the padding unless told.

    Shapes   (N, C, H, W) -> (N, C, H', W'), H' = (H + pads - kernel) // stride + 1, rounded up with `ceil_mode`
    Rejects  not-an-image, window-too-large, padding-too-large
    Source   LeCun et al. 1989
    """

    also_called = (
        "AvgPool2d",
        "AveragePool",
        "AveragePooling",
        "AveragePooling2D",
        "SpatialAveragePooling",
        "mean_pool",
    )
    example = "avg_pool: 2"

    count_include_pad: bool = field(
        Bool(),
        "whether zeros of the padding count in the mean",
        True,
        also_called=("include_pad", "count_includes_padding"),
    )

    def summarizes(self, x: TensorType) -> bool:
        return x.is_image and self.kernel == (x.height, x.width)

    def gives_distribution(self, given: Sequence[bool], x: TensorType) -> bool:
        return given[0] and not (self.count_include_pad and any(padding_sides(self, x)))

    def needs_float32(self, x: TensorType) -> bool:
        return prod(self.kernel) > MOST_HALF_TERMS

    def saved_for_backward(self, y: TensorType, x: TensorType) -> Saved:
        """Its input; where our own module pads, the padded one, and how many elements each window of an image counts."""
        if self.pads_itself(x):
            return Saved(inputs=True)
        counted = y.height * y.width * y.dtype.size_bytes
        return Saved(bytes=padded_bytes(x, self.exact_pads(x)), bytes_once=counted)

    def torch(self, nn: Any, x: TensorType) -> Any:
        """torch's own module where both ends of each axis have one padding, else ours; `beyond` is what `ceil_mode` adds."""
        top, left, bottom, right = padding_sides(self, x)
        if self.pads_itself(x):
            return nn.AvgPool2d(self.kernel, stride=self.resolved_stride, padding=(top, left), ceil_mode=self.ceil_mode,
                                count_include_pad=self.count_include_pad)  # fmt: skip
        exact = self.exact_pads(x)
        return nn.PaddedAvgPool2d(self.kernel, stride=self.resolved_stride, sides=(top, left, bottom, right),
                                  beyond=(exact[2] - bottom, exact[3] - right),
                                  count_include_pad=self.count_include_pad)  # fmt: skip

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        """An `AveragePool`. Zeros that count in the mean are its own padding where both ends have the same and nothing is beyond
        them, as tools disagree on the rest: there a `Pad` comes before it, and it counts none of its own padding."""
        own, exact, source = padding_sides(self, x.type), self.exact_pads(x.type), x.name
        top, left, bottom, right = own
        counted = self.count_include_pad and any(own)
        plain = own == exact and (top, left) == (bottom, right)
        if counted and not plain:
            # what ceil_mode adds beyond the padding never counts, so it stays the pool's own
            zero = g.floats("zero", (UNFUSABLE_ZERO,))
            source = g.node("Pad", source, g.ints("pads", (0, 0, top, left, 0, 0, bottom, right)), zero)
            exact = (0, 0, exact[2] - bottom, exact[3] - right)
        return g.node(
            "AveragePool",
            source,
            kernel_shape=self.kernel,
            strides=self.resolved_stride,
            pads=exact,
            count_include_pad=int(counted and plain),
        )
