"""The entries of a cache's folder: which there are, how one takes its place, and which go when there is no room.

An entry is written in a private folder and renamed, so that it is there whole or not at all. Whoever writes or removes holds a lock, which
ends with its process; what a killed one left is removed by the next. Readers take no lock: an entry goes under another name first, and
a file that is gone is still there for a session that has mapped it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..disk import force_to_disk, free_lock, take_lock
from .entry import CacheEntry, read_notes
from .folder import Unusable

ENTRY_NAME = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16}")
PRIVATE = ".private-"
LOCK = "lock"


def list_folders(cache: Path, start: str = "") -> list[Path]:
    """The folders of entries whose names begin with `start`, the least recently used first. Raises OSError."""
    found = []
    for each in os.scandir(cache):
        if each.name.startswith(start) and ENTRY_NAME.fullmatch(each.name) and each.is_dir(follow_symlinks=False):
            with suppress(OSError):
                found.append((each.stat().st_mtime_ns, Path(each.path)))
    return [path for _, path in sorted(found)]


def mark_used(folder: Path) -> None:
    """Says that an entry is used now. A cache that cannot be written is used all the same."""
    with suppress(OSError):
        os.utime(folder)


def measure_folder(folder: Path) -> int:
    """The bytes of an entry's files, as far as they are there."""
    total = 0
    with suppress(OSError):
        for each in os.scandir(folder):
            total += each.stat(follow_symlinks=False).st_size
    return total


@contextmanager
def lock_cache(cache: Path) -> Iterator[None]:
    """Holds the lock of those who write. Raises Unusable where another has it; it is never waited for.

    Where the disk or the system has no locks, two may write at once: then one of them may lose its entry, and nothing goes wrong.
    """
    try:
        lock = take_lock(cache / LOCK)
    except BlockingIOError:
        raise Unusable("another model is being written to the cache") from None
    try:
        yield
    finally:
        free_lock(lock)


@contextmanager
def private_folder(cache: Path) -> Iterator[Path]:
    """A new folder in the cache to write an entry in; what is left of it in the end is removed. The caller holds the lock."""
    remove_leftovers(cache)
    folder = cache / f"{PRIVATE}{os.getpid()}-{os.urandom(4).hex()}"
    folder.mkdir(0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(cache: Path) -> None:
    """Removes what killed processes left. The caller holds the lock, so that nobody is writing."""
    for name in os.listdir(cache):
        if name.startswith(PRIVATE):
            shutil.rmtree(cache / name, ignore_errors=True)


def place_entry(private: Path, place: Path) -> None:
    """Gives a written entry its place, on the disk, too; one that is there already goes. Raises OSError. The caller holds the lock."""
    for each in private.iterdir():
        force_to_disk(each)
    force_to_disk(private)
    remove_entry(place)
    os.replace(private, place)
    force_to_disk(place.parent)


def remove_entry(folder: Path) -> bool:
    """Removes an entry under another name, so that no reader finds half of it; whether it is gone."""
    gone = folder.with_name(f"{PRIVATE}{os.getpid()}-{os.urandom(4).hex()}")
    try:
        os.replace(folder, gone)
    except OSError:
        return not folder.exists()
    shutil.rmtree(gone, ignore_errors=True)
    return True


def make_room(cache: Path, bound: int, keep: Path | None = None, extra_bytes: int = 0) -> int:
    """Removes entries, the least recently used first, until all and `extra_bytes` are within `bound`; how many. `keep` stays."""
    folders = [each for each in list_folders(cache) if each != keep]
    sizes = {each: measure_folder(each) for each in folders}
    total, removed = sum(sizes.values()) + extra_bytes, 0
    for each in folders:
        if total <= bound:
            break
        if remove_entry(each):
            total, removed = total - sizes[each], removed + 1
    return removed


def read_entries(cache: Path) -> list[tuple[Path, CacheEntry | None]]:
    """All entries by their folders, the most recently used first; None for one whose notes are damaged."""
    return [(each, read_notes(each)) for each in reversed(list_folders(cache))]
