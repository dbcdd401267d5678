"""Reads a run's checkpoint back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...compiler.counts import count_of
from ...compiler.diagnostics import Failure
from .checksum import checksum
from .identity import RunIdentity
from .progress import Progress
from .write import HEADER

if TYPE_CHECKING:
    from torch import Tensor


# what torch's GradScaler keeps
SCALER = {"scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker"}


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
        if not path.is_file():
            # to open a pipe would wait for who writes into it
            raise ValueError("it is no plain file")
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {})[HEADER])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
        found = TrainingCheckpoint(
            path, RunIdentity.from_json(header["made_by"]), Progress.from_json(header["progress"]), tensors
        )
        check_whole(found, header)
        return found
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        why = str(error).partition("\n")[0][:120] or type(error).__name__
        why = f"its header lacks {why}" if isinstance(error, KeyError) else why
        raise Failure("checkpoint-damaged", f"`{path}` is no checkpoint of a run, or is damaged: {why}",
                      "remove it: the run goes on from the one before, if there is one") from error  # fmt: skip


def check_whole(found: TrainingCheckpoint, header: Mapping[str, Any]) -> None:
    """Raises ValueError where a checkpoint contradicts itself."""
    progress, count = found.progress, header["tensors"]
    if checksum({key: value for key, value in header.items() if key != "crc32"}, found.tensors) != header["crc32"]:
        raise ValueError("its bytes are not those that were written")
    if count != len(found.tensors):
        raise ValueError(f"it has {count_of(len(found.tensors), 'tensor')}, and its header says {str(count)[:20]}")
    if f"{progress.step:08d}" != found.path.stem:
        raise ValueError(f"its header says that it is of step {progress.step}")
    sums = (progress.epoch_losses, progress.report_losses)
    if any(each.steps > progress.step or each.counted > each.steps for each in sums):
        raise ValueError("its losses are of more steps than the run has taken")
    scaler = dict(progress.scaler or dict.fromkeys(SCALER, 0))
    if scaler.keys() != SCALER or not all(type(each) in (int, float) for each in scaler.values()):
        raise ValueError("its scaling of gradients is none")
    if progress.best and progress.best.step > progress.step:
        raise ValueError("its best weights are of a later step")
