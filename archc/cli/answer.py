"""What a program reads on standard output. It needs no click, so that a command can say that click is missing."""

from __future__ import annotations

from typing import Any

from ..interruption import State


def print_json(document: object) -> None:
    """Prints a command's one document as JSON. It is pure ASCII, so that no character of a spec can disturb a terminal."""
    import json

    print_answer(json.dumps(without_infinity(document), indent=2))


def print_answer(text: str) -> None:
    """Prints what a program reads; an empty text prints no line. An interrupt that comes later prints no second document."""
    State.answered = True
    print(text, end="\n" if text else "")


def without_infinity(value: Any) -> Any:
    """The value with infinities and NaN as texts, because JSON has no numbers for them."""
    if isinstance(value, float) and value - value != 0:
        return str(value)
    if isinstance(value, dict):
        return {str(k): without_infinity(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_infinity(v) for v in value]
    return value
