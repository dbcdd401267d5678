"""What mixes a whole batch; where a recipe has several such steps, each batch gets one of them, all as likely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..recipe.recipe import Augmentation
from .draws import Purpose, open_draws
from .steps import make_steps
from .steps.step import BatchStep
from .torchvision import import_transforms


class BatchMixer:
    """Mixes the pictures of a batch, by random numbers of (seed, epoch, the batch's number, process); does nothing where `augment` has no step for it."""

    def __init__(self, augment: Sequence[Augmentation], classes: int, seed: int, rank: int) -> None:
        self.classes, self.seed, self.rank = classes, seed, rank
        self.steps = [step for step in make_steps(augment) if isinstance(step, BatchStep)]
        # here, and not in each worker
        if any(step.uses_torchvision for step in self.steps):
            import_transforms()

    def __call__(self, images: Any, targets: Any, epoch: int, number: int) -> tuple[Any, Any]:
        """Images float32 (n, C, H, W) and targets int64 (n,); these become float32 (n, classes) where there is a step."""
        if not self.steps:
            return images, targets
        draws = open_draws(Purpose.BATCH, self.seed, epoch, number, self.rank)
        step = self.steps[int(draws.integers(len(self.steps)))]
        mixed, shares = step.mix(images, targets, self.classes, draws)
        return mixed, shares.float()
