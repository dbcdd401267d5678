"""A part of the training pictures that is kept for validation."""

from __future__ import annotations

from ...compiler.diagnostics import Failure
from ..augment.draws import Purpose, open_draws
from ..recipe.recipe import ValidationSplit
from .pictures import ChosenPictures, PictureSet


def split_pictures(pictures: PictureSet, split: ValidationSplit) -> tuple[ChosenPictures, ChosenPictures]:
    """The pictures for training and those for validation: the share `split.val` of each class, drawn by the seed.

    A class keeps at least one picture for training. Raises Failure `too-few-pictures` where nothing is left for validation.
    """
    import numpy as np

    targets = pictures.targets()
    ordered = np.argsort(targets, kind="stable")
    counts = np.bincount(targets, minlength=pictures.classes)
    held = np.zeros(len(targets), bool)
    for at, (begin, count) in enumerate(zip(np.cumsum(counts) - counts, counts, strict=True)):
        wanted = max(0, min(int(split.val * count + 0.5), int(count) - 1))
        drawn = open_draws(Purpose.SPLIT, split.seed, index=at).permutation(int(count))[:wanted]
        held[ordered[begin + drawn]] = True
    if not held.any():
        raise Failure(
            "too-few-pictures", f"a split of {split.val:g} leaves no picture for validation: there are {len(targets):,} in {int((counts > 0).sum())} classes",
            "take a larger share, or give more pictures; a class keeps one for training",
        )  # fmt: skip
    return tuple(ChosenPictures(pictures, np.flatnonzero(part).astype(np.int32)) for part in (~held, held))  # type: ignore[return-value]
