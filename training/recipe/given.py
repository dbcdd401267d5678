"""A Recipe that was made in Python, before it is read as a text: its parts are of their kinds, and its values such as a text can hold.

What a value may be is the reader's own question; here numbers of other libraries become Python's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from ...compiler.diagnostics import Failure
from .recipe import Augmentation, LayerInit, Recipe

Part = TypeVar("Part")
# what stands in a text without quotes: the name of a choice, or of one of its fields
WORD = re.compile(r"[\w.-]{1,80}", re.ASCII)
DEEPEST, MOST, SHOWN = 16, 10**40, 60


def plain_recipe(recipe: Recipe) -> Recipe:
    """The recipe with numbers and lists of Python alone. Raises Failure `wrong-type` for a part of another kind, and for what no text holds."""
    return plain_part(recipe, "")


def plain_part(part: Part, where: str) -> Part:
    """A dataclass of a recipe with the values of its fields made plain; `where` is its own place in the recipe, with a dot."""
    hints = get_type_hints(type(part))
    made = {}
    for field in fields(part):  # type: ignore[arg-type]
        hint, value, place = hints[field.name], getattr(part, field.name), where + field.name
        kinds = get_args(hint) if get_origin(hint) is UnionType else (hint,)
        kind = next((each for each in kinds if is_dataclass(each)), None)
        if kind is not None:
            optional = value is None and type(None) in kinds
            made[field.name] = None if optional else plain_part(refuse_other(value, kind, place), f"{place}.")
        elif hint in (tuple[Augmentation, ...], tuple[LayerInit, ...]):
            made[field.name] = plain_parts(value, get_args(hint)[0], place)
        elif get_origin(hint) is Mapping:
            made[field.name] = plain_value(refuse_other(value, Mapping, place), place)
        else:
            made[field.name] = plain_value(value, place)
            # these are written as a key, or are no part of the text
            is_word = field.name == "name" and bool(where) and (value is not None or hint is str)
            if place == "origin" or field.name == "path" or is_word:
                refuse_other(made[field.name], str, place)
            if is_word and not WORD.fullmatch(str(made[field.name])):
                raise unfit(f"`{place}`", value, "give the word that a recipe has there")
    return replace(part, **made)  # type: ignore[type-var]


def plain_parts(given: Any, kind: type[Part], place: str) -> tuple[Part, ...]:
    """The steps of `augment`, or the layers of `init`, which are a list of them."""
    parts = refuse_other(given, (list, tuple), place)
    return tuple(plain_part(refuse_other(part, kind, f"{place}[{at}]"), f"{place}[{at}].") for at, part in enumerate(parts))  # fmt: skip


def plain_value(value: Any, place: str, depth: int = 0) -> Any:
    """A value as Python's own numbers, strings, lists and mappings. Raises Failure for any other."""
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()
    if depth > DEEPEST:
        raise Failure("wrong-type", f"Recipe: `{place[:SHOWN]}` is nested too deep")
    if isinstance(value, str):
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise Failure("wrong-type", f"Recipe: `{place}` is {ascii(value)[:SHOWN]}, and a lone surrogate is no character", "leave it out")  # fmt: skip
        return value
    if value is None or isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) <= MOST):
        return value
    if isinstance(value, (list, tuple)):
        return tuple(plain_value(item, f"{place}[{at}]", depth + 1) for at, item in enumerate(value))
    if isinstance(value, Mapping):
        if odd := [key for key in value if not isinstance(key, str) or not WORD.fullmatch(key)]:
            raise unfit(f"a key of `{place}`", odd[0], "keys are the names that a recipe has there")
        return {key: plain_value(inner, f"{place}.{key}", depth + 1) for key, inner in value.items()}
    many = "a list of them: list(…), or .tolist()" if hasattr(value, "__len__") else "a list of them"
    raise unfit(f"`{place}`", value, f"give a number, a boolean, a string, or {many}")


def refuse_other(value: Any, kind: Any, place: str) -> Any:
    """The value. Raises Failure `wrong-type` where it is not of the kind, or of one of several."""
    kinds: tuple[Any, ...] = kind if isinstance(kind, tuple) else (kind,)
    if isinstance(value, kinds):
        return value
    name = kinds[0].__name__
    if not is_dataclass(kinds[0]):
        raise unfit(f"`{place}`", value, f"give a {name.lower()}")
    raise unfit(f"`{place}`", value, f"give {name}({repr(value) if isinstance(value, str) else '…'})")


def unfit(place: str, value: Any, help: str) -> Failure:
    """What is said of a value that cannot stand at a place of a recipe."""
    shown = f"an integer of {value.bit_length()} bits" if isinstance(value, int) and abs(value) > MOST else ascii(value)[:SHOWN]  # fmt: skip
    kind = type(value).__name__
    return Failure("wrong-type", f"Recipe: {place} cannot be {shown}" + ("" if kind in shown or value is None else f", of type {kind}"), help)  # fmt: skip
