"""Reads torch's .pth state dicts without unpickling: nothing in the file is ever called.

A .pth is a stored zip: a short pickle that says names, shapes and strides, and one record a tensor. The pickle is read by a
whitelist of opcodes on a stack of plain values; the only globals it may name are torch's rebuilders, its storages and
OrderedDict, and they become descriptions. Sizes are checked against the records, so nothing is allocated that is not there.
"""

from __future__ import annotations

import math
import pickletools
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ..diagnostics import Failure
from .safetensors_file import as_float32, damaged

MAX_PICKLE = 64 * 2**20
MAX_TENSORS = 100_000
STORAGES = {"FloatStorage": ("f32", 4), "DoubleStorage": ("f64", 8), "HalfStorage": ("f16", 2), "BFloat16Storage": ("bf16", 2),
            "LongStorage": ("i64", 8), "IntStorage": ("i32", 4), "ShortStorage": ("i16", 2), "CharStorage": ("i8", 1),
            "ByteStorage": ("u8", 1), "BoolStorage": ("bool", 1), "ComplexFloatStorage": ("c64", 8),
            "ComplexDoubleStorage": ("c128", 16)}  # fmt: skip
WRAPPERS = ("state_dict", "model", "model_state_dict")
ALLOWED = {
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("collections", "OrderedDict"),
}
ALLOWED |= {("torch", storage) for storage in STORAGES}


class Global(NamedTuple):
    module: str
    name: str


class Storage(NamedTuple):
    kind: str
    width: int
    key: str


class Stored(NamedTuple):
    """A tensor as the pickle describes it; strides and offset count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class Mark:
    """The pickle machine's mark on its stack."""


MARK = Mark()


class Machine:
    """The whitelisted part of the pickle machine. Every value is plain: no attribute is looked up, nothing is called."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        try:
            for opcode, argument, _ in pickletools.genops(data):
                if opcode.name == "STOP":
                    return self.stack.pop()
                self.step(opcode.name, argument)
        except Failure:
            raise
        except (
            ValueError,
            IndexError,
            KeyError,
            TypeError,
            AttributeError,
            RecursionError,
            UnicodeDecodeError,
        ) as error:
            raise damaged(self.path, f"its pickle is malformed ({type(error).__name__})") from None
        raise damaged(self.path, "its pickle has no end")

    def marked(self) -> list[Any]:
        items = []
        while (item := self.stack.pop()) is not MARK:
            items.append(item)
        return items[::-1]

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in ("PROTO", "FRAME"):
            return
        if name in (
            "BININT",
            "BININT1",
            "BININT2",
            "LONG1",
            "BINUNICODE",
            "SHORT_BINUNICODE",
            "BINFLOAT",
            "INT",
            "LONG",
        ):
            stack.append(argument)
        elif name in ("NONE", "NEWTRUE", "NEWFALSE"):
            stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
        elif name in ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE"):
            stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[name]())
        elif name == "MARK":
            stack.append(MARK)
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        else:
            self.compose(name, argument)

    def compose(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "TUPLE":
            items = self.marked()
            stack.append(tuple(items))
        elif name in ("SETITEM", "SETITEMS"):
            items = self.marked() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            if isinstance(stack[-1], dict):
                stack[-1].update(keyed(zip(items[::2], items[1::2], strict=True)))
        elif name in ("APPEND", "APPENDS"):
            items = self.marked() if name == "APPENDS" else [stack.pop()]
            stack[-1].extend(items)
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            pair = tuple(argument.split(" ", 1)) if name == "GLOBAL" else (stack.pop(-2), stack.pop())
            if not all(isinstance(part, str) for part in pair):
                raise TypeError("a global's name is no text")
            stack.append(self.named(*pair))
        elif name == "BINPERSID":
            stack.append(self.storage(stack.pop()))
        elif name == "REDUCE":
            arguments = stack.pop()
            stack.append(self.described(stack.pop(), arguments))
        elif name == "BUILD":
            stack.pop()  # attributes of an OrderedDict (its _metadata): not needed
        else:
            raise Failure("checkpoint-refused", f"{self.path.name} uses the pickle opcode {name}, which no state dict needs",
                          "save it again with torch.save(model.state_dict(), …), or as .safetensors")  # fmt: skip

    def named(self, module: str, name: str) -> Global:
        if (module, name) not in ALLOWED:
            raise Failure("checkpoint-refused", f"{self.path.name} wants to run `{module[:60]}.{name[:60]}` when it is read; nothing was run",
                          "use a state dict that you trust, best as .safetensors")  # fmt: skip
        return Global(module, name)

    def storage(self, pid: Any) -> Storage:
        kind, storage, key = pid[0], pid[1], pid[2]
        known = isinstance(storage, Global) and storage.name in STORAGES
        if kind != "storage" or not known or not isinstance(key, (str, int)):
            raise damaged(self.path, "a tensor has a storage of an unknown kind")
        return Storage(*STORAGES[storage.name], str(key))

    def described(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, Global):
            raise damaged(self.path, "its pickle calls what is no function")
        if function.name == "OrderedDict":
            return dict(keyed(arguments[0])) if arguments else {}
        if function.name == "_rebuild_parameter":
            return arguments[0]
        storage, offset, shape, stride = arguments[:4]
        numbers = (offset, *shape, *stride)
        sound = isinstance(storage, Storage) and len(shape) == len(stride) <= 8 and all(type(n) is int for n in numbers)
        if not sound:
            raise damaged(self.path, "a tensor has no sound shape")
        return Stored(storage, offset, tuple(shape), tuple(stride))


def keyed(pairs: Iterable[Any]) -> Iterable[Any]:
    """Pairs whose keys are names or numbers. A tuple is never hashed: a deep one overflows C's stack, a doubled one never ends."""
    for key, value in pairs:
        if not isinstance(key, (str, int)):
            raise TypeError("a key is neither a name nor a number")
        yield key, value


