"""Convolution, and the arithmetic of windows that pools share.

Padding has four sides everywhere, (top, left, bottom, right), as in ONNX. torch pads both ends of an axis by the same number,
so for uneven sides a module of our own pads before torch's convolution.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..diagnostics import Reject
from ..ir.graph import Value
from ..ir.operation import Param
from ..ir.types import TensorType
from .fields import Bool, InitKind, Int, Padding, Pair
from .op import (
    Doubt,
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
from .windows import Window, Windows
from .working import Working, padding_note, product, window_terms

Sides = tuple[int, int, int, int]
# A zero for the value of an ONNX `Pad`. Onnxruntime makes a `Pad` of zeros a part of the padding of the window behind it, whatever
# that pads with, also through nodes that it removes. It looks for a value whose bits are all zero; those of this one are not.
UNFUSABLE_ZERO = -0.0


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """The padding (before, after) of one axis with which the output has ceil(size / stride) positions.

    An odd pixel goes to the end, as in TensorFlow.
    """
    total = max((-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return total // 2, total - total // 2


def padding_sides(op: Any, x: TensorType, dilation: tuple[int, int] = (1, 1)) -> Sides:
    """The padding of a convolution or pool over `x` as four numbers (top, left, bottom, right); `same` is worked out."""
    if op.padding != "same":
        return op.padding  # type: ignore[no-any-return]
    top, bottom = same_padding(x.height, op.kernel[0], op.stride[0], dilation[0])
    left, right = same_padding(x.width, op.kernel[1], op.stride[1], dilation[1])
    return top, left, bottom, right


def output_size(
    op: Op, axis: str, size: int, before: int, after: int, kernel: int, stride: int, dilation: int = 1
) -> int:
    """The output's size on one axis: how many windows fit, rounded down.

    Raises Reject `window-too-large` where the window is larger than the padded map. `axis` is its name in the message.
    """
    span = dilation * (kernel - 1) + 1
    if span > size + before + after:
        spans = f" (it spans {span} at dilation {dilation})" if dilation > 1 else ""
        padded = f" with padding ({before}, {after})" if before or after else ""
        raise Reject(
            "window-too-large",
            f"{op.name}'s window of {kernel}{spans} does not fit a {axis} of {size}{padded}",
            "use a smaller window, more padding, or fewer strides before this step",
            field="dilation" if dilation > 1 else "kernel",
        )
    return (size + before + after - span) // stride + 1


def least_input_size(least: int, before: int, after: int, kernel: int, stride: int, dilation: int = 1) -> int:
    """The least size of an axis on which at least `least` windows fit; see output_size."""
    return max((least - 1) * stride + dilation * (kernel - 1) + 1 - before - after, 1)


def sliding_windows(
    kernel: tuple[int, int], stride: tuple[int, int], sides: Sides, dilation: tuple[int, int] = (1, 1)
) -> Windows:
    """The windows of a convolution or pool with the padding `sides`."""
    rows, columns = (
        Window(stride[i], -sides[i], dilation[i] * (kernel[i] - 1) - sides[i], spread=dilation[i]) for i in (0, 1)
    )
    return rows, columns


def repad(
    op: Op, x: TensorType, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int] = (1, 1)
) -> Repadding | None:
    """The convolution or pool padded so that each axis of `x` has ceil(size / stride) positions; None where it has, or no padding does it.

    It is a number a side where the window has a middle, and else `same`.
    """
    wanted = tuple(-(-size // step) for size, step in zip(x.lengths, stride, strict=True))
    (down, odd_down), (across, odd_across) = (divmod(d * (k - 1), 2) for k, d in zip(kernel, dilation, strict=True))
    padded = op.replace(padding="same" if odd_down or odd_across else (down, across, down, across))
    try:
        if op.infer(x).lengths == wanted or padded.infer(x).lengths != wanted:
            return None
    except Reject:
        return None
    spelt = {name: op.fields[name].kind.spell for name in ("kernel", "padding")}
    now, then = op.field_values(), padded.field_values()
    has = f"kernel {spelt['kernel'](now['kernel'])} and padding {spelt['padding'](now['padding'])}"
    return Repadding(padded, has, spelt["padding"](then["padding"]))


def padded_bytes(x: TensorType, sides: Sides) -> int:
    """The bytes of one image with padding around it."""
    top, left, bottom, right = sides
    return x.channels * (x.height + top + bottom) * (x.width + left + right) * x.dtype.size_bytes


@op("conv", bare="out")
class Conv(Op):
    """2-D cross-correlation over an image.

    Shapes   (N, C, H, W) -> (N, out, H', W'), H' = (H + top + bottom - dilation·(kernel - 1) - 1) // stride + 1
    Params   weight (out, C / groups, kh, kw), bias (out) when `bias`
    Cost     out·H'·W' · C / groups · kh·kw   multiply-accumulates
    Rejects  not-an-image, groups-mismatch, window-too-large
    Source   LeCun et al. 1989; groups: Krizhevsky et al. 2012
    """

    also_called = ("Conv2d", "Convolution", "Convolution2D", "SpatialConvolution", "LazyConv2d", "Convolutional")
    example = "conv: {out: 128, kernel: 3, stride: 2, padding: 1}"

    out: int = field(
        Int(1),
        "output channels",
        also_called=(
            "filters",
            "num_filters",
            "num_filter",
            "nb_filter",
            "units",
            "out_features",
            "features",
            "num_output",
            "out_channels",
            "out_planes",
            "channels",
            "c2",
        ),
    )
    kernel: tuple[int, int] = field(
        Pair(1),
        "height and width of the window",
        (1, 1),
        also_called=("kernel_size", "ksize", "kernel_dim", "size", "kernel_shape", "filter_size", "window_shape", "k"),
    )
    stride: tuple[int, int] = field(
        Pair(1), "step of the window", (1, 1), also_called=("strides", "subsample", "window_strides", "s")
    )
    padding: Sides | str = field(
        Padding(),
        "zeros around the map, or `same`",
        (0, 0, 0, 0),
        also_called=("pad", "pads", "border_mode", "autopad", "p"),
    )
    dilation: tuple[int, int] = field(
        Pair(1),
        "distance between the taps of the window",
        (1, 1),
        also_called=("dilations", "dilation_rate", "dilate", "kernel_dilation", "rate", "d"),
    )
    groups: int = field(
        Int(1),
        "groups of channels that do not see each other",
        1,
        also_called=("group", "num_group", "num_groups", "feature_group_count", "g"),
    )
    bias: bool = field(Bool(), "whether a bias is learned", True, also_called=("use_bias", "bias_term", "with_bias"))
    init: tuple[str, float] = field(
        InitKind(),
        "how the weight starts; the bias starts at zero",
        ("kaiming_uniform", 0.0),
        also_called=("kernel_initializer", "kernel_init", "weight_init", "weight_filler", "initializer"),
    )

    counts = "weight"
    pads_with_zeros = True
    family = "conv"

    def caption(self, x: TensorType) -> str:
        """Window, kind and width, with the groups and the dilation where they are not 1: `3×3 conv, 64 /2, 32 groups`."""
        depthwise = self.groups > 1 and self.groups == x.channels
        kind = "depthwise" if depthwise else "conv"
        parts = [f"{format_extent(self.kernel)} {kind}, {self.out}{format_stride(self.stride)}"]
        if self.groups > 1 and not depthwise:
            parts.append(f"{self.groups} groups")
        if self.dilation != (1, 1):
            down, across = self.dilation
            parts.append(f"dilation {down}" if down == across else f"dilation {format_extent(self.dilation)}")
        return ", ".join(parts)

    def doubt(self, stated: Collection[str]) -> Doubt | None:
        """Padding or dilation where the kernel was left out: it is 1×1 then."""
        idle: dict[str, tuple[object, ...]] = {"padding": ((0, 0, 0, 0), "same"), "dilation": ((1, 1),)}
        for key, values in idle.items():
            if "kernel" not in stated and key in stated and getattr(self, key) not in values:
                return Doubt(key, "default-kernel", f"`{key}` with a kernel of 1: the kernel is 1 by default",
                             f"write `kernel: 3` beside it, or leave `{key}` out")  # fmt: skip
        return None

    def infer(self, x: TensorType) -> TensorType:
        """An image of `out` channels. Raises Reject where the groups do not divide the channels, or the window does not fit."""
        require_image(self, x)
        for count, what in ((x.channels, "arriving"), (self.out, "output")):
            if count % self.groups:
                raise Reject(
                    "groups-mismatch",
                    f"{count} {what} channels do not divide into {self.groups} groups",
                    f"choose groups that divide both {x.channels} and {self.out}",
                    field="groups",
                )
        top, left, bottom, right = padding_sides(self, x, self.dilation)
        (kh, kw), (sh, sw), (dh, dw) = self.kernel, self.stride, self.dilation
        height = output_size(self, "height", x.height, top, bottom, kh, sh, dh)
        width = output_size(self, "width", x.width, left, right, kw, sw, dw)
        return x.with_sizes(self.out, height, width)

    def pad_fully(self, x: TensorType) -> Repadding | None:
        return repad(self, x, self.kernel, self.stride, self.dilation)

    def least_input(self, least: Lengths, x: TensorType) -> Lengths:
        (height, width), (kh, kw), (sh, sw), (dh, dw) = least, self.kernel, self.stride, self.dilation
        if self.padding == "same":
            return (height - 1) * sh + 1, (width - 1) * sw + 1
        top, left, bottom, right = padding_sides(self, x)
        return least_input_size(height, top, bottom, kh, sh, dh), least_input_size(width, left, right, kw, sw, dw)

    def shape_working(self, x: TensorType) -> tuple[Working, ...]:
        """One row a size: C as `out` says, H and W by the window with its padding."""
        y, (top, left, bottom, right) = self.infer(x), padding_sides(self, x, self.dilation)
        (kh, kw), (sh, sw), (dh, dw) = self.kernel, self.stride, self.dilation
        rows = window_terms(x.height, top, bottom, kh, sh, dh)
        columns = window_terms(x.width, left, right, kw, sw, dw)
        return (
            Working("C", f"{self.out}", y.channels, "`out`"),
            Working("H", rows, y.height, padding_note(self.padding, top, bottom)),
            Working("W", columns, y.width, padding_note(self.padding, left, right)),
        )

    def params(self, x: TensorType) -> dict[str, Param]:
        weight = Param((self.out, x.channels // self.groups, *self.kernel), self.init, dtype=x.dtype)
        return {"weight": weight, "bias": Param((self.out,), dtype=x.dtype)} if self.bias else {"weight": weight}

    def param_working(self, x: TensorType) -> tuple[Working, ...]:
        weight, *bias = super().param_working(x)
        return weight._replace(terms=f"{self.out} · {x.channels}/{self.groups} · {product(self.kernel)}"), *bias

    def macs(self, y: TensorType, x: TensorType) -> int:
        return y.elements * (x.channels // self.groups) * self.kernel[0] * self.kernel[1]

    def mac_working(self, y: TensorType, x: TensorType) -> tuple[Working, ...]:
        terms = f"{product(y.sizes)} · {x.channels}/{self.groups} · {product(self.kernel)}"
        return (Working("MACs", terms, self.macs(y, x)),)

    def windows(self, x: TensorType) -> Windows:
        return sliding_windows(self.kernel, self.stride, padding_sides(self, x, self.dilation), self.dilation)

    def saved_for_backward(self, y: TensorType, x: TensorType) -> Saved:
        """Its input, which the weight's gradient needs; where our own module pads, that is the padded one."""
        sides = padding_sides(self, x, self.dilation)
        return Saved(inputs=True) if sides[:2] == sides[2:] else Saved(bytes=padded_bytes(x, sides))

    def torch(self, nn: Any, x: TensorType) -> Any:
        top, left, bottom, right = padding_sides(self, x, self.dilation)
        even = (top, left) == (bottom, right)
        build = nn.Conv2d if even else nn.PaddedConv2d
        how = {"padding": (top, left)} if even else {"sides": (top, left, bottom, right)}
        return build(x.channels, self.out, kernel_size=self.kernel, stride=self.stride, **how,
                     dilation=self.dilation, groups=self.groups, bias=self.bias)  # fmt: skip

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        bias = [g.param("bias")] if self.bias else []
        return g.node("Conv", x.name, g.param("weight"), *bias, kernel_shape=self.kernel, strides=self.stride,
                      pads=padding_sides(self, x.type, self.dilation), dilations=self.dilation, group=self.groups)  # fmt: skip
