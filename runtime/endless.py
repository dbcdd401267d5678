"""Devices without an end, as /dev/zero: a text that is read whole must not be one."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def refuse_endless(path: str | os.PathLike[str]) -> None:
    """Raises OSError for a device, or a link to one; a terminal ends, and os.devnull is empty. A pipe may be a shell's `<(…)`."""
    found = os.stat(path)
    if not (stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode)) or os.path.samefile(path, os.devnull):
        return
    with Path(path).open("rb", buffering=0) as file:
        if not file.isatty():
            raise OSError(errno.EINVAL, "it is a device, which has no end")
