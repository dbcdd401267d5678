"""Reads a run's checkpoint back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...compiler.diagnostics import Failure
from .identity import RunIdentity
from .progress import Progress
from .write import HEADER

if TYPE_CHECKING:
    from torch import Tensor


class TrainingCheckpoint(NamedTuple):
    """A checkpoint, read: whose it is, how far the run was, and its tensors on the CPU."""

    path: Path
    identity: RunIdentity
    progress: Progress
    tensors: dict[str, Tensor]


def read_checkpoint(path: Path) -> TrainingCheckpoint:
    """The checkpoint at `path`. Raises Failure `checkpoint-damaged` where it cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {})[HEADER])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
        return TrainingCheckpoint(
            path, RunIdentity.from_json(header["made_by"]), Progress.from_json(header["progress"]), tensors
        )
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        why = str(error).partition("\n")[0][:120] or type(error).__name__
        raise Failure("checkpoint-damaged", f"`{path}` is no checkpoint of a run, or is damaged: {why}",
                      "remove it: the run goes on from the one before") from error  # fmt: skip
