"""Reads .safetensors by a memory map: a JSON header, then the tensors' bytes. A tensor is read when it is used."""

from __future__ import annotations

import json
import math
import mmap
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...diagnostics import Failure
from ...ir.dtypes import DTYPES, DType
from ...memory_map import map_file
from ..source import Checkpoint, KeyedStateDict
from .damage import checkpoint_damaged

MAX_HEADER = 32 * 2**20  # bytes; a tensor takes about a hundred
MAX_DIMENSIONS = 64
MAX_NUMBER = 2**63  # of a size or an offset
MAX_PARTS = 1_500_000  # of the header's JSON; a tensor has about ten
# the element types by their names in a header
HEADER_DTYPES = {dtype.name.upper(): dtype for dtype in DTYPES.values() if dtype.kind != "complex"}


class SafetensorsFile:
    """A weight source over one memory-mapped file. Raises Failure where its header is not sound."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.map = map_file(path)
        entries, self.start = read_safetensors_header(path, self.map)
        self.entries = {name: entry for name, entry in entries.items() if entry["dtype"] in HEADER_DTYPES}
        self.refused = {name: str(entry["dtype"]) for name, entry in entries.items() if name not in self.entries}

    def names(self) -> Iterable[str]:
        return self.entries

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.entries[name]["shape"])

    def dtype(self, name: str) -> DType:
        return HEADER_DTYPES[self.entries[name]["dtype"]]

    def get(self, name: str) -> Any:
        begin, end = self.entries[name]["data_offsets"]
        data = self.map.view(self.start + begin, self.start + end)
        return self.dtype(name).decode(data, self.shape(name))


def open_file(path: Path) -> Checkpoint:
    """The one state dict of the file. Raises Failure where the file is damaged."""
    source = SafetensorsFile(path)
    state_dicts = (KeyedStateDict("", source, source.refused),) if source.entries else ()
    return Checkpoint(path.name, state_dicts, "no tensor at all")


def read_safetensors_header(path: Path, data: mmap.mmap) -> tuple[dict[str, Any], int]:
    """The header's entries by tensor name, and where in the file the tensors' bytes begin.

    Raises Failure unless every entry is sound, and the tensors fill the rest of the file without holes and overlaps.
    """
    if len(data) < 8:
        raise checkpoint_damaged(path, "it is cut off before its header")
    size = struct.unpack("<Q", data[:8])[0]
    if 8 + size > len(data):
        raise checkpoint_damaged(path, f"its header says {size} bytes, the file has {len(data)}")
    parts = 0 if size > MAX_HEADER else count_parts(data[8 : 8 + size])
    if size > MAX_HEADER or parts > MAX_PARTS:
        what = f"{size:,} bytes" if size > MAX_HEADER else f"{parts:,} parts"
        limits = f"{MAX_HEADER:,} bytes and {MAX_PARTS:,} parts"
        raise Failure("checkpoint-refused", f"the header of {path.name} has {what}; {limits} are read at most",
                      "save the weights alone, without large metadata")  # fmt: skip
    try:
        text = data[8 : 8 + size].decode("utf-8")
        entries = json.loads(text, object_pairs_hook=lambda pairs: reject_duplicates(path, pairs))
    except (ValueError, RecursionError):
        raise checkpoint_damaged(path, "its header is no JSON") from None
    if not isinstance(entries, dict):
        raise checkpoint_damaged(path, "its header is no mapping")
    entries.pop("__metadata__", None)
    check_layout(path, entries, len(data) - 8 - size)
    return entries, 8 + size


def count_parts(header: bytes) -> int:
    """How many values a header's JSON has at most, before it is parsed: each follows a comma or a bracket."""
    return sum(map(header.count, (b",", b"{", b"[")))


def check_layout(path: Path, entries: dict[str, Any], room: int) -> None:
    """Raises Failure unless the tensors fill `room` bytes one after the other, each as many as its shape and dtype take."""
    last = 0
    for name, entry in sorted(entries.items(), key=lambda item: data_offsets(path, *item)):
        begin, end = data_offsets(path, name, entry)
        if end > room:
            raise checkpoint_damaged(
                path, f"`{name[:80]}` claims bytes up to {end:,}, but the file holds {room:,} of tensors"
            )
        if begin != last:
            raise checkpoint_damaged(
                path,
                f"`{name[:80]}` lies outside the file, over another tensor or behind a hole: it is cut off or made up",
            )
        count, dtype = math.prod(entry["shape"]), HEADER_DTYPES.get(entry["dtype"])
        if dtype and end - begin != count * dtype.size_bytes:
            raise checkpoint_damaged(path, f"`{name[:80]}` has {end - begin} bytes for {count} numbers")
        last = end
    if last != room:
        raise checkpoint_damaged(path, f"{room - last} bytes behind its last tensor belong to nothing")


def data_offsets(path: Path, name: str, entry: Any) -> tuple[int, int]:
    """Where a tensor's bytes begin and end. Raises Failure unless its dtype, shape and offsets are sound."""
    try:
        (begin, end), shape = entry["data_offsets"], entry["shape"]
        sound = isinstance(shape, list) and len(shape) <= MAX_DIMENSIONS and isinstance(entry["dtype"], str)
        if sound and all(type(n) is int and 0 <= n < MAX_NUMBER for n in (begin, end, *shape)) and begin <= end:
            return begin, end
    except (TypeError, KeyError, ValueError):
        pass
    raise checkpoint_damaged(path, f"the entry `{name[:80]}` has no sound dtype, shape and data_offsets")


def reject_duplicates(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object as a dict. Raises Failure where it has a name twice."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise checkpoint_damaged(path, f"`{name[:80]}` stands twice in its header")
        found[name] = value
    return found
