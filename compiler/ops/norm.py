"""Normalisations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ..diagnostics import Reject
from ..ir.dtypes import I64
from ..ir.graph import Value
from ..ir.operation import Param
from ..ir.types import TensorType
from .fields import Bool, Float, InitKind, Int
from .op import Doubt, OnnxBuilder, Op, Saved, field, op, require_image


@op("batch_norm")
class BatchNorm(Op):
    """Normalises each channel by statistics of the batch in training, by running ones in inference.

    Shapes   (N, C, H, W) or (N, C) -> the same
    Params   weight, bias (C) when `affine`; buffers running_mean, running_var (C), num_batches_tracked ()
    Source   Ioffe and Szegedy 2015
    """

    also_called = (
        "BatchNorm2d",
        "BatchNorm1d",
        "BatchNormalization",
        "BN",
        "SyncBatchNorm",
        "SpatialBatchNormalization",
        "LazyBatchNorm2d",
    )

    eps: float = field(Float(over=0), "added to the variance", 1e-5, also_called=("epsilon", "variance_epsilon"))
    momentum: float = field(Float(0, 1), "weight of the newest batch in the running statistics", 0.1)
    affine: bool = field(
        Bool(),
        "whether a scale and a bias are learned",
        True,
        also_called=("elementwise_affine", "learnable", "scale", "center"),
    )
    init: tuple[str, float] = field(
        InitKind(),
        "how the scale starts; the bias starts at zero",
        ("ones", 0.0),
        also_called=("gamma_initializer", "gamma_init", "scale_init", "weight_init"),
    )

    family = "norm"
    is_companion = True

    def caption(self, x: TensorType) -> str:
        return "BN"

    def doubt(self, stated: Collection[str]) -> Doubt | None:
        """A momentum as Keras and Caffe give it: the weight of the old statistics."""
        if "momentum" in stated and 0.9 <= self.momentum < 1:
            what = f"a `momentum` of {self.momentum:g} is the weight of the newest batch; Keras and Caffe give that of the old ones"
            return Doubt(
                "momentum", "momentum-of-old", what, f"write `momentum: {1 - self.momentum:.6g}` if that is meant"
            )
        return None

    def infer(self, x: TensorType) -> TensorType:
        return x

    def params(self, x: TensorType) -> dict[str, Param]:
        c = (x.channels,)
        learned = {"weight": Param(c, self.init, dtype=x.dtype), "bias": Param(c, dtype=x.dtype)} if self.affine else {}
        return learned | {
            "running_mean": Param(c, buffer=True, dtype=x.dtype),
            "running_var": Param(c, ("ones", 0.0), True, x.dtype),
            "num_batches_tracked": Param((), buffer=True, dtype=I64),
        }

    def saved_for_backward(self, y: TensorType, x: TensorType) -> Saved:
        """Its input, and the batch's mean and standard deviation of each channel."""
        return Saved(inputs=True, bytes_once=2 * x.channels * x.dtype.size_bytes)

    def torch(self, nn: Any, x: TensorType) -> Any:
        build = nn.BatchNorm2d if x.is_image else nn.BatchNorm1d
        return build(x.channels, eps=self.eps, momentum=self.momentum, affine=self.affine)

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        c = x.type.channels
        scale = g.param("weight") if self.affine else g.floats("scale", (1.0,) * c, (c,))
        bias = g.param("bias") if self.affine else g.floats("bias", (0.0,) * c, (c,))
        return g.node(
            "BatchNormalization", x.name, scale, bias, g.param("running_mean"), g.param("running_var"), epsilon=self.eps
        )


@op("group_norm")
class GroupNorm(Op):
    """Normalises groups of channels of one image.

    Shapes   (N, C, H, W) -> the same
    Params   weight, bias (C)
    Rejects  not-an-image, groups-mismatch
    Source   Wu and He 2018
    """

    also_called = ("GroupNormalization", "GN")
    example = "group_norm: {groups: 32}"

    groups: int = field(Int(1), "groups of channels", 32, also_called=("num_groups", "group"))
    eps: float = field(Float(over=0), "added to the variance", 1e-5, also_called=("epsilon",))

    family = "norm"
    channels_limit_sizes = True
    is_companion = True

    def caption(self, x: TensorType) -> str:
        return f"group norm, {self.groups}"

    def infer(self, x: TensorType) -> TensorType:
        """The same image. Raises Reject where the channels do not divide into the groups, or a group is one number."""
        require_image(self, x)
        if x.channels % self.groups:
            raise Reject(
                "groups-mismatch", f"{x.channels} channels do not divide into {self.groups} groups", field="groups"
            )
        if x.elements == self.groups:  # torch refuses it for one image
            what = f"{self.groups} groups of {x.channels} channels of 1×1 are one number each, and its norm is always 0"
            raise Reject("groups-mismatch", what, "take fewer groups, or normalise before the pool", "groups")
        return x

    def params(self, x: TensorType) -> dict[str, Param]:
        return {
            "weight": Param((x.channels,), ("ones", 0.0), dtype=x.dtype),
            "bias": Param((x.channels,), dtype=x.dtype),
        }

    def needs_float32(self, x: TensorType) -> bool:
        return True

    def saved_for_backward(self, y: TensorType, x: TensorType) -> Saved:
        """Its input, and the mean and standard deviation of each group."""
        return Saved(inputs=True, bytes=2 * self.groups * x.dtype.size_bytes, without_gaps=True)

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.GroupNorm(self.groups, x.channels, eps=self.eps)

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        grouped = g.node("Reshape", x.name, g.ints("grouped", (0, self.groups, -1)))
        one, zero = (g.floats(name, (v,) * self.groups, (self.groups,)) for name, v in (("one", 1.0), ("zero", 0.0)))
        even = g.node("InstanceNormalization", grouped, one, zero, epsilon=self.eps)
        shaped = g.node("Reshape", even, g.ints("shape", (0, *x.type.sizes)))
        c = x.type.channels
        weight, bias = (g.node("Reshape", g.param(p), g.ints(f"{p}_shape", (c, 1, 1))) for p in ("weight", "bias"))
        return g.node("Add", g.node("Mul", shaped, weight), bias)


