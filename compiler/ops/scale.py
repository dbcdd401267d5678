"""Multiplication by a constant, and by what is learned a channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.dtypes import LARGEST_HALF
from ..ir.graph import Value
from ..ir.operation import Param
from ..ir.types import TensorType
from .fields import Bool, Float
from .op import OnnxBuilder, Op, Saved, field, op


@op("scale", bare="value")
class Scale(Op):
    """Multiplies by a constant.

    Shapes   any -> the same
    Source   Szegedy et al. 2016 (residual scaling)
    """

    also_called = ("MulConstant", "Rescaling")
    example = "scale: 0.17"

    value: float = field(Float(), "the factor", also_called=("factor", "scale", "multiplier"))

    is_companion = True

    def caption(self, x: TensorType) -> str:
        return f"× {self.value:.4g}"

    def infer(self, x: TensorType) -> TensorType:
        return x

    def gives_scores(self, given: Sequence[bool], x: TensorType) -> bool:
        return given[0]

    def needs_float32(self, x: TensorType) -> bool:
        return abs(self.value) > LARGEST_HALF

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.Scale(self.value)

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        return g.node("Mul", x.name, g.floats("value", (self.value,)))


@op("affine")
class Affine(Op):
    """A learned weight, and bias, a channel.

    Shapes   (N, C, …) -> the same
    Params   weight (C), bias (C) when `bias`
    Source   LeCun et al. 1998 (sub-sampling layers)
    """

    also_called = ("ElementwiseAffine", "ChannelAffine")

    bias: bool = field(Bool(), "whether a bias is learned", True, also_called=("use_bias", "bias_term"))

    family = "norm"
    is_companion = True

    def infer(self, x: TensorType) -> TensorType:
        return x

    def params(self, x: TensorType) -> dict[str, Param]:
        weight = {"weight": Param((x.channels,), ("ones", 0.0), dtype=x.dtype)}
        return weight | ({"bias": Param((x.channels,), dtype=x.dtype)} if self.bias else {})

    def gives_scores(self, given: Sequence[bool], x: TensorType) -> bool:
        return given[0]

    def saved_for_backward(self, y: TensorType, x: TensorType) -> Saved:
        return Saved(inputs=True)

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.Affine(x.channels, bias=self.bias, rank=x.rank)

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        shape = (x.type.channels, *(1,) * (x.type.rank - 2))
        spread = [
            g.node("Reshape", g.param(p), g.ints(f"{p}_shape", shape)) for p in ("weight", "bias")[: 1 + self.bias]
        ]
        scaled = g.node("Mul", x.name, spread[0])
        return g.node("Add", scaled, spread[1]) if self.bias else scaled
