"""What a process that runs a model and the one that asks it say to each other: a head in JSON, and the arrays' bytes behind it.

Nothing here can carry code, as a pickle can; and the reader trusts no number of the other's.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, BinaryIO

LENGTHS = struct.Struct("<QQ")
MIB = 2**20
# bytes of a head in JSON, which holds all texts
MAX_HEAD = 64 * MIB
# numpy's kinds of numbers
KINDS = "biufc"
MAX_NEST = 16


class BrokenFrame(Exception):
    """The other side has gone, or says what makes no sense."""


class FrameTooLarge(BrokenFrame):
    """A frame of more than may be sent; the message says how much that is."""

    @classmethod
    def of_texts(cls) -> FrameTooLarge:
        """For a head of over MAX_HEAD bytes."""
        return cls(f"more than {MAX_HEAD // MIB:,} MiB of texts")


def write_frame(file: BinaryIO, head: Mapping[str, Any], values: Sequence[Any] = ()) -> None:
    """Writes `head` and the `values`: arrays, texts, numbers, None, and lists and mappings of these.

    Raises TypeError for any other value, FrameTooLarge for too many texts, before a byte is written, and OSError where nobody reads.
    """
    arrays: list[Any] = []
    described = [describe(value, arrays) for value in values]
    text = json.dumps({**head, "values": described}).encode()
    if len(text) > MAX_HEAD:
        raise FrameTooLarge.of_texts()
    file.write(LENGTHS.pack(len(text), sum(array.nbytes for array in arrays)) + text)
    for array in arrays:
        file.write(memoryview(array.reshape(-1)).cast("B") if array.size else b"")
    file.flush()


def describe(value: Any, arrays: list[Any]) -> dict[str, Any]:
    """A value as JSON says it; the bytes of its arrays follow in the order in which it adds them to `arrays`."""
    import numpy as np

    if isinstance(value, np.ndarray) and value.dtype.kind in KINDS:
        arrays.append(np.ascontiguousarray(value))
        return {"array": value.dtype.str, "shape": value.shape}
    if isinstance(value, np.ndarray) and value.dtype.kind in "OU":
        return {"texts": [str(each) for each in value.ravel().tolist()], "shape": value.shape}
    if value is None or isinstance(value, (str, int, float)):
        return {"plain": value}
    if isinstance(value, np.generic):
        return {"plain": value.item()}
    if isinstance(value, (list, tuple)):
        return {"list": [describe(each, arrays) for each in value]}
    if isinstance(value, dict):
        return {"map": [[describe(key, arrays), describe(each, arrays)] for key, each in value.items()]}
    raise TypeError(f"a {type(value).__name__}")


def read_frame(file: BinaryIO, most: int) -> tuple[dict[str, Any], list[Any]] | None:
    """The head and the values of the next frame; None where the other side has gone between two.

    Raises BrokenFrame for what is none, FrameTooLarge for one of over `most` bytes, or of too many texts.
    """
    start = file.read(LENGTHS.size)
    if not start:
        return None
    try:
        length, size = LENGTHS.unpack(start)
        if length > MAX_HEAD:
            raise FrameTooLarge.of_texts()
        if size > most:
            raise FrameTooLarge(f"more than {most // MIB:,} MiB of arrays")
        head = json.loads(file.read(length))
        data = memoryview(bytearray(size))
        # a buffered reader fills it, or the other side has gone
        if file.readinto(data) != size:  # type: ignore[attr-defined]
            raise BrokenFrame("cut off")
        values, left = [], data
        for described in head.pop("values"):
            value, left = restore(described, left)
            values.append(value)
        return head, values
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, struct.error) as error:
        raise BrokenFrame(str(error)) from None


def restore(described: Mapping[str, Any], data: memoryview, depth: int = 0) -> tuple[Any, memoryview]:
    """A value from its description, and the bytes that are left behind its own. Raises ValueError, or what a lookup raises."""
    import numpy as np

    if depth > MAX_NEST:
        raise ValueError("nested too deep")
    if "array" in described:
        dtype, shape = np.dtype(described["array"]), tuple(described["shape"])
        if dtype.kind not in KINDS or any(type(d) is not int or d < 0 for d in shape):
            raise ValueError("no array")
        size = dtype.itemsize * prod(shape)
        return np.frombuffer(data[:size], dtype).reshape(shape), data[size:]
    if "texts" in described:
        texts = np.empty(len(described["texts"]), object)
        texts[:] = [str(each) for each in described["texts"]]
        return texts.reshape(described["shape"]), data
    if "list" in described:
        items = []
        for each in described["list"]:
            item, data = restore(each, data, depth + 1)
            items.append(item)
        return items, data
    if "map" in described:
        pairs = {}
        for key, each in described["map"]:
            name, data = restore(key, data, depth + 1)
            pairs[name], data = restore(each, data, depth + 1)
        return pairs, data
    plain = described["plain"]
    if not isinstance(plain, (str, int, float, type(None))):
        raise ValueError("no value")
    return plain, data
