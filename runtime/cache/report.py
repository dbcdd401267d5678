"""What is in the cache, for people and programs: each entry with its model, and whether a session would take it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..faults import RuntimeFault
from .entry import CacheEntry, find_environment, hash_file
from .folder import Unusable, find_folder, open_folder, read_bound
from .store import list_folders, lock_cache, measure_folder, read_entries, remove_entry, remove_leftovers

DEVICE = "cpu"
READY, DAMAGED, UNSEEN = "ready", "damaged", "changed unseen"
STATES = {
    READY: "the model's next session starts from it",
    "model changed": "the model was written since; its next session writes a new one",
    "model gone": "the model is not there any more",
    "other machine": "made for another processor or onnxruntime",
    DAMAGED: "not as it was written; archc cache clear removes it",
    UNSEEN: "the model has other bytes under the times that it had; archc cache clear removes the old graph",
}


class EntryReport(NamedTuple):
    """One entry: its model, and one of STATES. `sha256` are the digests of the model's files when it was made, by their paths.

    `made` and `used` are seconds since 1970. Of an entry whose notes are damaged only its folder and size are known.
    """

    folder: str
    state: str
    size_bytes: int
    used: float
    model: str = ""
    device: str = ""
    made: float | None = None
    onnxruntime: str = ""
    trusted: bool = False
    sha256: dict[str, str] = {}


class CacheReport(NamedTuple):
    """The cache: where it is, how many bytes its entries have and may have, and the entries, the most recently used first."""

    folder: str
    total_bytes: int
    bound_bytes: int
    entries: tuple[EntryReport, ...]


def report_cache(models: Sequence[str] = (), verify: bool = False) -> CacheReport:
    """What is in the cache, or what is there of `models`; with `verify` all bytes are read, the models' too.

    Raises RuntimeFault `cache-unusable` where it may not be trusted, `no-such-model` (usage) for a model that is neither there nor in it.
    """
    folder, total, bound = measure_cache()
    cache = find_cache()
    chosen = choose_entries(read_entries(cache) if cache else (), models)
    environment = known_environment() if chosen else None
    reports = tuple(report_entry(folder, entry, environment, verify) for folder, entry in chosen)
    return CacheReport(folder, total, bound, reports)


def measure_cache() -> tuple[str, int, int]:
    """The cache's folder, the bytes of its entries, and how many these may have; onnxruntime is not asked. Raises as `report_cache`."""
    bound, cache = read_bound(), find_cache()
    total = sum(measure_folder(each) for each in list_folders(cache)) if cache else 0
    return str(cache or find_folder()), total, bound


def clear_cache(models: Sequence[str] = ()) -> tuple[int, int]:
    """Removes the entries of `models`, or all; how many, and how many bytes. Raises as `report_cache`, and `cannot-write` where one stays."""
    cache = find_cache()
    chosen = choose_entries(read_entries(cache) if cache else (), models)
    if cache is None:
        return 0, 0
    count = freed = 0
    for folder, _ in chosen:
        size = measure_folder(folder)
        if not remove_entry(folder):
            raise RuntimeFault(
                "cannot-write", f"`{folder}` cannot be removed", "the cache's folder may not be written to", 3
            )
        count, freed = count + 1, freed + size
    # if nobody is writing
    with suppress(Unusable, OSError), lock_cache(cache):
        remove_leftovers(cache)
    return count, freed


def find_cache() -> Path | None:
    """The cache's folder; None where it is not there. Raises RuntimeFault `cache-unusable` (environment) where it may not be trusted."""
    try:
        return open_folder() if os.path.lexists(find_folder()) else None
    except Unusable as error:
        raise RuntimeFault("cache-unusable", f"the cache is not used: {error.reason}", error.help, 3) from None


def choose_entries(
    entries: Sequence[tuple[Path, CacheEntry | None]], models: Sequence[str]
) -> Sequence[tuple[Path, CacheEntry | None]]:
    """The entries of `models`, or all where there are none. Raises RuntimeFault for a model that is neither there nor among them."""
    wanted = {os.path.realpath(each): each for each in models}
    held = {entry.model for _, entry in entries if entry}
    for path, given in wanted.items():
        if path not in held and not os.path.isfile(path):
            raise RuntimeFault("no-such-model", f"there is no model `{given}`, and nothing of it in the cache", "archc cache lists what is", 2)  # fmt: skip
    return [(folder, entry) for folder, entry in entries if not wanted or (entry and entry.model in wanted)]


def known_environment() -> dict[str, Any] | None:
    """What entries must have been made for; None where onnxruntime does not import."""
    try:
        return find_environment()
    except (RuntimeFault, Unusable):
        return None


def report_entry(
    folder: Path, entry: CacheEntry | None, environment: dict[str, Any] | None, verify: bool
) -> EntryReport:
    """What there is to say of one entry."""
    try:
        used = folder.stat().st_mtime
    except OSError:
        used = 0.0
    size = measure_folder(folder)
    if entry is None:
        return EntryReport(str(folder), DAMAGED, size, used)
    state = find_state(entry, environment, verify)
    return EntryReport(
        str(folder), state, size, used, entry.model, DEVICE, entry.made,
        str(entry.environment.get("onnxruntime", "")).split()[0], entry.trusted, dict(entry.sha256),
    )  # fmt: skip


def find_state(entry: CacheEntry, environment: dict[str, Any] | None, verify: bool) -> str:
    """Which of STATES an entry is in; with `verify` all bytes are read."""
    if not os.path.exists(entry.model):
        return "model gone"
    if environment is not None and entry.environment != environment:
        return "other machine"
    if not entry.is_current():
        return "model changed"
    if not entry.is_whole() or (verify and not all(map(entry.checksum_holds, entry.files))):
        return DAMAGED
    return READY if not verify or holds_content(entry.sha256) else UNSEEN


def holds_content(digests: Mapping[str, str]) -> bool:
    """Whether files have the digests that are stated, by path."""
    try:
        return all(hash_file(path) == digest for path, digest in digests.items())
    except OSError:
        return False
