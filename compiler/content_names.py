"""Data files that are named by their content, so that a name tells whether archc wrote what stands under it."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

# of the digest that stand in a data file's name, 48 bits: two different files get the same name once in 3e14 times
DIGITS = 12
MAX_STEM = 100  # bytes of an output's name that stand in other names; file systems allow 143 to 255 in all
ONNX_DATA, TORCH_DATA = ".onnx.data", ".safetensors"


class OutputFile(NamedTuple):
    """A file that was written, with the digest of its bytes."""

    path: Path
    sha256: str
    bytes: int


def describe_file(path: Path) -> OutputFile:
    """Reads a file for its digest and its size."""
    with path.open("rb") as file:
        return OutputFile(path, hashlib.file_digest(file, "sha256").hexdigest(), file.tell())


def name_by_content(written: OutputFile, stem: str, suffix: str) -> OutputFile:
    """Renames a data file to `<stem>-<digest><suffix>`: other content never has the same name. Gives it under this name."""
    path = written.path.with_name(f"{plain_stem(stem)}-{written.sha256[:DIGITS]}{suffix}")
    os.replace(written.path, path)
    return written._replace(path=path)


def plain_stem(stem: str) -> str:
    """The stem of an output as its data's name has it: of letters, digits, `-`, `.` and `_`, for it stands in the model."""
    return shorten("".join(letter if letter.isalnum() or letter in "-._" else "_" for letter in stem))


def shorten(name: str) -> str:
    """The beginning of a name, of at most MAX_STEM bytes."""
    while len(os.fsencode(name)) > MAX_STEM:
        name = name[:-1]
    return name


def content_names(*suffixes: str) -> re.Pattern[str]:
    """Matches the names that `name_by_content` gives to data with these suffixes: its `stem` and the `digits` of its content."""
    ends = "|".join(map(re.escape, suffixes))
    return re.compile(rf"(?P<stem>[\w.-]+)-(?P<digits>[0-9a-f]{{{DIGITS}}})(?:{ends})")


FORM = content_names(ONNX_DATA, TORCH_DATA)


def is_content_name(name: str) -> bool:
    """Whether a name is of the form that `name_by_content` gives."""
    return FORM.fullmatch(name) is not None


def is_named_for(name: str, output: Path) -> bool:
    """Whether `name_by_content` gives such a name to data of `output`."""
    found = FORM.fullmatch(name)
    return found is not None and found["stem"] in {plain_stem(output.name), plain_stem(output.stem)}


def has_named_content(path: Path) -> bool:
    """Whether a file's SHA-256 begins with the digits in its name. It reads the whole file. Raises OSError where it cannot."""
    found = FORM.fullmatch(path.name)
    return found is not None and describe_file(path).sha256.startswith(found["digits"])


def is_plain_file(folder: Path, name: str) -> bool:
    """Whether `name` is a file right in `folder`: no path, no link, nothing else."""
    path = folder / name
    try:
        return os.path.basename(path) == name and path.parent == folder and stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def is_own_file(path: Path) -> bool:
    """Whether the user of this process owns the file or folder `path`, or the link. Raises OSError where it is not there."""
    return path.lstat().st_uid == getattr(os, "geteuid", lambda: 0)()
