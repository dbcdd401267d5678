"""Activations: element by element, or over the channels."""

from __future__ import annotations

from typing import Any

from ..ir.graph import Value
from ..ir.types import TensorType
from .op import Op, OnnxBuilder, op


class Activation(Op):
    """An element-wise function: (N, …) -> the same type, without parameters."""

    def infer(self, x: TensorType) -> TensorType:
        return x


@op("relu")
class Relu(Activation):
    """max(x, 0).

    Shapes   any -> the same
    Source   Nair and Hinton 2010
    """

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.ReLU()

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        return g.node("Relu", x.name)
