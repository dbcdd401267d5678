"""Documents that other commands printed, read back: `archc bench --format json`, `archc profile --format json`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .compiler.diagnostics import Failure, clean
from .compiler.patterns import explain_pattern

_T = TypeVar("_T")
MAX_BYTES = 2**26


def read_json_file(path: str, parse: Callable[[Any], _T], wrong: Failure) -> _T:
    """What `parse` makes of the JSON in a file.

    Raises Failure `file-missing` or `file-unreadable` (usage) where it cannot be read, and `wrong` where it is over MAX_BYTES or no JSON, or
    `parse` looks up what is not there. A Failure of `parse` itself goes on.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        if pattern := explain_pattern(path):
            raise Failure("file-missing", pattern.message, pattern.help, 2) from None
        raise Failure("file-missing", f"there is no file `{clean(path)}`", wrong.help, 2) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Failure("file-unreadable", f"`{clean(path)}` cannot be read: {why}", exit_code=2) from None
    if len(data) > MAX_BYTES:
        raise wrong
    try:
        return parse(json.loads(data))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise wrong from None
