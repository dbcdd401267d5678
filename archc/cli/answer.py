"""What a command answers on standard output. It needs no click, so that a command can say that click is missing."""

from __future__ import annotations

import sys
from typing import Any

from ..interruption import State
from ..text.layout import encodable


def print_json(document: object) -> None:
    """Prints a command's one document as JSON. It is pure ASCII, so that no character of a spec or of a file can disturb a terminal."""
    import json

    print_answer(json.dumps(as_json(document), indent=2))


def print_answer(text: str) -> None:
    """Prints a command's answer; an empty text prints no line. Signs that the output's encoding lacks are ASCII.

    An interrupt that comes later prints no second document.
    """
    State.answered = True
    print(encodable(text, sys.stdout), end="\n" if text else "")


def as_json(value: Any) -> Any:
    """The value with nothing that JSON cannot say: infinities and NaN are texts, and halves of characters escapes of them."""
    if isinstance(value, float) and value - value != 0:
        return str(value)
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {as_json(str(k)): as_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(v) for v in value]
    return value
