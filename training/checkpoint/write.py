"""Writes a run's checkpoints and its best weights. A file appears whole or not at all, so the last good one is never lost."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...compiler.files import atomic_write
from ..learner import Learner
from .checksum import checksum
from .identity import RunIdentity
from .progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

HEADER = "archc.training"
# how the library ends a message whose reason is the system's: a full disk, no permission
SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")


def write_checkpoint(folder: Path, learner: Learner, progress: Progress, identity: RunIdentity, keep: int) -> Path:
    """Writes `folder`/NNNNNNNN.safetensors, and removes all but the newest `keep`. Raises Failure where the disk is full."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{progress.step:08d}.safetensors"
    scaler = learner.scaler.state_dict() if learner.scaler is not None else None
    tensors = on_the_cpu(learner.tensors())
    header = {
        "made_by": identity.to_json(),
        "progress": progress._replace(scaler=scaler).to_json(),
        "tensors": len(tensors),
    }
    header["crc32"] = checksum(header, tensors)
    write_tensors(path, tensors, {HEADER: json.dumps(header, sort_keys=True)})
    for old in find_checkpoints(folder)[:-keep]:
        old.unlink(missing_ok=True)
    return path


def write_best(path: Path, learner: Learner) -> None:
    """Writes the weights that are kept, under the spec's own names."""
    write_tensors(path, on_the_cpu(learner.evaluated.state_dict()), {})


def on_the_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The tensors as they lie in a file."""
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}


def write_tensors(path: Path, tensors: dict[str, Any], notes: dict[str, str]) -> None:
    """Writes a .safetensors, whole or not at all."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with atomic_write(path) as partial:
        mode = partial.stat().st_mode
        try:
            save_file(tensors, partial, metadata=notes or None)
        except SafetensorError as error:
            if found := SYSTEM_ERROR.search(str(error)):
                raise OSError(int(found[1]), os.strerror(int(found[1]))) from error
            raise
        # the library makes the file anew, and for its owner alone
        partial.chmod(mode & 0o777)


def find_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the oldest first."""
    return sorted(folder.glob("[0-9]" * 8 + ".safetensors"))


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint in a folder; None where there is none yet."""
    found = find_checkpoints(folder)
    return found[-1] if found else None
