"""Merges: several tensors become one. Shapes never stretch silently; only `multiply` lets C×1×1 meet C×H×W."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..diagnostics import Reject
from ..ir.dtypes import I64
from ..ir.graph import Value
from ..ir.types import TensorType, format_sizes
from .fields import Float, Int
from .op import Lengths, OnnxBuilder, Op, Saved, Strides, field, op
from .working import AXES, Working, total


def shape_mismatch(op: Op, a: TensorType, b: TensorType, help: str = "") -> Reject:
    """The Reject of two branches that differ. It names their sizes, and `help`; their whole types where the dtypes differ."""
    same = a.dtype is b.dtype
    first, second = (format_sizes(x) if same else str(x) for x in (a, b))
    return Reject(
        "shape-mismatch", f"the branches of `{op.name}` differ: {first} against {second}", help if same else ""
    )


ONE_SIZE = "height and width must be equal: look at the paddings and strides of the branches"
ONE_KIND = "both must be images or both vectors: `global_avg_pool`, then `flatten`, makes a vector of an image"


class Merge(Op):
    """The root of merges: branches of one type become one value of that type, unless the op says otherwise."""

    arity = None
    is_merge = True
    family = "merge"

    def infer(self, *x: TensorType) -> TensorType:
        for other in x[1:]:
            if other != x[0]:
                raise shape_mismatch(self, x[0], other, self.advice(x[0], other))
        return x[0]

    def advice(self, a: TensorType, b: TensorType) -> str:
        """What to change so that the two types agree; for the help of a message."""
        if not (a.is_image and b.is_image):
            return ONE_KIND
        small, large = (a, b) if a.height <= b.height else (b, a)
        stride = round(large.height / small.height)
        if small.sizes[1:] != tuple(-(-size // stride) for size in large.sizes[1:]):  # what a kernel of 1 gives
            return ONE_SIZE
        if stride == 1:
            project = f"{{conv: {{out: {a.channels}, kernel: 1, bias: false}}}}"
            return f"let all branches end with equally many channels, or give one a projection: {project}"
        project = f"{{conv: {{out: {small.channels}, kernel: 1, stride: {stride}, bias: false}}}}"
        return f"give one branch a projection: {project}"


@op("add")
class Add(Merge):
    """The sum of its branches.

    Shapes   equal -> the same
    Rejects  shape-mismatch
    Source   He et al. 2015
    """

    also_called = ("Sum", "Plus", "ElemwiseAdd", "AddV2")
    example = "add: [[], {conv: {out: 64, kernel: 3, padding: 1}}]"

    def caption(self, *x: TensorType) -> str:
        return "+"

    def view_strides(self, strides: Strides, *x: TensorType) -> Strides | None:
        return strides if len(x) == 1 else None

    def torch(self, nn: Any, *x: TensorType) -> Any:
        return nn.Add()

    def onnx(self, g: OnnxBuilder, *x: Value) -> str:
        if len(x) == 2:
            return g.node("Add", x[0].name, x[1].name)
        return g.node("Sum", *(v.name for v in x))


@op("mean")
class Mean(Merge):
    """The mean of its branches.

    Shapes   equal -> the same
    Rejects  shape-mismatch
    Source   Larsson et al. 2016
    """

    also_called = ("Average",)
    example = "mean: [{conv: {out: 64, kernel: 3, padding: 1}}, {conv: {out: 64, kernel: 5, padding: 2}}]"

    def gives_distribution(self, given: Sequence[bool], *x: TensorType) -> bool:
        return all(given)

    def gives_channels_last(self, given: Sequence[bool], *x: TensorType) -> bool:
        return False

    def torch(self, nn: Any, *x: TensorType) -> Any:
        return nn.Mean()

    def onnx(self, g: OnnxBuilder, *x: Value) -> str:
        total = g.node("Sum", *(v.name for v in x))  # not `Mean`: onnxruntime has no CUDA kernel for that
        return g.node("Mul", total, g.floats("share", (1 / len(x),)))


@op("concat")
class Concat(Merge):
    """Its branches' channels, one after the other.

    Shapes   (N, C1, H, W), (N, C2, H, W), … -> (N, C1 + C2 + …, H, W); vectors likewise
    Rejects  shape-mismatch
    Source   Szegedy et al. 2014
    """

    also_called = ("Concatenate", "Cat", "DepthConcat", "Route")
    example = "concat: [[], {conv: {out: 32, kernel: 3, padding: 1}}]"

    def infer(self, *x: TensorType) -> TensorType:
        """The sum of the channels over one height and width. Raises Reject where heights, widths or dtypes differ."""
        for other in x[1:]:
            if (other.rank, other.dtype, other.sizes[1:]) != (x[0].rank, x[0].dtype, x[0].sizes[1:]):
                raise shape_mismatch(self, x[0], other, ONE_SIZE if other.is_image and x[0].is_image else ONE_KIND)
        return x[0].with_sizes(sum(t.channels for t in x), *x[0].sizes[1:])

    def least_input(self, least: Lengths, x: TensorType) -> Lengths:
        return least if x.is_image else (1,)

    def shape_working(self, *x: TensorType) -> tuple[Working, ...]:
        channels = [t.channels for t in x]
        return (Working("C", total(channels), sum(channels), "the branches one after the other"),)

    def gives_channels_last(self, given: Sequence[bool], *x: TensorType) -> bool:
        return all(given)

    def torch(self, nn: Any, *x: TensorType) -> Any:
        return nn.Concat()

    def onnx(self, g: OnnxBuilder, *x: Value) -> str:
        return g.node("Concat", *(v.name for v in x), axis=1)


@op("multiply")
class Multiply(Merge):
    """The product of its branches; a gate C×1×1 spreads over C×H×W.

    Shapes   equal, or C×1×1 with C×H×W -> the larger
    Rejects  shape-mismatch
    Source   Hu et al. 2017 (squeeze and excitation)
    """

    also_called = ("Mul", "Product", "ElemwiseMul")
    example = "multiply: [[], [global_avg_pool, {conv: 64}, sigmoid]]"

    def caption(self, *x: TensorType) -> str:
        return "×"

    def infer(self, *x: TensorType) -> TensorType:
        """The largest type; every other one is equal to it, or a gate. Raises Reject where one is neither."""
        largest = max(x, key=lambda t: t.elements)
        for other in x:
            gate = largest.is_image and other == largest.with_sizes(largest.channels, 1, 1)
            if other != largest and not gate:
                raise shape_mismatch(
                    self,
                    x[0],
                    other if other != x[0] else largest,
                    "a gate has as many channels, and 1×1 or the same size",
                )
        return largest

    def least_input(self, least: Lengths, x: TensorType) -> Lengths:
        """A gate of one position is one for smaller images, too."""
        return (1, 1) if x.lengths == (1, 1) else least

    def shape_working(self, *x: TensorType) -> tuple[Working, ...]:
        axes = zip(AXES, zip(*(t.sizes for t in x), strict=True), strict=False)
        spread = [(axis, sizes) for axis, sizes in axes if len({*sizes}) > 1]
        note = "a gate of one position spreads"
        return tuple(Working(axis, f"max({', '.join(map(str, sizes))})", max(sizes), note) for axis, sizes in spread)

    def saved_for_backward(self, y: TensorType, *x: TensorType) -> Saved:
        """Its factors, and the products of the first two, three, … of them but for the last."""
        sizes = (max(a.elements for a in x[:count]) for count in range(2, len(x)))
        return Saved(inputs=len(x) > 1, products=tuple(size * y.dtype.size_bytes for size in sizes))

    def gives_channels_last(self, given: Sequence[bool], *x: TensorType) -> bool:
        """As its first factor that is no gate."""
        return max(zip(x, given, strict=True), key=lambda factor: factor[0].elements)[1]

    def view_strides(self, strides: Strides, *x: TensorType) -> Strides | None:
        return strides if len(x) == 1 else None

    def torch(self, nn: Any, *x: TensorType) -> Any:
        return nn.Multiply()

    def onnx(self, g: OnnxBuilder, *x: Value) -> str:
        result = x[0].name
        for other in x[1:]:
            result = g.node("Mul", result, other.name)
        return result


@op("join")
class Join(Merge):
    """FractalNet's join: a mean whose inputs are dropped in training.

    With probability `local` an input is dropped, never all; where the net has drawn one column for this pass (the last
    input, from path_draw; -1: none), the input of that column alone is taken.

    Shapes   equal (and the draw) -> the same
    Rejects  shape-mismatch
    Source   Larsson et al. 2016, section 2.1
    """

    example = "join: {branches: [{conv: {out: 64, kernel: 3, padding: 1}}, {conv: {out: 64, kernel: 5, padding: 2}}], local: 0.15}"

    local: float = field(Float(0, 1), "probability to drop an input", 0.0, also_called=("local_drop", "drop_prob"))
    global_: float = field(
        Float(0, 1),
        "probability that the net draws one column for a pass",
        0.0,
        also_called=("global_drop", "global_drop_ratio"),
    )

    training_only = True
    absorbs_own_kind = True

    @property
    def draw_probability(self) -> float:
        return self.global_

    def infer(self, *x: TensorType) -> TensorType:
        return super().infer(*(t for t in x if not t.is_control))

    def gives_distribution(self, given: Sequence[bool], *x: TensorType) -> bool:
        return all(known for known, branch in zip(given, x, strict=True) if not branch.is_control)

    def saved_for_backward(self, y: TensorType, *x: TensorType) -> Saved:
        """The share of each branch."""
        return Saved(bytes_once=sum(not t.is_control for t in x) * y.dtype.size_bytes)

    def gives_channels_last(self, given: Sequence[bool], *x: TensorType) -> bool:
        return False

    def torch(self, nn: Any, *x: TensorType) -> Any:
        return nn.Join(local=self.local, drawn=x[-1].is_control)

    def inference(self) -> Op | None:
        return Mean()


@op("path_draw")
class PathDraw(Op):
    """The column that FractalNet's global drop path takes in this pass: -1 for none, else 0 … columns - 1.

    Shapes   () -> i64[]
    Source   Larsson et al. 2016, section 2.1
    """

    columns: int = field(Int(1), "how many columns the widest join has")
    probability: float = field(Float(0, 1), "how often one column is taken")

    arity = 0
    training_only = True
    is_internal = True

    def infer(self) -> TensorType:
        return TensorType((), I64)

    def torch(self, nn: Any) -> Any:
        return nn.PathDraw(self.columns, self.probability)
