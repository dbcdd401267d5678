"""Reads torch's .pth: a pickle that describes tensors (pickles.py), and their numbers.

Two containers are in use. Since torch 1.6 it is a stored zip with one record a storage. Before, it was five pickles one
after the other, then the storages; most of the checkpoints that torchvision serves are still such files. In both, sizes
are checked against what is there, so nothing is allocated that is not.
"""

from __future__ import annotations

import io
import math
import mmap
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from ...diagnostics import Failure
from ...ir.dtypes import DTYPES, DType
from .pickles import Machine, Stored
from .safetensors import damaged

MAX_PICKLE = 64 * 2**20
MAX_TENSORS = 100_000
# averaged weights come first, as timm's own loader prefers them
WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict")
OLD_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # a pickle of one number, 0x1950A86A20F9469CFC6C
OLD_VERSION = 1001


class Container(Protocol):
    """What holds the pickle and the storages."""

    content: Any

    def size(self, storage: str) -> int | None:
        """Bytes of a storage; None where there is none of that key."""

    def read(self, storage: str) -> Any:
        """Its bytes."""


class Zip:
    """A stored zip: `<name>/data.pkl`, and `<name>/data/<key>` for each storage."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            raise damaged(path, "its zip archive is cut off or damaged") from None
        self.records = {info.filename: info for info in self.zip.infolist()}
        pickles = [name for name in self.records if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise damaged(path, "it holds no state dict of torch (data.pkl)")
        self.folder = pickles[0].removesuffix("data.pkl")
        if self.records[pickles[0]].file_size > MAX_PICKLE:
            raise damaged(path, "its pickle is larger than any state dict's")
        self.content = Machine(path).run(self.record(pickles[0]))

    def record(self, name: str) -> bytes:
        info = self.records.get(name)
        if info is None:
            raise damaged(self.path, f"the record {name[:80]} is missing")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise damaged(self.path, "a record is compressed, which torch never does")
        try:
            return self.zip.read(info)
        except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError):
            raise damaged(self.path, f"the record {name[:80]} is cut off or damaged") from None

    def size(self, storage: str) -> int | None:
        info = self.records.get(f"{self.folder}data/{storage}")
        return None if info is None else info.file_size

    def read(self, storage: str) -> bytes:
        return self.record(f"{self.folder}data/{storage}")


class Old:
    """The form before torch 1.6: pickles of a magic number, a version, the machine, the content and the storages' keys;
    then for each key the number of elements (int64) and their bytes."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        head, machine = io.BytesIO(self.map[:MAX_PICKLE]), Machine(path)
        _, version, system, self.content, keys = (machine.run(head) for _ in range(5))
        if version != OLD_VERSION or not isinstance(system, dict) or system.get("little_endian") is not True:
            raise damaged(path, "it is of an unknown version, or of a big-endian machine")
        self.places: dict[str, tuple[int, int]] = {}
        at = head.tell()
        for key in keys if isinstance(keys, list) else []:
            storage = machine.storages.get(str(key)) if isinstance(key, (str, int)) else None
            if storage is None:
                raise damaged(path, "it holds numbers that belong to no tensor")
            count = int.from_bytes(self.map[at : at + 8], "little", signed=True)
            self.places[str(key)] = (at + 8, count * storage.width)
            at += 8 + count * storage.width
            if count < 0 or at > len(self.map):
                raise damaged(path, "it is cut off before its last number")
        if at != len(self.map):
            raise damaged(path, f"{len(self.map) - at} bytes behind its last number belong to nothing")

    def size(self, storage: str) -> int | None:
        return self.places[storage][1] if storage in self.places else None

    def read(self, storage: str) -> memoryview:
        begin, size = self.places[storage]
        return memoryview(self.map)[begin : begin + size]


class PthFile:
    """A weight source over a .pth: tensors are read when they are asked for."""

    def __init__(self, path: Path, container: Container) -> None:
        self.path, self.container = path, container
        self.tensors = unwrapped(path, container.content)
        for name, tensor in self.tensors.items():
            self.fits(name, tensor)

    def fits(self, name: str, tensor: Stored) -> None:
        """The tensor's numbers are sound, and its last element lies inside its storage."""
        if not all(0 <= n < 2**40 for n in (tensor.offset, *tensor.shape, *tensor.stride)):
            raise damaged(self.path, f"`{name[:80]}` has no sound offset, shape and strides")
        size = self.container.size(tensor.storage.key)
        if size is None:
            raise damaged(self.path, f"the numbers of `{name[:80]}` are missing")
        reach = tensor.offset + sum((d - 1) * s for d, s in zip(tensor.shape, tensor.stride, strict=True)) + 1
        count = math.prod(tensor.shape)
        if count and (reach * tensor.storage.width > size or count * tensor.storage.width > 4 * size):
            raise damaged(self.path, f"`{name[:80]}` says more numbers than its record holds")

    def names(self) -> Iterable[str]:
        return self.tensors

    def shape(self, name: str) -> tuple[int, ...]:
        return self.tensors[name].shape

    def dtype(self, name: str) -> DType:
        return DTYPES[self.tensors[name].storage.kind]

    def get(self, name: str) -> Any:
        import numpy as np

        tensor = self.tensors[name]
        raw = self.container.read(tensor.storage.key)
        width = tensor.storage.width
        flat = self.dtype(name).decode(raw[: len(raw) // width * width], (len(raw) // width,))[tensor.offset :]
        strides = tuple(s * flat.itemsize for s in tensor.stride)
        return np.lib.stride_tricks.as_strided(flat, tensor.shape, strides, writeable=False)


def open_pth(path: Path, head: bytes) -> PthFile:
    """A .pth by its first bytes. Raises Failure."""
    if head.startswith(b"PK"):
        return PthFile(path, Zip(path))
    if head.startswith(OLD_MAGIC):
        return PthFile(path, Old(path))
    raise Failure("checkpoint-refused", f"{path.name} is a bare pickle, which could run code, and no state dict that torch saved",
                  "save it with torch.save(model.state_dict(), …), or as .safetensors")  # fmt: skip


def unwrapped(path: Path, found: Any) -> dict[str, Stored]:
    """The tensors by name: at the top, or under one of the names that training scripts use."""
    for key in WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict):
        raise damaged(path, "it holds no mapping of names to tensors")
    tensors = {k: v for k, v in found.items() if isinstance(k, str) and isinstance(v, Stored)}
    if not tensors or len(tensors) > MAX_TENSORS:
        raise damaged(path, "it holds no tensors by name")
    return tensors
