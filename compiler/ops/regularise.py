"""What only training has: dropout and drop path. `inference()` gives the op that replaces them in an inference graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.types import TensorType
from .fields import Choice, Float
from .op import Op, Saved, Strides, field, op
from .scale import Scale


@op("dropout", bare="p")
class Dropout(Op):
    """Sets elements to zero with probability p, and scales the others by 1 / (1 - p).

    Shapes   any -> the same
    Source   Srivastava et al. 2014
    """

    also_called = ("DropoutLayer",)
    example = "dropout: 0.5"

    p: float = field(
        Float(0, 1),
        "probability to drop an element",
        0.5,
        also_called=("rate", "prob", "probability", "drop_prob", "drop_rate", "dropout_rate", "dropout_ratio", "ratio"),
    )
    training_only = True
    is_companion = True

    def caption(self, x: TensorType) -> str:
        return f"dropout {self.p:g}"

    def infer(self, x: TensorType) -> TensorType:
        return x

    def gives_distribution(self, given: Sequence[bool], x: TensorType) -> bool:
        return given[0]

    def saved_for_backward(self, y: TensorType, x: TensorType) -> Saved:
        """Its mask, in the type of its input, as on a CPU; a GPU's takes a byte an element."""
        return Saved(bytes=0 if self.p == 0 else y.elements * y.dtype.size_bytes)

    def view_strides(self, strides: Strides, x: TensorType) -> Strides | None:
        return strides if self.p == 0 else None

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.Dropout(self.p)

    def inference(self) -> Op | None:
        return None


@op("drop_path", bare="p")
class DropPath(Op):
    """Drops the whole tensor with probability p, per sample or per batch.

    `rescale: training` divides by 1 - p what is kept; `inference` (the stochastic depth paper) multiplies by it afterwards.

    Shapes   any -> the same
    Source   Huang et al. 2016
    """

    also_called = ("StochasticDepth",)
    example = "residual: {body: [{conv: {out: 64, kernel: 3, padding: 1}}, {drop_path: 0.2}]}"

    p: float = field(
        Float(0, 1),
        "probability to drop",
        also_called=("rate", "prob", "probability", "drop_prob", "drop_rate", "drop_path_rate"),
    )
    per: str = field(Choice("sample", "batch"), "what is dropped together", "sample", also_called=("mode",))
    rescale: str = field(Choice("training", "inference"), "when the expectation is restored", "training")
    training_only = True
    is_companion = True

    def caption(self, x: TensorType) -> str:
        return f"drop path {self.p:.3g}"

    def infer(self, x: TensorType) -> TensorType:
        return x

    def gives_distribution(self, given: Sequence[bool], x: TensorType) -> bool:
        return given[0] and self.rescale == "training"  # the other multiplies by 1 - p

    def saved_for_backward(self, y: TensorType, x: TensorType) -> Saved:
        """What says which of its images are kept."""
        size = y.dtype.size_bytes
        return Saved(bytes=size) if self.per == "sample" else Saved(bytes_once=size)

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.DropPath(self.p, per=self.per, rescale=self.rescale, rank=x.rank)

    def inference(self) -> Op | None:
        return Scale(value=1.0 - self.p) if self.rescale == "inference" else None
