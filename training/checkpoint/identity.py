"""What a checkpoint belongs to: a spec, a recipe, a number of processes, and the versions that computed it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...compiler.diagnostics import Failure
from ..recipe.recipe import Recipe
from ..recipe.write import to_plain
from ..schedules import DEPENDS_ON_LENGTH
from .typed import read_fields


class RunIdentity(NamedTuple):
    """`spec` and `recipe` are hashes; the recipe's is without its length, which may be extended unless
    the schedule spans it. `versions` and `threads` decide
    about the last bit of a sum."""

    spec: str
    recipe: str
    world_size: int
    threads: int
    versions: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return self._asdict() | {"versions": dict(self.versions)}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> RunIdentity:
        """The value that to_json wrote. Raises ValueError for anything else."""
        return read_fields(cls, given, "made_by")


# what a recipe says of itself or of where it writes, and for how long it goes on: no step computes other numbers for it
NOT_COMPUTED = ("name", "summary", "source", "nets", "data", "log", "checkpoint", "epochs", "steps")


def hash_recipe(recipe: Recipe) -> str:
    """The SHA-256 of what in a recipe decides which numbers a step computes, and which weights are kept as the best."""
    plain = to_plain(recipe)
    computed = {key: value for key, value in plain.items() if key not in NOT_COMPUTED}
    if recipe.schedule.name in DEPENDS_ON_LENGTH:
        computed |= {"epochs": recipe.epochs, "steps": recipe.steps}
    kept = {"split": plain["data"].get("split"), "best": recipe.checkpoint.best}
    return hashlib.sha256(json.dumps(computed | kept, sort_keys=True).encode()).hexdigest()


def current_versions(device: str) -> dict[str, str]:
    """The versions of what computes: torch's has the build for CUDA in it."""
    import torch
    from lightning_fabric.__version__ import version

    return {"torch": torch.__version__, "lightning_fabric": version, "device": device}


def check_identity(name: str, found: RunIdentity, now: RunIdentity) -> list[str]:
    """Raises Failure where a checkpoint `name` belongs to another spec, recipe or number of processes.

    Gives what else is different, in words: the run goes on then, though not to the same bits.
    """
    if found.spec != now.spec:
        raise Failure("checkpoint-other-spec", f"{name} was made with another net: its graph has the hash {found.spec[:12]}…, and the spec's "
                      f"is {now.spec[:12]}…", "put spec.yaml and spec/ back as they were, or begin a new run with "
                      "--weights RUN/best.safetensors")  # fmt: skip
    if found.recipe != now.recipe:
        raise Failure("checkpoint-other-recipe", f"{name} was made with another recipe than the run's recipe.yaml says now",
                      "put recipe.yaml back as it was, or begin a new run with --weights RUN/best.safetensors; only the "
                      "length of a run may change: --resume RUN --epochs N")  # fmt: skip
    if found.world_size != now.world_size:
        ran, runs = count_processes(found.world_size), count_processes(now.world_size)
        start = "archc" if found.world_size == 1 else f"torchrun --nproc-per-node {found.world_size} -m archc"
        raise Failure("checkpoint-world-size", f"{name} was made by {ran}, and {runs} would go on with it",
                      f"{start} train --resume RUN goes on; each process has its own share of the pictures")  # fmt: skip
    changes = [f"{key} {found.versions.get(key, 'none')} → {value}" for key, value in now.versions.items()
               if found.versions.get(key) != value]  # fmt: skip
    return changes + ([f"threads {found.threads} → {now.threads}"] if found.threads != now.threads else [])


def count_processes(count: int) -> str:
    """A number of processes in words."""
    return "one process" if count == 1 else f"{count} processes"
