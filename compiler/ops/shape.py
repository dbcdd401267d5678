"""What moves or picks elements without arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from ..diagnostics import Reject
from ..ir.dtypes import I64, LARGEST_HALF
from ..ir.graph import Value
from ..ir.types import TensorType
from .conv import UNFUSABLE_ZERO
from .fields import Float, Int, IntList
from .op import Lengths, OnnxBuilder, Op, Saved, Strides, field, format_stride, op, require_image
from .windows import POINTWISE_WINDOWS, Window, Windows, whole_window
from .working import AXES as LETTERS
from .working import Working, product

AXES = ("channels", "height", "width")
Range = tuple[int, ...] | None


def axis_sizes(op: Op, x: TensorType, ranges: tuple[Range, ...]) -> list[int]:
    """The sizes of the axes of `x`. Raises Reject where `ranges` state height or width, and `x` is flat."""
    if any(r is not None for r in ranges[1:]):
        require_image(op, x)
    return list(x.sizes)


@op("identity")
class Identity(Op):
    """Its input; with a name it marks a place for `from`.

    Shapes   any -> the same
    Source   torch.nn.Identity
    """

    also_called = ("noop", "Passthrough")
    example = "{name: tap, identity}"

    is_marker = True

    def infer(self, x: TensorType) -> TensorType:
        return x

    def gives_distribution(self, given: Sequence[bool], x: TensorType) -> bool:
        return given[0]

    def view_strides(self, strides: Strides, x: TensorType) -> Strides | None:
        return strides

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.Identity()

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        return g.node("Identity", x.name)

    def inference(self) -> Op | None:
        return None


@op("flatten")
class Flatten(Op):
    """All axes of an image as one, channels first.

    Shapes   (N, C, H, W) or (N, C) -> (N, C·H·W)
    Source   torch.nn.Flatten
    """

    also_called = ("FlattenLayer", "Ravel")
    family = "shape"

    def infer(self, x: TensorType) -> TensorType:
        return x.with_sizes(x.elements)

    def least_input(self, least: Lengths, x: TensorType) -> Lengths:
        return tuple(-(-least[0] * size // x.elements) for size in x.lengths)

    def shape_working(self, x: TensorType) -> tuple[Working, ...]:
        return (Working("C", product(x.sizes), x.elements),)

    def view_strides(self, strides: Strides, x: TensorType) -> Strides | None:
        """One step for all elements of an image, where each axis goes on where the next one ends; otherwise they are copied."""
        axes = [(size, step) for size, step in zip(x.sizes, strides[1:], strict=True) if size > 1]
        if any(step != size * inner for (_, step), (size, inner) in pairwise(axes)):
            return None
        return strides[0], axes[-1][1] if axes else 1

    def windows(self, x: TensorType) -> Windows:
        return (whole_window(x.height), whole_window(x.width)) if x.is_image else POINTWISE_WINDOWS

    def gives_distribution(self, given: Sequence[bool], x: TensorType) -> bool:
        return given[0] and x.elements == x.channels

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.Flatten(1)

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        return g.node("Flatten", x.name, axis=1)


@op("pad")
class Pad(Op):
    """Adds a constant before and after, on any axis.

    Shapes   each size + before + after
    Rejects  not-an-image
    Source   He et al. 2015 (shortcut A pads channels)
    """

    also_called = ("ZeroPad2d", "ZeroPadding2D", "ConstantPad2d", "Padding")
    example = "pad: {height: [1, 1], width: [1, 1]}"
    usual = MappingProxyType({"height": "[1, 1]", "width": "[1, 1]"})

    channels: Range = field(IntList(0, (2, 2), "[before, after]"), "channels before and after", None)
    height: Range = field(IntList(0, (2, 2), "[before, after]"), "rows before and after", None)
    width: Range = field(IntList(0, (2, 2), "[before, after]"), "columns before and after", None)
    value: float = field(Float(), "what is added", 0.0, also_called=("constant_value", "fill"))

    family = "shape"

    def pads(self, x: TensorType) -> list[tuple[int, int]]:
        """(before, after) of each axis behind the batch."""
        ranges = (self.channels, self.height, self.width)
        return [(r[0], r[1]) if r else (0, 0) for r in ranges[: x.rank - 1]]

    def infer(self, x: TensorType) -> TensorType:
        found = axis_sizes(self, x, (self.channels, self.height, self.width))
        return x.with_sizes(*(n + a + b for n, (a, b) in zip(found, self.pads(x), strict=True)))

    def least_input(self, least: Lengths, x: TensorType) -> Lengths:
        return tuple(max(n - a - b, 1) for n, (a, b) in zip(least, self.pads(x)[-len(least) :], strict=True))

    def shape_working(self, x: TensorType) -> tuple[Working, ...]:
        axes = zip(LETTERS, x.sizes, self.pads(x), strict=False)
        return tuple(Working(axis, f"{n} + {a} + {b}", n + a + b) for axis, n, (a, b) in axes if a or b)

    def windows(self, x: TensorType) -> Windows:
        if not x.is_image:
            return POINTWISE_WINDOWS
        rows, columns = (Window(1, -before, -before) for before, _ in self.pads(x)[1:])
        return rows, columns

    def needs_float32(self, x: TensorType) -> bool:
        return abs(self.value) > LARGEST_HALF

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.Pad(tuple(n for pair in reversed(self.pads(x)) for n in pair), self.value)

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        """A `Pad`. Zeros may be fused only into what pads with zeros itself; see UNFUSABLE_ZERO."""
        pads, readers = self.pads(x.type), g.readers()
        ends = (0, *(a for a, _ in pads), 0, *(b for _, b in pads))
        fusable = bool(readers) and all(reader.pads_with_zeros for reader in readers)
        value = self.value or (0.0 if fusable else UNFUSABLE_ZERO)
        return g.node("Pad", x.name, g.ints("pads", ends), g.floats("value", (value,)))


@op("slice")
class Slice(Op):
    """Every step-th element from start up to stop, on any axis.

    Shapes   each size (stop - start) / step, rounded up
    Rejects  not-an-image, slice-out-of-range
    Source   He et al. 2015 (shortcut A takes every second position)
    """

    also_called = ("Crop", "Cropping2D", "StridedSlice", "Narrow")
    example = "slice: {height: [0, 56, 2], width: [0, 56, 2]}"
    usual = MappingProxyType({"height": "[1, 31]", "width": "[1, 31]"})

    channels: Range = field(IntList(0, (2, 3), "[start, stop] or [start, stop, step]"), "channels", None)
    height: Range = field(IntList(0, (2, 3), "[start, stop] or [start, stop, step]"), "rows", None)
    width: Range = field(IntList(0, (2, 3), "[start, stop] or [start, stop, step]"), "columns", None)

    family = "shape"

    def caption(self, x: TensorType) -> str:
        rows, columns = self.windows(x)
        return f"slice{format_stride((rows.stride, columns.stride))}"

    def ranges(self, x: TensorType) -> list[tuple[int, int, int]]:
        """(start, stop, step) of each axis behind the batch. Raises Reject where one takes nothing, or reaches past its end."""
        stated = (self.channels, self.height, self.width)
        found = []
        for axis, size, r in zip(AXES, axis_sizes(self, x, stated), stated, strict=False):
            start, stop, step = (0, size, 1) if r is None else (*r, 1)[:3]
            if not (0 <= start < stop <= size and step >= 1):
                raise Reject(
                    "slice-out-of-range",
                    f"[{start}, {stop}, {step}] takes nothing, or too much, of {size} {axis}",
                    field=axis,
                )
            found.append((start, stop, step))
        return found

    def infer(self, x: TensorType) -> TensorType:
        return x.with_sizes(*(len(range(*r)) for r in self.ranges(x)))

    def least_input(self, least: Lengths, x: TensorType) -> Lengths:
        stated = (self.height, self.width) if x.is_image else (self.channels,)
        return tuple(n if r is None else r[1] for n, r in zip(least, stated, strict=True))

    def shape_working(self, x: TensorType) -> tuple[Working, ...]:
        found = []
        for axis, size, (start, stop, step) in zip(LETTERS, x.sizes, self.ranges(x), strict=False):
            terms = f"{stop} − {start}" if step == 1 else f"ceil(({stop} − {start}) / {step})"
            if (start, stop, step) != (0, size, 1):
                found.append(Working(axis, terms, len(range(start, stop, step))))
        return tuple(found)

    def view_strides(self, strides: Strides, x: TensorType) -> Strides | None:
        steps = (step for _, _, step in self.ranges(x))
        return strides[0], *(stride * step for stride, step in zip(strides[1:], steps, strict=True))

    def windows(self, x: TensorType) -> Windows:
        if not x.is_image:
            return POINTWISE_WINDOWS
        rows, columns = (Window(step, start, start) for start, _, step in self.ranges(x)[1:])
        return rows, columns

    def gives_distribution(self, given: Sequence[bool], x: TensorType) -> bool:
        return given[0] and self.ranges(x)[0] == (0, x.channels, 1)

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.Slice(tuple(self.ranges(x)))

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        """A `Slice` over all axes behind the batch."""
        ranges = self.ranges(x.type)
        starts, stops, steps = zip(*ranges, strict=True)
        axes = tuple(range(1, len(ranges) + 1))
        return g.node(
            "Slice",
            x.name,
            g.ints("starts", starts),
            g.ints("stops", stops),
            g.ints("axes", axes),
            g.ints("steps", steps),
        )


@op("select")
class Select(Op):
    """The channels of a list, in its order.

    Shapes   (N, C, …) -> (N, length, …)
    Rejects  select-out-of-range
    Source   LeCun et al. 1998, table I (C3 sees some maps of S2)
    """

    also_called = ("Gather", "IndexSelect", "Take")
    example = "select: {channels: [0, 1, 5]}"

    channels: tuple[int, ...] = field(IntList(0), "which channels, from 0", also_called=("indices", "index"))

    family = "shape"

    def caption(self, x: TensorType) -> str:
        return f"select, {len(self.channels)} of {x.channels}"

    def infer(self, x: TensorType) -> TensorType:
        if max(self.channels) >= x.channels:
            raise Reject("select-out-of-range", f"there is no channel {max(self.channels)}: {x.channels} channels are numbered 0 to {x.channels - 1}",
                         field="channels")  # fmt: skip
        return x.with_sizes(len(self.channels), *x.sizes[1:])

    def least_input(self, least: Lengths, x: TensorType) -> Lengths:
        return least if x.is_image else (max(self.channels) + 1,)

    def shape_working(self, x: TensorType) -> tuple[Working, ...]:
        return (Working("C", f"{len(self.channels)}", len(self.channels), "as many as `channels` lists"),)

    def gives_distribution(self, given: Sequence[bool], x: TensorType) -> bool:
        return given[0] and sorted(self.channels) == list(range(x.channels))

    def saved_for_backward(self, y: TensorType, x: TensorType) -> Saved:
        """The numbers of the channels."""
        return Saved(bytes_once=len(self.channels) * I64.size_bytes)

    def gives_channels_last(self, given: Sequence[bool], x: TensorType) -> bool:
        return False

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.Select(self.channels)

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        return g.node("Gather", x.name, g.ints("channels", self.channels), axis=1)


@op("channel_shuffle", bare="groups")
class ChannelShuffle(Op):
    """Interleaves groups of channels.

    Shapes   (N, C, H, W) -> the same
    Rejects  not-an-image, groups-mismatch
    Source   Zhang et al. 2017 (ShuffleNet)
    """

    also_called = ("ShuffleChannel",)
    example = "channel_shuffle: 4"

    groups: int = field(Int(1), "groups to interleave", also_called=("group", "num_groups"))

    family = "shape"

    def caption(self, x: TensorType) -> str:
        return f"channel shuffle, {self.groups}"

    def infer(self, x: TensorType) -> TensorType:
        require_image(self, x)
        if x.channels % self.groups:
            raise Reject(
                "groups-mismatch", f"{x.channels} channels do not divide into {self.groups} groups", field="groups"
            )
        return x

    def gives_distribution(self, given: Sequence[bool], x: TensorType) -> bool:
        return given[0]

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.ChannelShuffle(self.groups)

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        c, h, w = x.type.sizes
        split = g.node("Reshape", x.name, g.ints("split", (0, self.groups, c // self.groups, h, w)))
        return g.node("Reshape", g.node("Transpose", split, perm=(0, 2, 1, 3, 4)), g.ints("joined", (0, c, h, w)))
