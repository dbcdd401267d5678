"""Who has a run: one at a time begins it or goes on with it. A lock on RUN/.lock says so; it ends with its process, however that ends.

What a run begins with is in RUN before run.json is. Where it does not come to that, all of it is taken back.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..compiler.diagnostics import Failure
from ..compiler.files import remove_left
from ..runtime.disk import free_lock, take_lock
from .broken import NAME as BROKEN
from .metrics import NAME as METRICS
from .run_folder import OWN, STARTED, RunFolder
from .tables import cut_torn_end

NAME = ".lock"
TABLES = (METRICS, BROKEN)
# a worker that was forked would keep the lock of a run that was killed
HELD: set[int] = set()


def close_held() -> None:
    """Closes the locks of the process that this one was forked from, which keeps them."""
    for descriptor in HELD:
        with suppress(OSError):
            os.close(descriptor)
    HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=close_held)


@contextmanager
def hold_run(folder: RunFolder, new: bool) -> Iterator[None]:
    """Inside the block nobody else begins or goes on with the run. A `new` one gets its folder; if the block ends by an error before run.json
    is there, what is in the folder goes again. Elsewhere what killed processes left of unfinished files goes.

    Raises Failure `run-in-use` where another process has the run, `run-exists` where it was begun meanwhile, and `cannot-write`.
    """
    made = new and not folder.path.exists()
    lock = lock_run(folder, new)
    try:
        if new:
            folder.check_new()
            # what a beginning left that was killed
            take_back(folder)
        else:
            remove_leavings(folder)
        try:
            yield
        except BaseException:
            if new and not folder.record.exists():
                take_back(folder)
            raise
    finally:
        with suppress(OSError):
            if lock >= 0:
                (folder.path / NAME).unlink()
            if made:
                # only one with nothing in it goes
                folder.path.rmdir()
        HELD.discard(lock)
        free_lock(lock)


def lock_run(folder: RunFolder, new: bool) -> int:
    """Takes the lock of a run, whose folder is made where it is `new`; gives the lock's descriptor, -1 where there are no locks."""
    try:
        if new:
            folder.path.mkdir(parents=True, exist_ok=True)
        lock = take_lock(folder.path / NAME)
    except BlockingIOError:
        raise Failure("run-in-use", f"another process trains in `{folder.path}` right now",
                      "wait until it has ended, or end it; a run that was killed is free at once", 3) from None  # fmt: skip
    except OSError as error:
        what = "made" if not folder.path.is_dir() else "written to"
        raise Failure("cannot-write", f"`{folder.path}` cannot be {what}: {error.strerror}", "give -o another name" if new else "its owner can allow it", 3) from None  # fmt: skip
    if lock >= 0:
        HELD.add(lock)
    return lock


def take_back(folder: RunFolder) -> None:
    """Removes what a run begins with; check_new has seen that there is nothing else."""
    for name in (*OWN, *STARTED):
        place = folder.path / name
        with suppress(OSError):
            shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()


def remove_leavings(folder: RunFolder) -> None:
    """Removes the private folders in which killed processes wrote files of the run, and the rows that they did not write whole."""
    for name in TABLES:
        with suppress(OSError):
            cut_torn_end(folder.path / name)
    for place in (folder.path, folder.checkpoints):
        if place.is_dir():
            with suppress(OSError):
                remove_left(Path(place))
