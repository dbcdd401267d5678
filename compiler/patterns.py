"""A pattern, as `nets/*.yaml`, that stands where the name of a file must: a shell that finds no file for it hands it on as it is written."""

from __future__ import annotations

import glob
import os
from itertools import islice
from typing import NamedTuple

from .diagnostics import list_names

MAX_NAMED = 5  # files in a help
MAX_READ = 10_000  # of a folder, before they are sorted


class PatternMistake(NamedTuple):
    """What is wrong with a pattern: the message and the help of a Failure."""

    message: str
    help: str


def explain_pattern(word: str) -> PatternMistake | None:
    """Why a word that names no file is wrong as a pattern; None where it is none."""
    if not glob.has_magic(word):
        return None
    shown = word[:200]
    try:
        files = sorted(islice((each for each in glob.iglob(word) if os.path.isfile(each)), MAX_READ))
    except (OSError, ValueError):
        files = []
    if files:
        message = f"`{shown}` is a pattern, and here the name of one file is wanted"
        return PatternMistake(message, f"write the file's own name; it matches {name_few(files)}")
    return PatternMistake(f"no file matches the pattern `{shown}`", explain_folder(fixed_folder(word)))


def fixed_folder(pattern: str) -> str:
    """The folder before the first part of a pattern that stands for several names; empty for the current one."""
    parts = pattern.replace(os.sep, "/").split("/")
    fixed = next(at for at, part in enumerate(parts) if glob.has_magic(part))
    return "/".join(parts[:fixed])


def explain_folder(folder: str) -> str:
    """What there is where a pattern was to find files, for the help of a message."""
    shown = f"the folder `{folder[:200]}`" if folder else f"the current folder, `{current_folder()}`,"
    try:
        entries = (each.name for each in os.scandir(folder or "."))
        names = sorted(islice((name for name in entries if not name.startswith(".")), MAX_READ))
    except (OSError, ValueError):
        return (
            f"there is no folder `{folder[:200]}` in `{current_folder()}`: "
            "go to the folder that holds it, or write another path"
        )
    if not names:
        return f"{shown} is empty"
    return f"look at the folder and at the ending: {shown} holds {name_few(names)}"


def current_folder() -> str:
    """The path of the folder that relative paths start from; `.` where it is gone."""
    try:
        return os.getcwd()
    except OSError:
        return "."


def name_few(names: list[str]) -> str:
    """The first of some names, and whether there are more."""
    return list_names(names[:MAX_NAMED], "`{}`") + (", …" if len(names) > MAX_NAMED else "")
