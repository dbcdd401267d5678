"""How a message writes an option: as the command line does, `--weights-skip fc`, or as Python does, `weights_skip=['fc']`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable

Spelling = Callable[..., str]


def as_word(path: str | os.PathLike[str]) -> str:
    """How a path stands in a command that people copy into a shell."""
    return shlex.quote(os.fspath(path))


def as_keyword(option: str, value: object = "") -> str:
    """How Python writes an option, and a value for it: `opset=`, `proof='none'`; several values are a list."""
    if isinstance(value, tuple):
        value = list(value)
    return f"{option}={value!r}" if value != "" else f"{option}="


def as_flag(option: str, value: object = "") -> str:
    """How the command line writes an option, and a value for it: `--opset`, `--proof none`; it is repeated for several values."""
    if isinstance(value, tuple):
        return " ".join(as_flag(option, each) for each in value)
    flags = {"output": "-o", "exports": "--export", "fold": "--no-fold"}
    flag = flags.get(option, "--" + option.replace("_", "-"))
    return f"{flag} {value}" if value != "" else flag
