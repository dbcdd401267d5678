"""Checkpoint formats: a row in `OPENERS` and a module here for each.

A file is opened by its first bytes, whatever it is called. A format's module is imported when a file of it is opened: a
build without weights needs neither zip nor pickle.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from ...diagnostics import Failure
from ..source import WeightSource
from .damage import damaged

HEAD = 32  # the first bytes of a file, by which its format is recognised


class Opener(NamedTuple):
    """A checkpoint format. `suffixes` are what its files are called, for messages; no file is opened by them.

    `module`, beside this one, has `open_file(path)`, which gives a WeightSource or raises Failure.
    """

    suffixes: tuple[str, ...]
    recognises: Callable[[bytes], bool]
    module: str


# the first row that recognises a file opens it
OPENERS = (
    # eight bytes of a length come first: any, those that a zip or a pickle begins with too
    Opener((".safetensors",), lambda head: head[8:9] == b"{", "safetensors"),
    Opener((".pth", ".pt"), lambda head: head.startswith(b"PK"), "pth_zip"),
    Opener((".pth", ".pt"), lambda head: head.startswith(b"\x80"), "pth_legacy"),
)


def checkpoint_suffixes() -> str:
    """The suffixes of all formats, for messages: `.safetensors, .pth, .pt`."""
    return ", ".join(dict.fromkeys(suffix for opener in OPENERS for suffix in opener.suffixes))


def open_checkpoint(path: Path) -> WeightSource:
    """The tensors of a checkpoint file; none is read yet. Raises Failure for a file that is missing, damaged or refused."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise Failure(
            "weights-missing-file", f"the checkpoint `{path}` cannot be read: {error.strerror}", exit_code=2
        ) from None
    if not head:
        raise damaged(path, "it is empty")
    for opener in OPENERS:
        if opener.recognises(head):
            source: WeightSource = import_module(f".{opener.module}", __package__).open_file(path)
            return source
    raise damaged(path, f"it begins as no file of the known formats ({checkpoint_suffixes()})")
