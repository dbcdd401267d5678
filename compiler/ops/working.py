"""The working of a number: the arithmetic of a shape or a cost, as people write it, beside the rule that a machine runs.

    H: (224 + 2·3 − 7) // 2 + 1 = 112

Ops give it by methods that stand beside their rules (`shape_working`, `param_working`, `mac_working`). The terms are a text for
readers and not to be parsed; a test evaluates them for every op and every net of the zoo, so that they cannot differ from the rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

AXES = ("C", "H", "W")  # the letters of the axes behind the batch


class Working(NamedTuple):
    """A number and how it comes about: `name` is an axis (C, H, W), a tensor of the op, or a cost. `note` says in a few words what the
    terms do not: why a window does not count, which field a number is."""

    name: str
    terms: str
    result: int
    note: str = ""


def window_terms(
    size: int, before: int, after: int, kernel: int, stride: int, dilation: int = 1, rounded_up: bool = False
) -> str:
    """How many windows fit an axis: `(224 + 2·3 − 7) // 2 + 1`, or with `ceil(…)` where a partial one counts."""
    pads = f" + 2·{before}" if before == after else f" + {before} + {after}"
    span = f"{kernel}" if dilation == 1 else f"{dilation}·({kernel} − 1) − 1"
    room = f"{size}{pads if before or after else ''} − {span}"
    return f"ceil(({room}) / {stride}) + 1" if rounded_up else f"({room}) // {stride} + 1"


def product(sizes: Iterable[int], times: str = "·") -> str:
    """`64·112·112`; one where there are no sizes."""
    return times.join(map(str, sizes)) or "1"


def total(parts: Sequence[int]) -> str:
    """A sum, in which neighbours that are equal stand once: `64 + 6·32`."""
    runs = [(value, len([*run])) for value, run in groupby(parts)]
    return " + ".join(f"{count}·{value}" if count > 1 else f"{value}" for value, count in runs)


def padding_note(padding: object, before: int, after: int) -> str:
    """What `same` is on an axis; empty where a spec states the padding in numbers."""
    return f"`same` pads {before} before and {after} after" if padding == "same" else ""
