"""When two answers to one image are the same. Each image is held against its own largest value, so that a large one hides no other's error."""

from __future__ import annotations

from typing import Any

# 287 random nets stay below 2.8e-5; an element-wise gate has false alarms
RELATIVE = 1e-4
# added to the largest reference value that a difference is relative to: answers near zero come of numbers that are not
SCALE = 0.01
# how many movements by their last bits two right answers may lie apart: onnxruntime's mean of an instance adds the numbers up one by
# one, and that of 144 numbers moved a norm by 19 of them (a pair of norms in the soak)
ROUNDINGS = 64


def difference(found: Any, reference: Any) -> tuple[float, float]:
    """The largest difference, absolute and relative to the largest finite reference value plus SCALE; infinite where one is not finite and
    the other is not the same. Numbers of any type are taken: integers and half floats would wrap and overflow in their own.
    """
    import numpy as np

    ours, theirs = (np.asarray(each, np.float64) for each in (found, reference))
    finite = np.isfinite(ours) & np.isfinite(theirs)
    if not np.array_equal(ours[~finite], theirs[~finite], equal_nan=True):
        return float("inf"), float("inf")
    gap = float(np.abs(ours[finite] - theirs[finite]).max(initial=0.0))
    return gap, gap / (float(np.abs(theirs[finite]).max(initial=0.0)) + SCALE)


def agrees(found: Any, reference: Any, rounding: float = 0.0) -> bool:
    """Whether the answers are the same within the tolerance; `rounding` is how far the reference moves by its last bits."""
    gap, relative = difference(found, reference)
    return relative <= RELATIVE or gap <= ROUNDINGS * rounding
