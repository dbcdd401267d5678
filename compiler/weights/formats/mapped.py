"""A file's bytes without reading them: pages come from the disk when an array over them is used."""

from __future__ import annotations

import mmap
import os
from pathlib import Path


def map_file(path: Path, limit: int | None = None) -> mmap.mmap:
    """A file's bytes, the first `limit` at most, mapped and read-only. The file must not be empty."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return mmap.mmap(file.fileno(), size if limit is None else min(size, limit), access=mmap.ACCESS_READ)
