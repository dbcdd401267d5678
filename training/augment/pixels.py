"""The steps that change a picture's pixels, uint8 (C, H, W), by torchvision's functions; their random numbers are the picture's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .draws import seed_torch
from .torchvision import import_transforms, make_transform

if TYPE_CHECKING:
    import numpy as np

# the principal directions of the colours of ImageNet's training pictures, in shares of white, and the spread along each. AlexNet's paper gives
# the method and not the numbers; these are of github.com/facebookarchive/fb.resnet.torch, datasets/imagenet.lua
PCA_VALUES = (0.2175, 0.0188, 0.0045)
PCA_VECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))


def jitter_colors(pixels: Any, values: Mapping[str, Any], draws: np.random.Generator) -> Any:
    """Brightness, contrast, saturation and hue, in random order, as torchvision's ColorJitter."""
    change = import_transforms().functional
    ways = {"brightness": change.adjust_brightness, "contrast": change.adjust_contrast,
            "saturation": change.adjust_saturation, "hue": change.adjust_hue}  # fmt: skip
    # all are drawn, so that a strength of 0 leaves the others' numbers as they are
    order, shares = draws.permutation(4), draws.uniform(-1, 1, 4)
    for at in order:
        name = [*ways][at]
        strength, share = values[name], shares[at]
        if strength and name == "hue":
            pixels = ways[name](pixels, float(share * strength))
        elif strength:
            low, high = max(0.0, 1 - strength), 1 + strength
            pixels = ways[name](pixels, float(low + (share + 1) / 2 * (high - low)))
    return pixels


def light_by_pca(pixels: Any, values: Mapping[str, Any], draws: np.random.Generator) -> Any:
    """One colour is added to all pixels (RGB): a normal amount of each principal direction, in its spread."""
    import torch

    amounts = draws.normal(0, values["std"], 3) * PCA_VALUES
    added = torch.tensor([sum(part * amount for part, amount in zip(row, amounts, strict=True)) for row in PCA_VECTORS])
    return (pixels + (added.float() * 255)[:, None, None]).round_().clamp_(0, 255).to(torch.uint8)


def rand_augment(pixels: Any, values: Mapping[str, Any], draws: np.random.Generator) -> Any:
    """torchvision's RandAugment."""
    with seed_torch(draws):
        return make_transform("RandAugment", num_ops=values["ops"], magnitude=values["magnitude"])(pixels)


def trivial_augment(pixels: Any, values: Mapping[str, Any], draws: np.random.Generator) -> Any:
    """torchvision's TrivialAugmentWide."""
    with seed_torch(draws):
        return make_transform("TrivialAugmentWide")(pixels)


PIXEL_STEPS: Mapping[str, Callable[..., Any]] = {
    "color_jitter": jitter_colors,
    "pca_lighting": light_by_pca,
    "rand_augment": rand_augment,
    "trivial_augment": trivial_augment,
}


def erase(values: Any, step: Mapping[str, Any], draws: np.random.Generator) -> Any:
    """An input float32 (C, H, W), with a rectangle of it 0, as torchvision's RandomErasing takes it."""
    height, width = values.shape[1:]
    if draws.random() >= step["p"]:
        return values
    for _ in range(10):
        area = height * width * draws.uniform(*step["scale"])
        shape = math.exp(draws.uniform(math.log(step["ratio"][0]), math.log(step["ratio"][1])))
        h, w = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if h < height and w < width:
            top, left = int(draws.integers(height - h + 1)), int(draws.integers(width - w + 1))
            values[:, top : top + h, left : left + w] = 0
            break
    return values
