"""What enlarges a map: each element several times, or values between its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.dtypes import F32
from ..ir.graph import Value
from ..ir.types import TensorType
from .fields import Choice, Int
from .op import Lengths, OnnxBuilder, Op, field, op, require_image
from .windows import Window, Windows, whole_window
from .working import Working


@op("upsample", bare="scale")
class Upsample(Op):
    """Enlarges the map by a whole factor.

    Shapes   (N, C, H, W) -> (N, C, scale·H, scale·W)
    Rejects  not-an-image
    Source   torch.nn.Upsample (bilinear: corners not aligned)
    """

    also_called = ("UpSampling2D", "UpsamplingNearest2d", "Resize", "Interpolate", "Interp")
    example = "upsample: {scale: 2, mode: bilinear}"

    scale: int = field(Int(1), "the factor", also_called=("scale_factor", "factor", "scales", "stride"))
    mode: str = field(
        Choice("nearest", "bilinear"),
        "how values between are found",
        "nearest",
        also_called=("interpolation", "method"),
    )

    family = "shape"

    def caption(self, x: TensorType) -> str:
        return f"{self.mode} upsample ×{self.scale}"

    def infer(self, x: TensorType) -> TensorType:
        require_image(self, x)
        return x.with_sizes(x.channels, x.height * self.scale, x.width * self.scale)

    def least_input(self, least: Lengths, x: TensorType) -> Lengths:
        return tuple(-(-n // self.scale) for n in least)

    def shape_working(self, x: TensorType) -> tuple[Working, ...]:
        sizes = zip(("H", "W"), (x.height, x.width), strict=True)
        return tuple(Working(axis, f"{size}·{self.scale}", size * self.scale) for axis, size in sizes)

    def windows(self, x: TensorType) -> Windows:
        return self.axis_window(x.height), self.axis_window(x.width)

    def axis_window(self, size: int) -> Window:
        """A nearest position, or the two around (p + 1/2) / scale - 1/2: one where that is a whole number."""
        if size == 1:
            return whole_window(1)
        if self.mode == "nearest":
            return Window(1, 1 - self.scale, 0, self.scale)
        halves, reach = 2 * self.scale, 2 * self.scale - (1 if self.scale % 2 == 0 else 2)
        return Window(2, 1 - self.scale - reach, 1 - self.scale + reach, halves)

    def gives_distribution(self, given: Sequence[bool], x: TensorType) -> bool:
        return given[0]

    def torch(self, nn: Any, x: TensorType) -> Any:
        return nn.Upsample(scale_factor=self.scale, mode=self.mode)

    def onnx(self, g: OnnxBuilder, x: Value) -> str:
        scales = g.floats("scales", (1.0, 1.0, float(self.scale), float(self.scale)), (4,), F32)  # whatever is enlarged
        if self.mode == "nearest":
            how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        else:
            how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        return g.node("Resize", x.name, "", scales, **how)