class PickleFile:
    """A weight source over a .pth: tensors are read from their records when they are asked for."""

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
        self.tensors = unwrapped(path, Machine(path).run(self.record(pickles[0])))
        for name, tensor in self.tensors.items():
            self.fits(name, tensor)

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

    def fits(self, name: str, tensor: Stored) -> None:
        """The tensor's numbers are sound, and its last element lies inside its record."""
        if not all(0 <= n < 2**40 for n in (tensor.offset, *tensor.shape, *tensor.stride)):
            raise damaged(self.path, f"`{name[:80]}` has no sound offset, shape and strides")
        info = self.records.get(f"{self.folder}data/{tensor.storage.key}")
        if info is None:
            raise damaged(self.path, f"the numbers of `{name[:80]}` are missing")
        reach = tensor.offset + sum((d - 1) * s for d, s in zip(tensor.shape, tensor.stride, strict=True)) + 1
        count = math.prod(tensor.shape)
        if count and (
            reach * tensor.storage.width > info.file_size or count * tensor.storage.width > 4 * info.file_size
        ):
            raise damaged(self.path, f"`{name[:80]}` says more numbers than its record holds")

    def names(self) -> Iterable[str]:
        return self.tensors

    def shape(self, name: str) -> tuple[int, ...]:
        return self.tensors[name].shape

    def dtype(self, name: str) -> str:
        return self.tensors[name].storage.kind

    def get(self, name: str) -> Any:
        import numpy as np

        tensor = self.tensors[name]
        raw = self.record(f"{self.folder}data/{tensor.storage.key}")
        kind, width = tensor.storage.kind, tensor.storage.width
        flat = as_float32(raw[: len(raw) // width * width], kind, (len(raw) // width,))[tensor.offset :]
        strides = tuple(s * flat.itemsize for s in tensor.stride)
        return np.lib.stride_tricks.as_strided(flat, tensor.shape, strides, writeable=False)


def unwrapped(path: Path, found: Any) -> dict[str, Stored]:
    """The tensors by name: at the top, or under "state_dict" or "model"."""
    for key in WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict):
        raise damaged(path, "it holds no mapping of names to tensors")
    tensors = {k: v for k, v in found.items() if isinstance(k, str) and isinstance(v, Stored)}
    if not tensors or len(tensors) > MAX_TENSORS:
        raise damaged(path, "it holds no tensors by name")
    return tensors
