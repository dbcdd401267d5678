"""The steps that start from the whole picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....compiler.diagnostics import Failure
from ....runtime.faults import PictureFault
from ....runtime.images import MAX_PIXELS, shorter_side
from ....runtime.preprocess import INTERPOLATIONS, Preprocess
from ...recipe.choice import field
from ...recipe.field_rules import MOST_PIXELS, count_rule, range_rule, word_rule
from .sizes import both_sides, check_size, size_field
from .step import AugmentStep, CropWindow, OpeningStep

if TYPE_CHECKING:
    import numpy as np

INTERPOLATION = word_rule("how pixels are resized", INTERPOLATIONS, "bilinear")
# torchvision's number of tries for a part of the wanted shape
TRIES = 10


@dataclass(frozen=True)
class RandomResizedCrop(OpeningStep):
    """A part of the picture of random area and shape, resized (GoogLeNet's; Szegedy et al. 2014, section 6)."""

    name = "random_resized_crop"
    bare = "size"
    also_called = ("RandomResizedCrop", "RandomSizedCrop")
    ranges = (("scale",), ("ratio",))

    size: int | tuple[int, int] | None = size_field()
    scale: tuple[float, float] = field(
        range_rule("the part's area as a share of the picture's", [0.08, 1.0], 0.0001, 1)
    )
    ratio: tuple[float, float] = field(range_rule("the part's width to its height", [0.75, 1.3333], 0.001, 1000))
    interpolation: str = field(INTERPOLATION)

    def check_input(self, how: Preprocess, steps: Sequence[AugmentStep]) -> None:
        check_size(self.name, self.size, how, steps)

    def find_window(self, size: tuple[int, int], draws: np.random.Generator, how: Preprocess) -> CropWindow:
        height, width = both_sides(self.size, how)
        return CropWindow(*random_part(size, self.scale, self.ratio, draws), (width, height))


@dataclass(frozen=True)
class ScaleJitter(OpeningStep):
    """The shorter side gets a length drawn between two (VGG's; Simonyan and Zisserman 2014, section 3.1)."""

    name = "scale_jitter"
    also_called = ("ScaleJitter", "RandomShortestSize", "RandomScale", "SmallestMaxSize")
    ranges = (("min", "max"),)
    needs = ((("min",), 256), (("max",), 480))

    min: int = field(count_rule("the shortest, pixels", most=MOST_PIXELS))
    max: int = field(count_rule("the longest, pixels", most=MOST_PIXELS))
    interpolation: str = field(INTERPOLATION)

    def check_input(self, how: Preprocess, steps: Sequence[AugmentStep]) -> None:
        side = max(how.crop)
        if self.min < side:
            raise Failure("augment-size", f"`{self.name}` makes pictures of {self.min} pixels, the input has {how.crop[0]}×{how.crop[1]}",
                          f"write a `min` of {side} or more")  # fmt: skip

    def find_window(self, size: tuple[int, int], draws: np.random.Generator, how: Preprocess) -> CropWindow:
        new = shorter_side(size, int(draws.integers(self.min, self.max + 1)))
        if new[0] * new[1] > MAX_PIXELS:
            raise PictureFault("image-too-large", f"an image of {size[0]}×{size[1]} becomes {new[0]}×{new[1]}")
        return CropWindow(0, 0, *size, new)


def random_part(
    size: tuple[int, int], scale: Sequence[float], ratio: Sequence[float], draws: np.random.Generator
) -> tuple[int, int, int, int]:
    """A part (left, top, width, height) of random area and shape, as torchvision's RandomResizedCrop takes it: shapes are even in their logarithm."""
    width, height = size
    for _ in range(TRIES):
        area = width * height * draws.uniform(scale[0], scale[1])
        shape = math.exp(draws.uniform(math.log(ratio[0]), math.log(ratio[1])))
        w, h = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 0 < w <= width and 0 < h <= height:
            return int(draws.integers(width - w + 1)), int(draws.integers(height - h + 1)), w, h
    # the middle, as near to the shapes as the picture is
    w, h = width, height
    if width / height < min(ratio):
        h = max(1, round(width / min(ratio)))
    elif width / height > max(ratio):
        w = max(1, round(height * max(ratio)))
    return (width - w) // 2, (height - h) // 2, w, h
