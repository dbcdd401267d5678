"""When two answers to one image are the same. Each image is held against its own largest value, so that a large one hides no other's error."""

from __future__ import annotations

from typing import Any

# of max|reference|: 287 random nets stay below 2.8e-5; an element-wise gate has false alarms
RELATIVE, ABSOLUTE = 1e-4, 1e-6
# how often the movement by a last bit two right answers may lie apart
ROUNDINGS = 4


def difference(found: Any, reference: Any) -> tuple[float, float]:
    """The largest difference, absolute and relative to the largest reference value; infinite where `found` is not finite."""
    import numpy as np

    gap = float(np.abs(found - reference).max(initial=0.0))
    gap = gap if np.isfinite(gap) else float("inf")
    return gap, gap / max(float(np.abs(reference).max(initial=0.0)), 1e-30)


def agrees(found: Any, reference: Any, rounding: float = 0.0) -> bool:
    """Whether the answers are the same within the tolerance; `rounding` is how far the reference moves by its last bits."""
    import numpy as np

    gap, _ = difference(found, reference)
    return gap <= RELATIVE * float(np.abs(reference).max(initial=0.0)) + ABSOLUTE + ROUNDINGS * rounding
