"""Tensor types: an element type and a shape whose batch axis is a name.

Shape letters, everywhere: N batch, C channels, H height, W width. An image is (N, C, H, W), a vector (N, C).
"""

from __future__ import annotations

from typing import NamedTuple

Dim = int | str
BATCH: Dim = "N"


class TensorType(NamedTuple):
    """The type of a value. `shape` includes the batch axis, which is symbolic (`N`) until a build fixes it."""

    shape: tuple[Dim, ...]
    dtype: str = "f32"

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"

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
    def sizes(self) -> tuple[int, ...]:
        """The shape of one image's share: without the batch axis."""
        return tuple(int(d) for d in self.shape[1:])

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
        """Elements per image."""
        n = 1
        for d in self.sizes:
            n *= d
        return n


def image(channels: int, height: int, width: int) -> TensorType:
    return TensorType((BATCH, channels, height, width))


def vector(channels: int) -> TensorType:
    return TensorType((BATCH, channels))
