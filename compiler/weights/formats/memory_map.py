"""Maps a file into memory: nothing is read before it is used."""

from __future__ import annotations

import mmap
import os
from pathlib import Path


def map_file(path: Path, limit: int | None = None) -> mmap.mmap:
    """A read-only map of a file's bytes, of the first `limit` at most. The file must not be empty."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return mmap.mmap(file.fileno(), size if limit is None else min(size, limit), access=mmap.ACCESS_READ)
