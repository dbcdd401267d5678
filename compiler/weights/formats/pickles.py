"""Reads the pickle of a .pth without unpickling: nothing in it is ever called.

The pickle says names, shapes and strides; the numbers lie beside it (pth.py). It is read by a whitelist of opcodes on
a stack of plain values; the only globals it may name are torch's rebuilders, its storages, and what training scripts keep
beside the weights (OrderedDict, a Size, a Namespace), and they become descriptions.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ...diagnostics import Failure
from .safetensors import damaged

STORAGES = {"FloatStorage": ("f32", 4), "DoubleStorage": ("f64", 8), "HalfStorage": ("f16", 2), "BFloat16Storage": ("bf16", 2),
            "LongStorage": ("i64", 8), "IntStorage": ("i32", 4), "ShortStorage": ("i16", 2), "CharStorage": ("i8", 1),
            "ByteStorage": ("u8", 1), "BoolStorage": ("bool", 1), "ComplexFloatStorage": ("c64", 8),
            "ComplexDoubleStorage": ("c128", 16)}  # fmt: skip
ALLOWED = {
    ("torch._utils", "_rebuild_tensor"),  # torch before 0.4
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch", "Size"),
    ("collections", "OrderedDict"),
    ("argparse", "Namespace"),
}
ALLOWED |= {("torch", storage) for storage in STORAGES}


RESAVE = "save it again with torch.save(model.state_dict(), …), or as .safetensors"


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
        self.storages: dict[str, Storage] = {}

    def run(self, data: bytes | BinaryIO) -> Any:
        """What the pickle says; a file is left behind its end, where another may begin."""
        self.stack, self.memo = [], {}
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
            "BINSTRING",
            "SHORT_BINSTRING",
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
        elif name in ("REDUCE", "NEWOBJ"):
            arguments = stack.pop()
            stack.append(self.described(stack.pop(), arguments))
        elif name == "BUILD":
            stack.pop()  # attributes, of an OrderedDict (its _metadata) or a Namespace: not needed
        else:
            raise Failure("checkpoint-refused", f"{self.path.name} uses the pickle opcode {name}, which no state dict needs",
                          RESAVE)  # fmt: skip

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
        if len(pid) > 5 and pid[5] is not None:
            raise Failure(
                "checkpoint-refused", f"{self.path.name} shares storages as only torch before 0.4 did", RESAVE
            )
        return self.storages.setdefault(str(key), Storage(*STORAGES[storage.name], str(key)))

    def described(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, Global):
            raise damaged(self.path, "its pickle calls what is no function")
        if function.name == "OrderedDict":
            return dict(keyed(arguments[0])) if arguments else {}
        if function.name == "Namespace":
            return {}
        if function.name in ("_rebuild_parameter", "Size"):
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
