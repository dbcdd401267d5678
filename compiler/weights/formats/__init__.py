"""Checkpoint formats: a row in `OPENERS` and a module here for each.

The first bytes of a file tell its format, whatever the file is called. A format's module is imported when a file of it is opened,
so a build without weights needs neither zip nor pickle.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from ...diagnostics import Failure
from ..source import Checkpoint
from .damage import checkpoint_damaged

HEAD = 32  # the first bytes of a file, by which its format is recognised


class Opener(NamedTuple):
    """A checkpoint format. `recognises` tells its files by their first bytes; `suffixes` are for messages alone.

    `module` is one of this package. It has `open_file(path)`, which gives a Checkpoint or raises Failure.
    """

    suffixes: tuple[str, ...]
    recognises: Callable[[bytes], bool]
    module: str


# what people give for a checkpoint by mistake: the first bytes, what such a file is, and what to do
FOREIGN = (
    (b"\x1f\x8b", "packed by gzip", "unpack it first"),
    (b"\x89HDF", "an HDF5 file, as Keras writes", "convert it to .safetensors"),
    (b"\x93NUMPY", "a NumPy array", "give arrays by name from Python: weights={name: array}"),
    (b"version https://git-lfs", "a pointer of git LFS, not the file itself", "git lfs pull brings it"),
    (b"<", "a web page, not a checkpoint", "download it again; the address wants a login perhaps"),
    (b"{", "a JSON text", "give the .safetensors or .pth itself; an index of several files is not read"),
)

# the first row that recognises a file opens it
OPENERS = (
    # it comes first because its files begin with a length, which may have the first bytes of a zip or a pickle
    Opener((".safetensors",), lambda head: head[8:9] == b"{", "safetensors"),
    Opener((".pth", ".pt"), lambda head: head.startswith(b"PK"), "pth_zip"),
    Opener((".pth", ".pt"), lambda head: head.startswith(b"\x80"), "pth_legacy"),
)


def checkpoint_suffixes() -> str:
    """The suffixes of all formats, for messages: `.safetensors, .pth, .pt`."""
    return ", ".join(dict.fromkeys(suffix for opener in OPENERS for suffix in opener.suffixes))


def open_checkpoint(path: Path) -> Checkpoint:
    """The state dicts of a checkpoint file; a tensor is read when it is used. Raises Failure for a file that is missing, damaged or refused."""
    # what is opened is mapped, and reading a pipe could wait for ever
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise Failure("weights-missing-file", f"`{path}` is a device or a pipe; a checkpoint is a file", exit_code=2)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise Failure(
            "weights-missing-file", f"the checkpoint `{path}` cannot be read: {error.strerror}", exit_code=2
        ) from None
    if not head:
        raise checkpoint_damaged(path, "it is empty")
    for opener in OPENERS:
        if opener.recognises(head):
            checkpoint: Checkpoint = import_module(f".{opener.module}", __package__).open_file(path)
            return checkpoint
    for start, what, advice in FOREIGN:
        if head.lstrip().startswith(start):
            raise Failure("checkpoint-refused", f"{path.name} is {what}", advice)
    raise checkpoint_damaged(path, f"it begins as no file of the known formats ({checkpoint_suffixes()})")
