"""Which inputs of a calibration set are taken, and which of these are held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

# ranges hardly grow behind some hundred inputs, and each costs a run without optimisations
MOST = 320
HELD_OUT_EVERY = 5


class Split(NamedTuple):
    """The numbers of the inputs that the ranges are of, and of those that the error is measured on; none where there are too few."""

    calibrating: Sequence[int]
    held_out: Sequence[int]


def split_inputs(count: int) -> Split:
    """At most MOST of `count` inputs, evenly spaced, because a folder is sorted by classes; every fifth of them is held out."""
    chosen = range(count) if count <= MOST else [at * count // MOST for at in range(MOST)]
    held_out = chosen[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]
    return Split([at for at in chosen if at not in set(held_out)], held_out)
