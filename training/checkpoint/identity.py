"""What a checkpoint belongs to: a spec, a recipe, a number of processes, and the versions that computed it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from ...compiler.counts import count_of
from ...compiler.diagnostics import Failure
from ...compiler.spelling import as_word
from ..data.pictures import PictureSet
from ..recipe.recipe import InitRules, Recipe
from ..recipe.write import to_plain
from ..run_folder import RunFolder
from ..schedules import SCHEDULES
from .typed import read_fields


class RunIdentity(NamedTuple):
    """`spec`, `recipe` and `data` are hashes; the recipe's is without its length, which may be extended unless the schedule spans it, and that of the data is of the
    names and classes of all `pictures`, wherever they lie. `versions` and `threads` decide about the last bit of a sum."""

    spec: str
    recipe: str
    world_size: int
    threads: int
    versions: Mapping[str, str]
    pictures: int
    data: str

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return self._asdict() | {"versions": dict(self.versions)}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> RunIdentity:
        """The value that to_json wrote. Raises ValueError for anything else."""
        return read_fields(cls, given, "made_by")


# what decodes and changes pictures
PREPARING = ("numpy", "Pillow", "torchvision")
# what a recipe says of itself or of where it writes, and for how long it goes on: no step computes other numbers for it
NOT_COMPUTED = ("name", "summary", "source", "nets", "data", "log", "checkpoint", "epochs", "steps")


def hash_recipe(recipe: Recipe) -> str:
    """The SHA-256 of what in a recipe decides which numbers a step computes, and which weights are kept as the best."""
    plain = to_plain(recipe)
    computed = {key: value for key, value in plain.items() if key not in NOT_COMPUTED}
    if recipe.init == InitRules("default", recipe.init.values) and recipe.init.values.get("bias") is None:
        # as it began before a recipe could say so
        del computed["init"]
    if SCHEDULES[recipe.schedule.name].spans_run:
        computed |= {"epochs": recipe.epochs, "steps": recipe.steps}
    kept = {"split": plain["data"].get("split"), "best": recipe.checkpoint.best}
    return hashlib.sha256(json.dumps(computed | kept, sort_keys=True).encode()).hexdigest()


def current_versions(device: str) -> dict[str, str]:
    """The versions of what computes: torch's has the build for CUDA in it."""
    import torch
    from lightning_fabric.__version__ import version

    own = {"torch": torch.__version__, "lightning_fabric": version, "device": device}
    return own | {name: found for name in PREPARING if (found := installed_version(name))}


def installed_version(package: str) -> str:
    """The version of an installed distribution; empty where there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def hash_pictures(*sets: PictureSet | None) -> str:
    """The SHA-256 of the names of pictures, relative to where they lie, and of their classes."""
    found = hashlib.sha256()
    for pictures in sets:
        if pictures is not None:
            found.update(len(pictures).to_bytes(8, "little"))
            found.update(pictures.names_digest())
            found.update(pictures.targets().tobytes())
    return found.hexdigest()


def check_identity(name: str, found: RunIdentity, now: RunIdentity, run: Path) -> list[str]:
    """Raises Failure where a checkpoint `name` of the run in the folder `run` belongs to another spec, recipe, other pictures, or another number
    of processes.

    Gives what else is different, in words: the run goes on then, though not to the same bits.
    """
    folder = RunFolder(run)
    anew = f"begin a new run with --weights {as_word(folder.best)}"
    if found.spec != now.spec:
        raise Failure("checkpoint-other-spec", f"{name} was made with another net: its graph has the hash {found.spec[:12]}…, and the spec's "
                      f"is {now.spec[:12]}…", f"put {folder.spec} and {run}/spec/ back as they were, or {anew}")  # fmt: skip
    if found.recipe != now.recipe:
        raise Failure("checkpoint-other-recipe", f"{name} was made with another recipe than {folder.recipe} says now",
                      f"put it back as it was, or {anew}; only the length of a run may change: --resume {as_word(run)} --epochs N")  # fmt: skip
    if (found.pictures, found.data) != (now.pictures, now.data):
        are = "is" if now.pictures == 1 else "are"
        other = f"{count_of(found.pictures, 'picture')}, and there {are} {now.pictures:,} now" if found.pictures != now.pictures else \
            f"other ones: of the {now.pictures:,} now, names or classes are different"  # fmt: skip
        raise Failure("checkpoint-other-pictures", f"{name} was made with {other}",
                      f"put the pictures back as they were (--data DIR where they have moved), or {anew}")  # fmt: skip
    if found.world_size != now.world_size:
        ran, runs = count_of(found.world_size, "process"), count_of(now.world_size, "process")
        start = "archc" if found.world_size == 1 else f"torchrun --nproc-per-node {found.world_size} -m archc"
        raise Failure("checkpoint-world-size", f"{name} was made by {ran}, and {runs} would go on with it",
                      f"{start} train --resume {as_word(run)} goes on; each process has its own share of the pictures")  # fmt: skip
    changes = [f"{key} {found.versions.get(key, 'none')} → {value}" for key, value in now.versions.items()
               if found.versions.get(key) != value]  # fmt: skip
    return changes + ([f"threads {found.threads} → {now.threads}"] if found.threads != now.threads else [])
