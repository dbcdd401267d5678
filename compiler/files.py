"""Outputs appear whole or not at all: written beside their place, forced to disk, then renamed."""

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
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, and renames it there when the block ends well. Raises Failure (environment)."""
    partial = path.with_name(f".{path.name}.{os.getpid()}{SUFFIX}")
    try:
        clear_stale(path)
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            partial.unlink()


def clear_stale(path: Path) -> None:
    """Removes what a killed process left beside `path`; one that still runs keeps its own."""
    for stale in path.parent.glob(f".{escape(path.name)}.*{SUFFIX}"):
        pid = stale.name.removesuffix(SUFFIX).rpartition(".")[2]
        if pid.isdigit() and not running(int(pid)):
            with suppress(OSError):
                stale.unlink()


def running(pid: int) -> bool:
    """Whether a process is there; where that cannot be asked without harm (os.kill ends it on Windows), it is."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def cannot_write(path: Path, error: OSError) -> Failure:
    """The failure of a write in words: no space, no folder, no permission."""
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