@op("layer_norm")
class LayerNorm(Op):
    """Normalises the channels of each position.

    Shapes   (N, C, H, W) or (N, C) -> the same
    Params   weight, bias (C)
    Source   Ba et al. 2016; over channels: Liu et al. 2022 (ConvNeXt)
    """

    also_called = ("LayerNormalization", "LN", "LayerNorm2d", "ChannelNorm")

    eps: float = field(Float(over=0), "added to the variance", 1e-6, also_called=("epsilon", "layer_norm_eps"))

    since_opset = 17
    family = "norm"
    is_companion = True

    def infer(self, x: TensorType) -> TensorType:
        return x

    def params(self, x: TensorType) -> dict[str, Param]:
        return {
            "weight": Param((x.channels,), ("ones", 0.0), dtype=x.dtype),
            "bias": Param((x.channels,), dtype=x.dtype),
        }

    def needs_float32(self, x: TensorType) -> bool:
        return True

    def saved_for_backward(self, y: TensorType, x: TensorType) -> Saved:
        """Its input, and the mean and standard deviation of each position."""
        return Saved(inputs=True, bytes=2 * x.elements // x.channels * x.dtype.size_bytes)

    def gives_channels_last(self, given: Sequence[bool], x: TensorType) -> bool:
        return True

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.LayerNorm(x.channels, eps=self.eps) if x.is_vector else nn.ChannelNorm(x.channels, eps=self.eps)

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        last = x.name if x.type.is_vector else g.node("Transpose", x.name, perm=(0, 2, 3, 1))
        even = g.node("LayerNormalization", last, g.param("weight"), g.param("bias"), axis=-1, epsilon=self.eps)
        return even if x.type.is_vector else g.node("Transpose", even, perm=(0, 3, 1, 2))


@op("local_response_norm")
class LocalResponseNorm(Op):
    """Divides by (k + alpha / size · Σ x²)^beta over `size` neighbouring channels.

    Shapes   (N, C, H, W) -> the same
    Rejects  not-an-image, even-size
    Source   Krizhevsky et al. 2012, section 3.3; alpha is divided by size, as torch, Caffe and ONNX do
    """

    also_called = ("LRN", "LocalResponseNormalization", "CrossMapLRN2d", "SpatialCrossMapLRN")
    example = "local_response_norm: {size: 5, alpha: 5.0e-4, beta: 0.75, k: 2}"

    size: int = field(Int(1), "how many neighbouring channels; odd", also_called=("local_size", "nsize", "n"))
    alpha: float = field(Float(0), "factor of the sum of squares, divided by size", 1e-4)
    beta: float = field(Float(0), "exponent", 0.75)
    k: float = field(Float(over=0), "added to the sum", 1.0, also_called=("bias", "knorm"))

    family = "norm"
    is_companion = True

    def caption(self, x: TensorType) -> str:
        return "LRN"

    def infer(self, x: TensorType) -> TensorType:
        """The same image. Raises Reject for an even `size`."""
        require_image(self, x)
        if self.size % 2 == 0:
            raise Reject(
                "even-size",
                f"a size of {self.size} is even: torch and ONNX disagree on its middle",
                "choose an odd size",
                "size",
            )
        return x

    def needs_float32(self, x: TensorType) -> bool:
        return True

    def saved_for_backward(self, y: TensorType, x: TensorType) -> Saved:
        """Its input; the squares with a border of channels; the sums, and what the input is divided by."""
        border = (self.size - 1) * x.height * x.width
        return Saved(inputs=True, bytes=(3 * x.elements + border) * x.dtype.size_bytes)

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.LocalResponseNorm(self.size, alpha=self.alpha, beta=self.beta, k=self.k)

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        if self.alpha == 0 or self.beta == 0:  # a constant divisor then, and onnxruntime refuses such an LRN
            return g.node("Div", x.name, g.node("Pow", g.floats("k", (self.k,)), g.floats("beta", (self.beta,))))
        return g.node("LRN", x.name, size=self.size, alpha=self.alpha, beta=self.beta, bias=self.k)
