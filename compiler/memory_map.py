"""Maps a file into memory: nothing is read before it is used, and nothing stays in memory after it.

Large tensors are read a block at a time, so that no file of weights is ever in memory as a whole.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK = 4 * 2**20  # bytes that are used at once: no more pages of a map are in memory


class FileMap(mmap.mmap):
    """A read-only map of a file. The system counts its pages as memory of the process from their first use until they are given back.

    To give them back is always safe: they come again, from the system's cache of the file, when they are read again.
    """

    used = 0

    def view(self, begin: int, end: int) -> memoryview:
        """The bytes from `begin` to `end`; fewer where the file ends before. What was used of earlier views is given back."""
        if self.used >= BLOCK:
            self.give_back()
        self.used += end - begin
        return memoryview(self)[begin:end]

    def give_back(self) -> None:
        """Gives all pages back. On Windows a file has no such call, and the system does it when memory is short."""
        if hasattr(self, "madvise"):
            self.madvise(mmap.MADV_DONTNEED)
        self.used = 0


def map_file(path: Path, limit: int | None = None) -> FileMap:
    """A read-only map of a file's bytes, of the first `limit` at most. The file must not be empty."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return FileMap(file.fileno(), size if limit is None else min(size, limit), access=mmap.ACCESS_READ)


def blocks(array: Any) -> Iterator[Any]:
    """The numbers of a numpy array in their order, as flat arrays of at most BLOCK bytes; of a mapped file no more is in memory at once."""
    import numpy as np

    flat = np.ascontiguousarray(array).reshape(-1)
    step = BLOCK // flat.itemsize
    for begin in range(0, flat.size, step):
        yield flat[begin : begin + step]
        if flat.size > step:
            give_back_pages(flat)


def give_back_pages(array: Any) -> None:
    """Gives back the pages of the map that a numpy array is a view of; of an array in memory there is nothing to give."""
    owner = array
    while (base := getattr(owner, "base", None)) is not None:
        owner = base
    # numpy passes the view by, and keeps what it is a view of
    if isinstance(owner, FileMap):
        owner.give_back()
