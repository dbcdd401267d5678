"""The one answer to a checkpoint file that contradicts itself."""

from __future__ import annotations

from pathlib import Path

from ...diagnostics import Failure


def damaged(path: Path, why: str) -> Failure:
    """The failure to raise; `why` is a clause about the file: "it is empty"."""
    return Failure("checkpoint-damaged", f"{path.name} is no sound checkpoint: {why}", "download or save it again")
