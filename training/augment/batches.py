"""Mixup and cutmix, on a whole batch; where a recipe has both, each batch gets one of them, either as likely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..recipe.recipe import Augmentation
from .draws import Purpose, open_draws, seed_torch
from .steps import STEPS, fill_values
from .torchvision import import_transforms, make_transform


class BatchMixer:
    """Mixes the pictures of a batch, by random numbers of (seed, epoch, the batch's number, process); does nothing where `augment` has neither step."""

    def __init__(self, augment: Sequence[Augmentation], classes: int, seed: int, rank: int) -> None:
        self.seed, self.rank = seed, rank
        steps = [(step.name, fill_values(step.name, step.values)) for step in augment if STEPS[step.name].works_on == "batch"]  # fmt: skip
        # as words, since a fresh worker cannot take torchvision's own things before it has imported torchvision
        self.ways = [({"mixup": "MixUp", "cutmix": "CutMix"}[name], {"num_classes": classes, **values}) for name, values in steps]  # fmt: skip
        if self.ways:
            import_transforms()

    def __call__(self, images: Any, targets: Any, epoch: int, number: int) -> tuple[Any, Any]:
        """Images float32 (n, C, H, W) and targets int64 (n,); these become float32 (n, classes) where there is a step."""
        if not self.ways:
            return images, targets
        draws = open_draws(Purpose.BATCH, self.seed, epoch, number, self.rank)
        name, values = self.ways[int(draws.integers(len(self.ways)))]
        # it draws from torch's generator
        with seed_torch(draws):
            mixed, shares = make_transform(name, **values)(images, targets)
        return mixed, shares.float()
