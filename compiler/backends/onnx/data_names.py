"""Which data files an ONNX file names: read from its protobuf fields, without onnx and without its tensors.

It is asked of every file of a folder before data is removed there. What is no ONNX model names none. runtime/wire.py reads protobuf,
too, and asks of each field whether archc would write it; the compiler may not import the runtime, and here any tool's files count.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path

from ...content_names import ONNX_DATA, content_names

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_FIELDS = 5_000_000  # of a whole file: some seconds
MAX_OUTSIDE = 2**16  # bytes of a tensor whose data is outside, its name included
DATA_SUFFIX = ONNX_DATA
CONTENT_NAME = content_names(DATA_SUFFIX)


def named_data(path: Path) -> dict[str, bool]:
    """The data files that the model `path` names, and whether archc wrote each for it.

    That is so where archc wrote the model, and the name is of the form that archc gives: `<model>-<digest>.onnx.data`, or of
    earlier versions `<model>.onnx.data`. Raises OSError where the file cannot be read, or has too many fields to be read whole.
    """
    with path.open("rb") as file:
        # the field of the IR version comes first
        if file.read(1) != b"\x08":
            return {}
        with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            try:
                own, names = read_names(data)
            except (ValueError, IndexError):
                return {}
    return {name: own and (name == f"{path.name}.data" or bool(CONTENT_NAME.fullmatch(name))) for name in names}


def read_names(data: mmap) -> tuple[bool, set[str]]:
    """Whether archc wrote a model, and the locations of its initializers. Raises ValueError or IndexError for what is no model."""
    own = False
    names: set[str] = set()
    left = iter(range(MAX_FIELDS))
    for field, start, end in fields(data, 0, len(data), left):
        if field == 2:
            own = data[start:end] == b"archc"
        elif field == 7:
            for inner, at, stop in fields(data, start, end, left):
                if inner != 5:
                    continue
                # all large tensors are in one place, and here it is the model: most are, and are known by the first
                if own and stop - at > MAX_OUTSIDE:
                    return own, names
                names |= set(locations(data, at, stop, left))
    return own, names


def locations(data: mmap, start: int, end: int, left: Iterator[int]) -> Iterator[str]:
    """The values of `location` among a tensor's external data, its field 13."""
    for field, at, stop in fields(data, start, end, left):
        if field == 13:
            entry = {key: data[a:b] for key, a, b in fields(data, at, stop, left)}
            if entry.get(1) == b"location":
                yield entry.get(2, b"").decode("utf-8", "replace")


def fields(data: mmap, at: int, end: int, left: Iterator[int]) -> Iterator[tuple[int, int, int]]:
    """The fields of bytes between `at` and `end`, each with its number and where its bytes are; others are passed over.

    Each takes one of `left`. Raises OSError where there are none, ValueError or IndexError where that is no protobuf.
    """
    while at < end:
        if next(left, None) is None:
            raise OSError(errno.EFBIG, "too many fields")
        key, at = varint(data, at)
        length = {FIXED64: 8, FIXED32: 4}.get(key & 7, 0)
        if key & 7 in (VARINT, BYTES):
            value, at = varint(data, at)
            length = value if key & 7 == BYTES else 0
        elif not length:
            raise ValueError("no field")
        if at + length > end:
            raise ValueError("a field is cut off")
        if key & 7 == BYTES:
            yield key >> 3, at, at + length
        at += length


def varint(data: mmap, at: int) -> tuple[int, int]:
    """The number at `at`, seven bits a byte, and where it ends."""
    value = shift = 0
    while shift < 64:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("a number is too long")
