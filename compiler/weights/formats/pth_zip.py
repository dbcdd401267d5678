"""The zip of torch 1.6 and later: `<name>/data.pkl`, and an uncompressed record `<name>/data/<key>` for each storage."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Collection
from mmap import mmap
from pathlib import Path
from zlib import crc32

from ...diagnostics import Failure
from ...memory_map import BLOCK, map_file
from ..source import Checkpoint
from .damage import checkpoint_damaged
from .pickles import MAX_PICKLE, RESAVE, PickleMachine
from .pth import check_claims, open_container

MAX_DIRECTORY = 8 * 2**20  # bytes; a record takes some 70, and zipfile reads 100,000 of them in half a second
END, END_64 = 22, 56  # bytes of the record that ends a zip, before a comment, and of the one for large zips
LOCATOR_64 = 20  # bytes between the two
LOCAL_HEADER = 30  # bytes of a zip's local header before the name; the lengths of name and extra field end it


class ZipContainer:
    """The storages of such a zip. A record's checksum is verified when the record is first read; its bytes are not copied."""

    def __init__(self, path: Path) -> None:
        """Reads the directory and the pickle. Raises Failure for a zip that is damaged, or that torch did not write."""
        self.path = path
        self.map = map_file(path)
        size = directory_size(self.map)
        if size > MAX_DIRECTORY:
            raise Failure(
                "checkpoint-refused",
                f"the zip directory of {path.name} has {size:,} bytes; {MAX_DIRECTORY:,} are read at most",
                RESAVE,
            )
        try:
            self.zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            raise checkpoint_damaged(path, "its zip archive is cut off or damaged") from None
        self.records = {info.filename: info for info in self.zip.infolist()}
        self.places: dict[str, int] = {}
        pickles = [name for name in self.records if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise foreign_zip(path, self.records)
        self.folder = pickles[0].removesuffix("data.pkl")
        order = f"{self.folder}byteorder"
        if order in self.records and self.record(order) != b"little":
            raise checkpoint_damaged(path, "it is of a big-endian machine")
        size = self.records[pickles[0]].file_size
        if size > MAX_PICKLE:
            raise Failure("checkpoint-refused", f"the pickle in {path.name} has {size:,} bytes; {MAX_PICKLE:,} are read at most",
                          RESAVE)  # fmt: skip
        machine = PickleMachine(path)
        begin = self.find_record(pickles[0])
        with map_file(path, begin + size) as head:
            head.seek(begin)
            self.content, self.unknown = machine.run(head), tuple(machine.unknown)
        check_claims(path, machine, self)

    def size(self, storage: str) -> int | None:
        info = self.records.get(f"{self.folder}data/{storage}")
        return None if info is None else info.file_size

    def read(self, storage: str, begin: int, end: int) -> memoryview:
        place = self.find_record(f"{self.folder}data/{storage}")
        return self.map.view(place + begin, place + end)

    def record(self, name: str) -> bytes:
        """The bytes of a whole record. Raises Failure as find_record does."""
        begin = self.find_record(name)
        return self.map[begin : begin + self.records[name].file_size]

    def find_record(self, name: str) -> int:
        """Where a record's bytes begin in the file. Raises Failure where they are compressed, cut off or changed."""
        if name not in self.places:
            info = self.records[name]
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise Failure("checkpoint-refused", f"{self.path.name} is a zip with compressed records, which torch never writes",
                              RESAVE)  # fmt: skip
            self.verify_header(info)
            name_length, extra_length = struct.unpack_from("<HH", self.map, info.header_offset + LOCAL_HEADER - 4)
            begin = info.header_offset + LOCAL_HEADER + name_length + extra_length
            end = begin + info.file_size
            if end > len(self.map) or self.checksum(begin, end) != info.CRC:
                raise self.damaged(info)
            self.places[name] = begin
        return self.places[name]

    def checksum(self, begin: int, end: int) -> int:
        """The CRC-32 of the file's bytes from `begin` to `end`. It is over the map, as zipfile would copy every byte."""
        found = 0
        for at in range(begin, end, BLOCK):
            found = crc32(self.map.view(at, min(at + BLOCK, end)), found)
        return found

    def verify_header(self, info: zipfile.ZipInfo) -> None:
        """Opens a record, for zipfile to compare its header with the directory's. Raises Failure where they differ."""
        try:
            self.zip.open(info).close()
        except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, ValueError, NotImplementedError):
            raise self.damaged(info) from None

    def damaged(self, info: zipfile.ZipInfo) -> Failure:
        return checkpoint_damaged(self.path, f"the record {info.filename[:80]} is cut off or damaged")


def directory_size(data: mmap) -> int:
    """How many bytes the directory of a zip has, as zipfile will read it; 0 where there is no end of a zip."""
    tail = data[max(0, len(data) - END - 2**16) :]
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) - end < END:
        return 0
    begin = end - LOCATOR_64 - END_64
    if begin >= 0 and tail[end - LOCATOR_64 :].startswith(b"PK\6\7") and tail[begin:].startswith(b"PK\6\6"):
        return int(struct.unpack_from("<Q", tail, begin + 40)[0])
    return int(struct.unpack_from("<I", tail, end + 12)[0])


def foreign_zip(path: Path, names: Collection[str]) -> Failure:
    """The failure for a zip that is no .pth, by what is in it."""
    if any(name.endswith(".npy") for name in names):
        return Failure("checkpoint-refused", f"{path.name} holds NumPy arrays (.npz)",
                       "give them from Python: weights=dict(numpy.load(…)), or save them as .safetensors")  # fmt: skip
    if any("models/" in name or "archive_format" in name for name in names):
        return Failure("checkpoint-refused", f"{path.name} is a program of torch.export (.pt2), not weights",
                       "save the weights alone: torch.save(module.state_dict(), …)")  # fmt: skip
    return checkpoint_damaged(path, "it holds no state dict of torch (data.pkl)")


def open_file(path: Path) -> Checkpoint:
    """The state dicts of the file. Raises Failure for a zip that is damaged, or that torch did not write."""
    return open_container(path, ZipContainer(path))
