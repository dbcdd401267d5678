"""Rules of the fields of a recipe, by the kind of their values: numbers with their bounds, words, ranges, sizes, and choices by name.

A choice is written `NAME: {FIELD: VALUE, …}`; one that has a bare field also `NAME: VALUE`, and one that needs no field as the word
alone. The fields carry their defaults (`default`), which values.py lays in and docs/reference/recipes.md lists. `x-bare` names the bare field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...compiler.frontend.schema import mapping_rule
from ...compiler.ops.fields import Schema

MAX_INT = 2**31 - 1
# what is over it is a slip, and does not fit into the float32 of a step's arithmetic
MOST = 1_000_000
MOST_PIXELS = 16_384


def number_rule(what: str, wants: str, *, optional: bool = False, kind: str = "number", **more: Any) -> Schema:
    """The rule of a number; `wants` says in words which. An `optional` one may also be null."""
    words = wants + (", or null" if optional else "")
    return {"type": [kind, "null"] if optional else kind, "description": what, "x-wants": words, **more}


def count_rule(what: str, least: int = 1, most: int = MAX_INT, **more: Any) -> Schema:
    """The rule of an integer of at least `least` and at most `most`, which is said where it is less than what a count can be."""
    words = f"an integer of at least {least}" if most == MAX_INT else f"an integer from {least} to {most:,}"
    return number_rule(what, words, kind="integer", minimum=least, maximum=most, **more)


def positive_rule(what: str, most: float = MOST, **more: Any) -> Schema:
    """The rule of a number over 0, up to `most`."""
    return number_rule(what, f"a number over 0 and at most {most:,}", exclusiveMinimum=0, maximum=most, **more)


def between_rule(what: str, least: float, most: float, **more: Any) -> Schema:
    """The rule of a number from `least` to `most`: what is beyond them is a slip, or has no meaning in float32."""
    return number_rule(what, f"a number from {least:,} to {most:,}", minimum=least, maximum=most, **more)


def from_zero_rule(what: str, most: float = MOST, **more: Any) -> Schema:
    """The rule of a number from 0 to `most`."""
    return between_rule(what, 0, most, **more)


def share_rule(what: str, **more: Any) -> Schema:
    """The rule of a number from 0 to 1."""
    return number_rule(what, "a number from 0 to 1", minimum=0, maximum=1, **more)


def below_one_rule(what: str, **more: Any) -> Schema:
    """The rule of a number from 0 up to 1, which is not included."""
    return number_rule(what, "a number of at least 0 and under 1", minimum=0, exclusiveMaximum=1, **more)


def switch_rule(what: str, default: bool) -> Schema:
    """The rule of a boolean."""
    return {"type": "boolean", "description": what, "default": default, "x-wants": "true or false"}


def word_rule(what: str, words: tuple[str, ...], default: str | None, **more: Any) -> Schema:
    """The rule of one of the `words`."""
    return {"type": "string", "description": what, "enum": list(words), "default": default, **more}


def range_rule(what: str, default: list[float], least: float, most: float) -> Schema:
    """The rule of two numbers from `least` to `most`, the lower first."""
    wants = f"[lowest, highest], 2 numbers from {least} to {most:,}"
    item = {"type": "number", "minimum": least, "maximum": most, "x-wants": f"a number from {least} to {most:,}"}
    return {"type": "array", "description": what, "items": item, "minItems": 2, "maxItems": 2, "default": default, "x-wants": wants}  # fmt: skip


def size_rule(what: str, default: int | None = None) -> Schema:
    """The rule of a size in pixels: of a square, or [height, width]."""
    wants = f"a size in pixels up to {MOST_PIXELS:,}, or [height, width]"
    item = {
        "type": "integer",
        "minimum": 1,
        "maximum": MOST_PIXELS,
        "x-wants": f"a size in pixels up to {MOST_PIXELS:,}",
    }
    kinds = ["integer", "array", "null"] if default is None else ["integer", "array"]
    return {"type": kinds, "description": what, "minimum": 1, "maximum": MOST_PIXELS, "items": item, "minItems": 2, "maxItems": 2,
            "default": default, "x-wants": wants}  # fmt: skip


def choice_rule(
    name: str, what: str, fields: Mapping[str, Schema], *, bare: str = "", needs: tuple[str, ...] = (), **more: Any
) -> Schema:
    """The rule of the fields of one choice; `needs` are those that it does not go without."""
    rule = mapping_rule(dict(fields), f"field of `{name}`", needs, description=what, **{"x-choice": name}) | more
    kinds = ["object"] if needs else ["object", "null"]
    wants = "a mapping of its fields" if fields else "no value: it has no fields"
    if bare:
        one = fields[bare]
        own = [one["type"]] if isinstance(one["type"], str) else one["type"]
        kinds += [kind for kind in own if kind not in (*kinds, "null")]
        keep = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "items", "minItems", "maxItems")
        rule |= {key: one[key] for key in keep if key in one} | {"x-bare": bare}
        wants += f", or `{bare}` alone: {one['x-wants']}"
    return rule | {"type": kinds, "x-wants": wants}
