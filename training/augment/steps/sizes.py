"""The `size` that some steps have: pixels of what they make, the input's where it is left out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ....compiler.diagnostics import Failure
from ....runtime.preprocess import Preprocess
from ...recipe.choice import field
from ...recipe.field_rules import size_rule
from .step import AugmentStep


def size_field() -> Any:
    """Declares the field."""
    return field(size_rule("pixels of the result; null: the net's input"))


def both_sides(size: int | tuple[int, int] | None, how: Preprocess) -> tuple[int, int]:
    """(height, width) of a step's `size`."""
    if size is None:
        return how.crop
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def check_size(name: str, size: int | tuple[int, int] | None, how: Preprocess, steps: Sequence[AugmentStep]) -> None:
    """Raises Failure `augment-size` where the step `name` makes less than the input."""
    height, width = both_sides(size, how)
    if height < how.crop[0] or width < how.crop[1]:
        raise Failure("augment-size", f"`{name}` makes {height}×{width} pixels, the input has {how.crop[0]}×{how.crop[1]}",
                      f"leave its `size` out, or write {list(how.crop)}; in a command: {set_without_size(steps)}")  # fmt: skip


def set_without_size(steps: Sequence[AugmentStep]) -> str:
    """The setting that leaves the sizes of all steps out, for a recipe that is not one's own."""
    stated = [
        {step.name: {key: value for key, value in asdict(step).items() if key != "size" and value is not None}}
        for step in steps
    ]
    return f"--set 'augment={json.dumps(stated)}'"
