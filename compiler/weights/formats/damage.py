"""The error for a checkpoint file that is damaged."""

from __future__ import annotations

from pathlib import Path

from ...diagnostics import Failure


def checkpoint_damaged(path: Path, why: str) -> Failure:
    """The Failure to raise; `why` says in a clause what is wrong: "it is empty"."""
    return Failure("checkpoint-damaged", f"{path.name} is no sound checkpoint: {why}", "download or save it again")
