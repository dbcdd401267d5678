"""The steps that say which part of a picture is taken, and which way it faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ....compiler.ops.fields import Schema
from ....runtime.preprocess import Preprocess
from ...recipe.choice import field
from ...recipe.field_rules import count_rule
from .sizes import both_sides, check_size, size_field
from .step import AugmentStep, PictureStep, probability_field

if TYPE_CHECKING:
    import numpy as np

FILL: Schema = {
    "type": ["integer", "string"], "description": "what these pixels are: a shade, 0 is black, or the picture mirrored at its edge",
    "minimum": 0, "maximum": 255, "pattern": "^reflect$", "x-words": ["reflect"], "default": 0,
    "x-wants": "a shade from 0 to 255, or `reflect`",
}  # fmt: skip


@dataclass(frozen=True)
class RandomCrop(PictureStep):
    """A part of a fixed size, at a random place."""

    name = "random_crop"
    bare = "size"
    also_called = ("RandomCrop", "crop")
    only_once = True
    sets_size = True

    size: int | tuple[int, int] | None = size_field()
    padding: int = field(count_rule("pixels that are added on each side first", 0, 1024, default=0))
    fill: int | Literal["reflect"] = field(FILL, "padding_mode", "fill_value", "mode")

    def check_input(self, how: Preprocess, steps: Sequence[AugmentStep]) -> None:
        check_size(self.name, self.size, how, steps)

    def change(self, pixels: Any, draws: np.random.Generator, how: Preprocess) -> Any:
        """What is too small gets borders, which are of `fill`."""
        height, width = both_sides(self.size, how)
        pixels = add_borders(pixels, (height, width), self.padding, self.fill)
        top, left = (
            int(draws.integers(there - wanted + 1))
            for wanted, there in zip((height, width), pixels.shape, strict=False)
        )
        return pixels[top : top + height, left : left + width]


@dataclass(frozen=True)
class CenterCrop(PictureStep):
    """The middle of the picture, of a fixed size."""

    name = "center_crop"
    bare = "size"
    also_called = ("CenterCrop", "centre_crop")
    only_once = True
    sets_size = True

    size: int | tuple[int, int] | None = size_field()

    @classmethod
    def misplaced(cls, before: Sequence[type[AugmentStep]]) -> str:
        late = f"`{RandomCrop.name}` stands before `{cls.name}`, which would take the middle of what it drew"
        return super().misplaced(before) or (late if RandomCrop in before else "")

    def check_input(self, how: Preprocess, steps: Sequence[AugmentStep]) -> None:
        check_size(self.name, self.size, how, steps)

    def change(self, pixels: Any, draws: np.random.Generator, how: Preprocess) -> Any:
        """What is too small gets black borders."""
        size = both_sides(self.size, how)
        return take_middle(add_borders(pixels, size), size)


@dataclass(frozen=True)
class Flip(PictureStep):
    """Left and right change places."""

    name = "flip"
    bare = "p"
    also_called = ("RandomHorizontalFlip", "HorizontalFlip", "hflip", "fliplr", "horizontal_flip", "random_flip")

    p: float = probability_field(0.5)

    def change(self, pixels: Any, draws: np.random.Generator, how: Preprocess) -> Any:
        return pixels[:, ::-1] if draws.random() < self.p else pixels


def take_middle(pixels: Any, size: tuple[int, int]) -> Any:
    """The middle of pixels (H, W, channels), of `size`, (height, width)."""
    top, left = (round((there - wanted) / 2) for wanted, there in zip(size, pixels.shape, strict=False))
    return pixels[top : top + size[0], left : left + size[1]]


def add_borders(pixels: Any, size: tuple[int, int], around: int = 0, fill: int | Literal["reflect"] = 0) -> Any:
    """Pixels with `around` more on each side, and with as many as they lack to `size`, (height, width).

    `fill` is their shade, or "reflect": the picture mirrored at its edge, whose own line is not repeated.
    """
    import numpy as np

    down, across = (max(0, wanted - there - 2 * around) for wanted, there in zip(size, pixels.shape, strict=False))
    if not (around or down or across):
        return pixels
    sides = ((around + down // 2, around + down - down // 2), (around + across // 2, around + across - across // 2), (0, 0))  # fmt: skip
    return np.pad(pixels, sides, "reflect") if fill == "reflect" else np.pad(pixels, sides, constant_values=fill)
