"""Reads .safetensors by a memory map: a JSON header, then the tensors' bytes. Nothing is copied until it is used."""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...diagnostics import Failure
from ...ir.dtypes import BF16, BOOL, F16, F32, F64, I8, I16, I32, I64, U8, DType

MAX_HEADER = 100 * 2**20
TYPES = {
    dtype.name.upper(): dtype for dtype in (F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL)
}  # as its header names them


def damaged(path: Path, why: str) -> Failure:
    return Failure("checkpoint-damaged", f"{path.name} is no sound checkpoint: {why}", "download or save it again")


class SafetensorsFile:
    """A weight source over one mapped file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.entries, self.start = header(path, self.map)

    def names(self) -> Iterable[str]:
        return self.entries

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.entries[name]["shape"])

    def dtype(self, name: str) -> DType:
        return TYPES[self.entries[name]["dtype"]]

    def get(self, name: str) -> Any:
        begin, end = self.entries[name]["data_offsets"]
        return self.dtype(name).decode(memoryview(self.map)[self.start + begin : self.start + end], self.shape(name))


def header(path: Path, data: mmap.mmap) -> tuple[dict[str, Any], int]:
    """The entries by name, each checked: known type, sizes that fit, offsets inside the file, no overlap."""
    if len(data) < 8:
        raise damaged(path, "it is cut off before its header")
    size = struct.unpack("<Q", data[:8])[0]
    if size > MAX_HEADER or 8 + size > len(data):
        raise damaged(path, f"its header says {size} bytes, the file has {len(data)}")
    try:
        entries = json.loads(data[8 : 8 + size].decode("utf-8"), object_pairs_hook=lambda pairs: once(path, pairs))
    except (ValueError, RecursionError):
        raise damaged(path, "its header is no JSON") from None
    if not isinstance(entries, dict):
        raise damaged(path, "its header is no mapping")
    entries.pop("__metadata__", None)
    room, last = len(data) - 8 - size, 0
    for name, entry in sorted(entries.items(), key=lambda e: offsets(path, e[0], e[1])):
        begin, end = offsets(path, name, entry)
        count = 1
        for d in entry["shape"]:
            count *= d
        if begin != last or end > room:
            raise damaged(
                path,
                f"`{name[:80]}` lies outside the file, over another tensor or behind a hole: it is cut off or made up",
            )
        if end - begin != count * TYPES[entry["dtype"]].size_bytes:
            raise damaged(path, f"`{name[:80]}` has {end - begin} bytes for {count} numbers")
        last = end
    if last != room:
        raise damaged(path, f"{room - last} bytes behind its last tensor belong to nothing")
    return entries, 8 + size


def offsets(path: Path, name: str, entry: Any) -> tuple[int, int]:
    try:
        (begin, end), shape = entry["data_offsets"], entry["shape"]
        sound = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in (begin, end, *shape))
        if sound and begin <= end and entry["dtype"] in TYPES and isinstance(shape, list):
            return begin, end
    except (TypeError, KeyError, ValueError):
        pass
    raise damaged(path, f"the entry `{name[:80]}` has no sound dtype, shape and data_offsets")


def once(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise damaged(path, f"`{twice[:80]}` stands twice in its header")
    return found
