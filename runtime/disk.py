"""What is asked of a disk beside reading and writing: a lock on a file, and that what was written is there after the power has gone."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import BinaryIO


def take_lock(path: Path) -> int:
    """Locks a file, which is made where it is not there, and gives its descriptor; -1 where the system has no locks. A link is not followed.

    It never waits. A lock ends with its process, or by `free_lock`. On a disk without locks everyone gets one. Raises BlockingIOError where
    another process has it, or has just removed the file, and OSError where the file cannot be opened.
    """
    if sys.platform == "win32":
        return -1
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # who had it may have removed the file, and another made it anew
        taken = os.path.samestat(os.fstat(descriptor), path.stat())
    except (BlockingIOError, FileNotFoundError):
        taken = False
    except OSError:
        # a disk without locks
        taken = True
    except BaseException:
        os.close(descriptor)
        raise
    if not taken:
        os.close(descriptor)
        raise BlockingIOError(errno.EAGAIN, "another process has its lock", str(path))
    return descriptor


def free_lock(descriptor: int) -> None:
    """Gives back what `take_lock` gave."""
    if descriptor >= 0:
        os.close(descriptor)


def force_file(file: BinaryIO) -> None:
    """Waits until what was written to an open file is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def force_to_disk(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk. Raises OSError where a file cannot be."""
    is_folder = path.is_dir()
    try:
        descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        # Windows and some network disks have this for files alone, and a folder may take files and not be read
        if not is_folder:
            raise
