"""Output files appear whole or not at all: written under a temporary name, forced to disk, then renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from .diagnostics import Failure

SUFFIX = ".archc-partial"


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a temporary path in the folder of `path`, and renames it to `path` when the block ends without an error.

    Raises Failure (environment or usage) where the file cannot be written; then `path` is as it was.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}{SUFFIX}")
    try:
        remove_stale(path)
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise write_failure(path, error) from error
    finally:
        with suppress(OSError):
            partial.unlink()


def remove_stale(path: Path) -> None:
    """Removes the temporary files of `path` that killed processes left; a process that still runs keeps its own."""
    for stale in path.parent.glob(f".{escape(path.name)}.*{SUFFIX}"):
        pid = stale.name.removesuffix(SUFFIX).rpartition(".")[2]
        if pid.isdigit() and not is_running(int(pid)):
            with suppress(OSError):
                stale.unlink()


def is_running(pid: int) -> bool:
    """Whether a process with this id exists.

    On Windows the answer is always yes: os.kill, which asks here, would end it there.
    """
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it exists, and belongs to another user
        return True
    return True


def write_failure(path: Path, error: OSError) -> Failure:
    """The Failure that says why `path` cannot be written: no space, no folder, no permission."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Failure(
            "disk-full",
            f"there is no space left to write {path.name}",
            "free some space, or write elsewhere with -o",
            3,
        )
    if not path.parent.is_dir():
        return Failure(
            "no-such-folder", f"there is no folder `{path.parent}` to write {path.name} to", "make it first", 2
        )
    return Failure("cannot-write", f"{path} cannot be written: {error.strerror or error}", exit_code=3)
