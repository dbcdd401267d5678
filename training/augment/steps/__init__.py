"""The steps that a recipe's `augment` may list. STEPS is their table; nothing else names one.

The recipe's schema is made of it, so importing it is light: numpy, torch and torchvision are imported when a step works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...recipe.recipe import Augmentation
from .erasing import RandomErasing
from .frame import CenterCrop, Flip, RandomCrop
from .mixing import CutMix, MixUp
from .opening import RandomResizedCrop, ScaleJitter
from .pixels import ColorJitter, PcaLighting, RandAugment, TrivialAugment
from .step import AugmentStep

STEPS: Mapping[str, type[AugmentStep]] = {
    step.name: step
    for step in (
        RandomResizedCrop,
        ScaleJitter,
        CenterCrop,
        RandomCrop,
        Flip,
        ColorJitter,
        PcaLighting,
        RandAugment,
        TrivialAugment,
        RandomErasing,
        MixUp,
        CutMix,
    )
}


def make_steps(augment: Sequence[Augmentation]) -> tuple[AugmentStep, ...]:
    """The steps that a recipe lists, with the defaults of what it leaves out."""
    return tuple(STEPS[each.name](**each.values) for each in augment)


def find_conflict(names: Sequence[str]) -> str:
    """Why these steps cannot stand together, in words; empty where they can."""
    kinds = [STEPS[name] for name in names]
    return next((why for at, kind in enumerate(kinds) if (why := kind.misplaced(kinds[:at]))), "")
