"""The files of MNIST and Fashion-MNIST (idx, plain or compressed by gzip), found by their usual names.

Source: the format is described at the end of LeCun's page of MNIST: 0, 0, a type, the number of dimensions, their sizes (big-endian), the values.
"""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...compiler.counts import count_of
from ...compiler.diagnostics import Failure

if TYPE_CHECKING:
    import numpy as np

UNSIGNED_BYTES = 8
# for how many values there may be: 64 times ImageNet in 224×224 would not be in such a file
MOST_BYTES = 2**36
NAMES = {3: ("{}-images-idx3-ubyte", "{}-images.idx3-ubyte"), 1: ("{}-labels-idx1-ubyte", "{}-labels.idx1-ubyte")}


class IdxFiles(NamedTuple):
    """The files with the pictures and with their classes."""

    images: Path
    labels: Path


def find_idx(folder: Path, part: str) -> IdxFiles | None:
    """The two files of a part (`train`, `t10k`) in a folder, if they are there.

    Raises Failure `no-pictures` where only one of them is.
    """
    found = {kind: next((path for name in names for end in ("", ".gz") if (path := folder / (name.format(part) + end)).is_file()), None)
             for kind, names in NAMES.items()}  # fmt: skip
    images, labels = found[3], found[1]
    if images and labels:
        return IdxFiles(images, labels)
    if images or labels:
        there, missing = (images, NAMES[1]) if images else (labels, NAMES[3])
        raise Failure(
            "no-pictures",
            f"`{there}` is there, but not `{missing[0].format(part)}`, plain or as .gz",
            "put both files into one folder",
        )
    return None


def read_idx(files: IdxFiles) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Pictures uint8 (n, H, W) and classes uint8 (n,). Raises Failure `data-damaged` where the files are cut off, or not of these kinds."""
    images, labels = read_values(files.images, 3), read_values(files.labels, 1)
    if len(images) != len(labels):
        raise Failure("data-damaged", f"`{files.images}` has {count_of(len(images), 'picture')}, `{files.labels}` {count_of(len(labels), 'class')}",
                      "load both files again from one place")  # fmt: skip
    if not images.size:
        raise Failure("no-pictures", f"`{files.images}` has no picture")
    return images, labels


def read_values(path: Path, rank: int) -> np.ndarray[Any, Any]:
    """The values of one file with so many dimensions; a plain file is mapped, and not read."""
    import numpy as np

    packed = path.suffix == ".gz"
    try:
        with gzip.open(path) if packed else open(path, "rb") as file:
            start = file.read(4 + 4 * rank)
            sizes = parse_sizes(start, rank, path)
            count = int(np.prod(sizes, dtype=object))
            if count > MOST_BYTES:
                raise Failure("data-damaged", f"`{path}` says that it holds {count:,} values: its sizes are {sizes}")
            if packed:
                content = file.read(count + 1)
                check_size(len(content), count, path, sizes, more=len(content) > count)
                return np.frombuffer(content, np.uint8).reshape(sizes)
        there = os.path.getsize(path) - len(start)
        check_size(there, count, path, sizes, more=there > count)
        if not count:
            return np.empty(sizes, np.uint8)
        return np.memmap(path, np.uint8, "r", len(start), sizes)
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Failure("data-damaged", f"`{path}` cannot be read: {why.rstrip('.').lower()}", "load it again") from None


def parse_sizes(start: bytes, rank: int, path: Path) -> tuple[int, ...]:
    """The sizes of the dimensions, of a file's first bytes."""
    what = "pictures" if rank == 3 else "classes"
    if len(start) < 4 + 4 * rank:
        raise Failure("data-damaged", f"`{path}` is cut off in its first {4 + 4 * rank} bytes", "load it again")
    zero, kind, dimensions = struct.unpack(">HBB", start[:4])
    if zero or kind != UNSIGNED_BYTES or dimensions != rank:
        expected = f"{UNSIGNED_BYTES << 8 | rank:#010x}"
        raise Failure("data-damaged", f"`{path}` is no idx file of {what}: it begins with 0x{start[:4].hex()}, not {expected}",
                      "take MNIST's own files, or others in their form (unsigned bytes)")  # fmt: skip
    return struct.unpack(f">{rank}I", start[4:])


def check_size(there: int, count: int, path: Path, sizes: tuple[int, ...], more: bool) -> None:
    """Raises Failure `data-damaged` where a file has another number of values than its sizes say."""
    if there != count:
        told = "more values" if more else f"only {there:,} values"
        raise Failure("data-damaged", f"`{path}` has {told}, its sizes {'×'.join(map(str, sizes))} say {count:,}",
                      "it may be cut off: load it again")  # fmt: skip
