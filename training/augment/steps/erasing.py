"""The step that erases a part of the model's input."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...recipe.choice import field
from ...recipe.field_rules import range_rule
from .step import InputStep, probability_field

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class RandomErasing(InputStep):
    """A rectangle becomes 0, behind normalisation (Zhong et al. 2017, arXiv:1708.04896).

    It is drawn as torchvision's RandomErasing draws it.
    """

    name = "random_erasing"
    bare = "p"
    also_called = ("RandomErasing", "erasing", "cutout", "CoarseDropout")
    ranges = (("scale",), ("ratio",))

    p: float = probability_field(0.25)
    scale: tuple[float, float] = field(
        range_rule("the rectangle's area as a share of the picture's", [0.02, 0.33], 0.0001, 1)
    )
    ratio: tuple[float, float] = field(range_rule("its height to its width", [0.3, 3.3], 0.001, 1000))

    def change_input(self, values: Any, draws: np.random.Generator) -> Any:
        """Zeros in a rectangle, in place; ten tries to place one that is smaller than the picture."""
        height, width = values.shape[1:]
        if draws.random() >= self.p:
            return values
        for _ in range(10):
            area = height * width * draws.uniform(*self.scale)
            shape = math.exp(draws.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            h, w = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
            if h < height and w < width:
                top, left = int(draws.integers(height - h + 1)), int(draws.integers(width - w + 1))
                values[:, top : top + h, left : left + w] = 0
                break
        return values
