"""The steps that mix the pictures of a batch, by torchvision's transforms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ...recipe.choice import field
from ...recipe.field_rules import between_rule
from ..draws import seed_torch
from ..torchvision import make_transform
from .step import BatchStep

if TYPE_CHECKING:
    import numpy as np


def alpha_field(default: float) -> Any:
    """Declares the field of how evenly two pictures are mixed."""
    rule = between_rule("of the beta distribution of the shares of the two pictures", 0.001, 1000, default=default)
    return field(rule)


@dataclass(frozen=True)
class TorchvisionMix(BatchStep):
    """A step that torchvision's `transform` does."""

    bare = "alpha"
    uses_torchvision = True
    transform: ClassVar[str]

    alpha: float

    def mix(self, images: Any, targets: Any, classes: int, draws: np.random.Generator) -> tuple[Any, Any]:
        # it draws from torch's generator
        with seed_torch(draws):
            mixed, shares = make_transform(self.transform, num_classes=classes, alpha=self.alpha)(images, targets)
        return mixed, shares


@dataclass(frozen=True)
class MixUp(TorchvisionMix):
    """Two pictures and their classes are mixed (Zhang et al. 2017, arXiv:1710.09412)."""

    name = "mixup"
    also_called = ("MixUp",)
    transform = "MixUp"

    alpha: float = alpha_field(0.2)


@dataclass(frozen=True)
class CutMix(TorchvisionMix):
    """A part of another picture, with its share of the class (Yun et al. 2019, arXiv:1905.04899)."""

    name = "cutmix"
    also_called = ("CutMix",)
    transform = "CutMix"

    alpha: float = alpha_field(1.0)
