"""Reads JSON as a NamedTuple by its annotations: each field is there and of its type, or the reader says which is not.

Whole numbers in a checkpoint are counts, so none is below 0.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")
# what a float tells from its neighbours
MOST = 2**53
SHOWN = 40


def read_fields(kind: type[T], given: Any, where: str = "") -> T:
    """The NamedTuple `kind` of a JSON object. Raises ValueError, which names the field, for anything else."""
    if not isinstance(given, dict):
        raise ValueError(f"{where or kind.__name__} is no mapping: {show(given)}")
    hints = get_type_hints(kind)
    if odd := sorted(hints.keys() ^ given.keys()):
        what = "lacks" if odd[0] in hints else "has an unknown"
        raise ValueError(f"{where or kind.__name__} {what} `{odd[0][:SHOWN]}`")
    prefix = f"{where}." if where else ""
    return kind(**{key: read_value(hint, given[key], prefix + key) for key, hint in hints.items()})


def read_value(hint: Any, given: Any, where: str) -> Any:
    """A value of the annotated type. Raises ValueError for any other."""
    origin, inside = get_origin(hint), get_args(hint)
    if hint is Any:
        return given
    if origin in (types.UnionType,):
        return None if given is None else read_value(next(each for each in inside if each is not type(None)), given, where)  # fmt: skip
    if origin is Mapping and isinstance(given, dict):
        return {key: read_value(inside[1], value, f"{where}.{key[:SHOWN]}") for key, value in given.items()}
    if origin is tuple and isinstance(given, list):
        return tuple([read_value(inside[0], value, f"{where}.{at}") for at, value in enumerate(given)])
    if isinstance(hint, type) and hasattr(hint, "_fields"):
        return read_fields(hint, given, where)
    number = isinstance(given, (int, float)) and not isinstance(given, bool)
    if hint is float and number and abs(given) <= MOST if isinstance(given, int) else hint is float and number:
        return float(given)
    if hint is int and number and isinstance(given, int) and 0 <= given <= MOST:
        return given
    if hint in (str, bool) and isinstance(given, hint):
        return given
    raise ValueError(f"{where} is {show(given)}")


def show(value: Any) -> str:
    """A value in short."""
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    return f"a number of {value.bit_length()} bits" if isinstance(value, int) and abs(value) > MOST else repr(value)[:SHOWN]  # fmt: skip
