"""What passes insert for the element types of a built file: conversions, and the normalisation of pixels. Specs cannot name them, and
torch never sees them."""

from __future__ import annotations

from collections.abc import Sequence

from ..diagnostics import Reject
from ..ir.dtypes import DTYPES
from ..ir.graph import Value
from ..ir.types import TensorType
from .fields import Choice, FloatList
from .op import OnnxBuilder, Op, field, op, require_image


class TypeChange(Op):
    """The root of what stands where element types change; each number keeps its place, and its own rule says in which type it is."""

    is_internal = True

    def gives_distribution(self, given: Sequence[bool], x: TensorType) -> bool:
        return given[0]

    def gives_scores(self, given: Sequence[bool], x: TensorType) -> bool:
        return given[0]

    def needs_float32(self, x: TensorType) -> bool:
        return True


@op("cast")
class Cast(TypeChange):
    """The same numbers in another element type, rounded to its nearest.

    Shapes   any -> the same, of the type `to`
    Source   torch.Tensor.to
    """

    to: str = field(Choice("f32", "f16"), "the element type")

    def infer(self, x: TensorType) -> TensorType:
        return x._replace(dtype=DTYPES[self.to])

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        return g.node("Cast", x.name, to=DTYPES[self.to].onnx)


@op("normalize")
class Normalize(TypeChange):
    """Pixels as a net takes them: pixel · factor + offset, a factor and an offset for each channel.

    Shapes   (N, C, H, W) -> the same
    Rejects  not-an-image, preprocess-channels
    Source   torchvision.transforms.Normalize
    """

    factor: tuple[float, ...] = field(FloatList(), "a factor for each channel")
    offset: tuple[float, ...] = field(FloatList(), "what is added to each channel")

    def infer(self, x: TensorType) -> TensorType:
        require_image(self, x)
        for numbers in (self.factor, self.offset):
            if len(numbers) != x.channels:
                raise Reject("preprocess-channels", f"{len(numbers)} numbers for {x.channels} channels")
        return x

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        shape = (x.type.channels, 1, 1)
        scaled = g.node("Mul", x.name, g.floats("factor", self.factor, shape))
        return g.node("Add", scaled, g.floats("offset", self.offset, shape))
