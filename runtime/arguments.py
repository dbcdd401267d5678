"""What a caller of a session asks for, checked before anything is read; the command line has the same limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from numbers import Integral
from os import PathLike
from typing import Any, Literal, get_args

from .classifier import read_labels
from .faults import RuntimeFault

MAX_BATCH = 2**16
MAX_THREADS = 2**10
OnError = Literal["raise", "keep"]


def check_count(name: str, value: Any, most: int | None = None) -> None:
    """Raises RuntimeFault (usage) where the argument `name` is no whole number from 1 to `most`."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < 1 or (most is not None and value > most):
        limit = "at least 1" if most is None else f"1 to {most}"
        raise RuntimeFault("usage", f"{name}={value!r}: a whole number is expected, {limit}", exit_code=2)


def read_settings(options: Any) -> dict[str, str]:
    """A device's options by name, each value as text. Raises RuntimeFault (usage) for what is no mapping of names."""
    if options is None:
        return {}
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        raise RuntimeFault("usage", f"options={options!r}: a mapping of names to values is expected", exit_code=2)
    return {name: str(value) for name, value in options.items()}


def check_errors(errors: Any) -> None:
    """Raises RuntimeFault (usage) for what is no OnError."""
    if not isinstance(errors, str) or errors not in get_args(OnError):
        raise RuntimeFault("usage", f"errors={errors!r}: 'raise' or 'keep' is expected", exit_code=2)


def check_progress(progress: Any) -> None:
    """Raises RuntimeFault (usage) for what can not be called after each batch."""
    if progress is not None and not callable(progress):
        raise RuntimeFault("usage", f"progress={progress!r}: a function is expected", exit_code=2)


def list_names(argument: str, names: Any) -> list[str]:
    """The names in their order, a text being one. Raises RuntimeFault (usage) for what holds none, as a number."""
    found = [names] if isinstance(names, str) else [*names] if isinstance(names, Iterable) else [names]
    if not all(isinstance(name, str) for name in found):
        raise RuntimeFault("usage", f"{argument}={names!r}: a list of names is expected", exit_code=2)
    return found


def list_labels(labels: Any) -> tuple[str, ...]:
    """The labels, in their order, as texts; a text or a path names a file of them. Raises RuntimeFault (usage) for what has no order."""
    if isinstance(labels, (str, PathLike)):
        return read_labels(labels)
    if isinstance(labels, (bytes, bytearray, Mapping, Set)) or not isinstance(labels, Iterable):
        raise RuntimeFault("usage", f"labels is a {type(labels).__name__}: a list of texts is expected, or a file's path",
                           exit_code=2)  # fmt: skip
    return tuple(map(str, labels))
