"""Large tensors a block at a time, so that no file of weights is ever in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .formats.memory_map import give_back_pages

BLOCK = 4 * 2**20  # bytes


def blocks(array: Any) -> Iterator[Any]:
    """The numbers of an array in their order, as flat arrays of at most BLOCK bytes; of a mapped file no more is in memory at once."""
    import numpy as np

    flat = np.ascontiguousarray(array).reshape(-1)
    step = BLOCK // flat.itemsize
    for begin in range(0, flat.size, step):
        yield flat[begin : begin + step]
        if flat.size > step:
            give_back_pages(flat)
