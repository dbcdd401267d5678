"""Linear layers over a vector, and the distances of LeNet-5's output layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..diagnostics import Reject
from ..ir.graph import Value
from ..ir.operation import Param
from ..ir.types import TensorType
from .fields import Bool, InitKind, Int, Matrix
from .op import Lengths, OnnxBuilder, Op, Saved, field, op
from .working import Working


def vector_length(op: Op, x: TensorType) -> int:
    """The length of a vector, or of an image of 1×1, which counts as one. Raises Reject for any other shape."""
    if x.is_vector or (x.is_image and (x.height, x.width) == (1, 1)):
        return x.channels
    raise Reject(
        "not-a-vector",
        f"{op.name} takes a vector or C×1×1, but {x} arrives",
        "put `flatten` or `global_avg_pool` before it",
        about_rank=True,
    )


@op("linear", bare="out")
class Linear(Op):
    """A fully connected layer.

    Shapes   (N, C) or (N, C, 1, 1) -> (N, out)
    Params   weight (out, C), bias (out) when `bias`
    Cost     out · C   multiply-accumulates
    Rejects  not-a-vector
    Source   Rosenblatt 1958
    """

    also_called = ("Dense", "InnerProduct", "fc", "FullyConnected", "Gemm", "LazyLinear", "Connected")
    example = "linear: 10"

    out: int = field(
        Int(1),
        "output features",
        also_called=(
            "units",
            "num_output",
            "out_features",
            "num_hidden",
            "num_units",
            "features",
            "output_dim",
            "num_classes",
            "classes",
            "output",
            "output_size",
        ),
    )
    bias: bool = field(Bool(), "whether a bias is learned", True, also_called=("use_bias", "bias_term", "with_bias"))
    init: tuple[str, float] = field(
        InitKind(),
        "how the weight starts; the bias starts at zero",
        ("kaiming_uniform", 0.0),
        also_called=("kernel_initializer", "kernel_init", "weight_init", "weight_filler", "initializer"),
    )

    counts = "weight"
    takes_vector = True
    family = "linear"

    def caption(self, x: TensorType) -> str:
        return f"linear, {self.out}"

    def infer(self, x: TensorType) -> TensorType:
        vector_length(self, x)
        return x.with_sizes(self.out)

    def least_input(self, least: Lengths, x: TensorType) -> Lengths:
        return x.lengths

    def shape_working(self, x: TensorType) -> tuple[Working, ...]:
        return (Working("C", f"{self.out}", self.out, "`out`"),)

    def params(self, x: TensorType) -> dict[str, Param]:
        weight = Param((self.out, x.channels), self.init, dtype=x.dtype)
        return {"weight": weight, "bias": Param((self.out,), dtype=x.dtype)} if self.bias else {"weight": weight}

    def macs(self, y: TensorType, x: TensorType) -> int:
        return self.out * x.channels

    def mac_working(self, y: TensorType, x: TensorType) -> tuple[Working, ...]:
        return (Working("MACs", f"{self.out} · {x.channels}", self.macs(y, x)),)

    def saved_for_backward(self, y: TensorType, x: TensorType) -> Saved:
        return Saved(inputs=True)

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.Linear(x.channels, self.out, bias=self.bias)

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        flat = x.name if x.type.is_vector else g.node("Flatten", x.name, axis=1)
        bias = [g.param("bias")] if self.bias else []
        return g.node("Gemm", flat, g.param("weight"), *bias, transB=1)


@op("rbf")
class Rbf(Op):
    """Squared Euclidean distances to fixed centers: y_i = Σ_j (x_j - c_ij)².

    Shapes   (N, C) or (N, C, 1, 1) -> (N, out)
    Params   centers (out, C), a buffer; random ±1 unless given
    Rejects  not-a-vector, centers-mismatch
    Source   LeCun et al. 1998, section II-B (840 fixed ±1)
    """

    also_called = ("RadialBasis", "EuclideanRBF")
    example = "rbf: {out: 10}"

    out: int = field(Int(1), "number of centers", also_called=("units", "out_features", "num_centers"))
    centers: tuple[tuple[float, ...], ...] | None = field(
        Matrix(), "the centers, a row each; random ±1 unless given", None, also_called=("codes", "prototypes")
    )

    takes_vector = True
    family = "linear"

    def caption(self, x: TensorType) -> str:
        return f"RBF, {self.out}"

    def infer(self, x: TensorType) -> TensorType:
        """A vector of `out` distances. Raises Reject where the given centers do not fit `out` and the input's length."""
        count = vector_length(self, x)
        if self.centers is not None and (len(self.centers), len(self.centers[0])) != (self.out, count):
            raise Reject(
                "centers-mismatch",
                f"{len(self.centers)} centers of {len(self.centers[0])} numbers do not fit {self.out} outputs over {count} features",
                field="centers",
            )
        return x.with_sizes(self.out)

    def least_input(self, least: Lengths, x: TensorType) -> Lengths:
        return x.lengths

    def shape_working(self, x: TensorType) -> tuple[Working, ...]:
        return (Working("C", f"{self.out}", self.out, "`out`"),)

    def params(self, x: TensorType) -> dict[str, Param]:
        if self.centers is None:
            return {"centers": Param((self.out, x.channels), ("signs", 0.0), True, x.dtype)}
        values = tuple(v for row in self.centers for v in row)
        return {"centers": Param((self.out, x.channels), ("values", 0.0), True, x.dtype, values)}

    def gives_scores(self, given: Sequence[bool], x: TensorType) -> bool:
        return True

    def needs_float32(self, x: TensorType) -> bool:
        return True

    def saved_for_backward(self, y: TensorType, x: TensorType) -> Saved:
        """The differences, which are squared."""
        return Saved(bytes=self.out * x.channels * x.dtype.size_bytes)

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.Rbf(x.channels, self.out)

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        flat = x.name if x.type.is_vector else g.node("Flatten", x.name, axis=1)
        difference = g.node("Sub", g.node("Unsqueeze", flat, g.ints("axis", (1,))), g.param("centers"))
        return g.node("ReduceSum", g.node("Mul", difference, difference), g.ints("features", (2,)), keepdims=0)
