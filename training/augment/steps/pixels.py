"""The steps that change a picture's pixels, by torchvision's functions; their random numbers are the picture's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ....compiler.diagnostics import Failure
from ....runtime.preprocess import Preprocess
from ...recipe.choice import field
from ...recipe.field_rules import count_rule, from_zero_rule, number_rule
from ..draws import seed_torch
from ..torchvision import import_transforms, make_transform
from .step import AugmentStep, PixelStep

if TYPE_CHECKING:
    import numpy as np

STRENGTH = from_zero_rule("drawn from 1 - it up to 1 + it", 100, default=0.0)
HUE = number_rule(
    "drawn from -it up to it, as a share of the circle", "a number from 0 to 0.5", minimum=0, maximum=0.5, default=0.0
)
# the principal directions of the colours of ImageNet's training pictures, in shares of white, and the spread along each. AlexNet's paper gives
# the method and not the numbers; these are of github.com/facebookarchive/fb.resnet.torch, datasets/imagenet.lua
PCA_VALUES = (0.2175, 0.0188, 0.0045)
PCA_VECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))


@dataclass(frozen=True)
class ColorJitter(PixelStep):
    """Brightness, contrast, saturation and hue change, in random order.

    Each is drawn as torchvision's ColorJitter draws it.
    """

    name = "color_jitter"
    also_called = ("ColorJitter", "colour_jitter", "jitter")
    needs_a_field = True
    needs = ((("brightness", "contrast", "saturation", "hue"), 0.4),)
    instead = MappingProxyType({"number": "color_jitter: {brightness: VALUE, contrast: VALUE, saturation: VALUE}"})
    uses_torchvision = True

    brightness: float = field(STRENGTH)
    contrast: float = field(STRENGTH)
    saturation: float = field(STRENGTH)
    hue: float = field(HUE)

    def check_input(self, how: Preprocess, steps: Sequence[AugmentStep]) -> None:
        if self.saturation or self.hue:
            check_colours(f"`saturation` and `hue` of `{self.name}` change", how)

    def change_tensor(self, pixels: Any, draws: np.random.Generator) -> Any:
        """Pixels uint8 (channels, H, W) with the four changes, in an order that is drawn."""
        change = import_transforms().functional
        ways = (
            (change.adjust_brightness, self.brightness),
            (change.adjust_contrast, self.contrast),
            (change.adjust_saturation, self.saturation),
        )
        # all are drawn, so that a strength of 0 leaves the others' numbers as they are
        order, shares = draws.permutation(4), draws.uniform(-1, 1, 4)
        for at in order:
            if at == len(ways):
                pixels = change.adjust_hue(pixels, float(shares[at] * self.hue)) if self.hue else pixels
                continue
            adjust, strength = ways[at]
            if strength:
                low, high = max(0.0, 1 - strength), 1 + strength
                pixels = adjust(pixels, float(low + (shares[at] + 1) / 2 * (high - low)))
        return pixels


@dataclass(frozen=True)
class PcaLighting(PixelStep):
    """Light along the main directions of ImageNet's colours (AlexNet's; Krizhevsky et al. 2012, section 4.1).

    One colour is added to all pixels (RGB): a normal amount of each principal direction, in its spread.
    """

    name = "pca_lighting"
    bare = "std"
    also_called = ("lighting", "FancyPCA", "pca", "pca_jitter", "PCAJitter")

    std: float = field(from_zero_rule("the deviation of the draws", 100, default=0.1), "alpha", "alphastd")

    def check_input(self, how: Preprocess, steps: Sequence[AugmentStep]) -> None:
        check_colours(f"`{self.name}` changes", how)

    def change_tensor(self, pixels: Any, draws: np.random.Generator) -> Any:
        import torch

        amounts = draws.normal(0, self.std, 3) * PCA_VALUES
        added = torch.tensor(
            [sum(part * amount for part, amount in zip(row, amounts, strict=True)) for row in PCA_VECTORS]
        )
        return (pixels + (added.float() * 255)[:, None, None]).round_().clamp_(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class RandAugment(PixelStep):
    """Operations drawn at one magnitude (Cubuk et al. 2019, arXiv:1909.13719)."""

    name = "rand_augment"
    also_called = ("RandAugment", "randaug")
    instead = MappingProxyType({"integer": "rand_augment: {magnitude: VALUE}"})
    uses_torchvision = True

    ops: int = field(count_rule("operations for a picture", most=16, default=2), "num_ops", "n")
    magnitude: int = field(count_rule("of 0 to 30", 0, 30, default=9), "m")

    def change_tensor(self, pixels: Any, draws: np.random.Generator) -> Any:
        with seed_torch(draws):
            return make_transform("RandAugment", num_ops=self.ops, magnitude=self.magnitude)(pixels)


@dataclass(frozen=True)
class TrivialAugment(PixelStep):
    """One operation at a magnitude drawn (Müller and Hutter 2021, arXiv:2103.10158)."""

    name = "trivial_augment"
    also_called = ("TrivialAugmentWide", "TrivialAugment", "trivialaug")
    uses_torchvision = True

    def change_tensor(self, pixels: Any, draws: np.random.Generator) -> Any:
        with seed_torch(draws):
            return make_transform("TrivialAugmentWide")(pixels)


def check_colours(what: str, how: Preprocess) -> None:
    """Raises Failure `augment-channels` where the input has no colours."""
    if how.color == "grey" or how.size[0] == 1:
        raise Failure("augment-channels", f"{what} colours; the input is grey", "leave it out")
