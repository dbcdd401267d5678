"""Tensor types: an element type and a shape whose batch axis is a name.

The letters of shapes, everywhere: N batch, C channels, H height, W width. An image is (N, C, H, W), a vector (N, C). A value
without any axis is a control value: one for the whole batch, such as the column that FractalNet's joins draw.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple, cast

from .dtypes import F32, DType

Dim = int | str
BATCH: Dim = "N"


class TensorType(NamedTuple):
    """The type of a value. `shape` includes the batch axis, which is the name `N` until a build fixes the batch."""

    shape: tuple[Dim, ...]
    dtype: DType = F32

    def __str__(self) -> str:
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]"

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 4

    @property
    def is_vector(self) -> bool:
        return len(self.shape) == 2

    @property
    def is_control(self) -> bool:
        return not self.shape

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape without the batch axis."""
        return cast("tuple[int, ...]", self.shape[1:])

    @property
    def lengths(self) -> tuple[int, ...]:
        """The height and width of an image, the length of a vector."""
        return self.sizes[1:] if self.is_image else self.sizes

    @property
    def channels(self) -> int:
        return int(self.shape[1])

    @property
    def height(self) -> int:
        return int(self.shape[2])

    @property
    def width(self) -> int:
        return int(self.shape[3])

    @property
    def elements(self) -> int:
        """How many elements there are per image."""
        return prod(self.sizes)

    def with_dtype(self, dtype: DType) -> TensorType:
        """The type with the same shape, and another element type where it is one of floats."""
        return self._replace(dtype=dtype) if self.dtype.kind == "float" else self

    def with_sizes(self, *sizes: int) -> TensorType:
        """The type with the same element type and batch axis, and other sizes."""
        return TensorType((self.shape[0], *sizes), self.dtype)


def image(channels: int, height: int, width: int) -> TensorType:
    """(N, C, H, W) of float32."""
    return TensorType((BATCH, channels, height, width))


def format_sizes(x: TensorType) -> str:
    """The sizes without the batch axis, for a message: `64×56×56`."""
    return "×".join(map(str, x.sizes))
