"""Reads the pickle of a .pth without unpickling: nothing in it is ever called.

The pickle has names, shapes and strides; the numbers are outside of it (pth.py). Only the opcodes that a state dict needs are
carried out, on a stack of plain values. The only globals that it may name are those of torch's tensors and storages, and what
training scripts save with the weights (OrderedDict, a Size, a Namespace); they become descriptions.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterable
from mmap import mmap
from pathlib import Path
from typing import Any, NamedTuple

from ...diagnostics import Failure
from ...ir.dtypes import DTYPES, DType
from .damage import checkpoint_damaged

MAX_PICKLE = 64 * 2**20
MAX_DIMENSIONS = 8
STORAGES = {f"{dtype.torch}Storage": dtype for dtype in DTYPES.values()}
ALLOWED_GLOBALS = {
    ("torch._utils", "_rebuild_tensor"),  # torch before 0.4
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch", "Size"),
    ("collections", "OrderedDict"),
    ("argparse", "Namespace"),
    *(("torch", storage) for storage in STORAGES),
}
IGNORED_OPCODES = {"PROTO", "FRAME"}
ARGUMENT_OPCODES = {"BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "BINFLOAT",
                    "BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING"}  # fmt: skip
CONSTANT_OPCODES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY_OPCODES = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
TUPLE_OPCODES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
RESAVE = "save it again with torch.save(model.state_dict(), …), or as .safetensors"


class Global(NamedTuple):
    """A class or function that the pickle names."""

    module: str
    name: str


class Storage(NamedTuple):
    """A block of numbers outside the pickle, found by its key."""

    dtype: DType
    key: str


class StoredTensor(NamedTuple):
    """A tensor as the pickle describes it: a view of a storage. Strides and offset count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def byte_range(self) -> tuple[int, int]:
        """(begin, end) in bytes of the part of the storage that the view reaches; (0, 0) for a view without elements."""
        if 0 in self.shape:
            return 0, 0
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.stride, strict=True))
        return self.offset * self.storage.dtype.size_bytes, (last + 1) * self.storage.dtype.size_bytes


class Mark:
    """The pickle machine's mark on its stack."""


MARK = Mark()


class PickleMachine:
    """The part of Python's pickle machine that a state dict needs. No attribute is looked up, and nothing is called."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def run(self, data: bytes | mmap) -> Any:
        """The value of the pickle. A mapped file is left at the pickle's end, where the next one may begin.

        Raises Failure for a pickle that is malformed, or wants something that no state dict needs.
        """
        self.stack, self.memo = [], {}
        try:
            for opcode, argument, _ in pickletools.genops(data):  # type: ignore[arg-type]  # of a file it needs what a map has
                if opcode.name == "STOP":
                    return self.stack.pop()
                self.execute(opcode.name, argument)
        except Failure:
            raise
        except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise checkpoint_damaged(self.path, f"its pickle is malformed ({type(error).__name__})") from None
        raise checkpoint_damaged(self.path, "its pickle has no end")

    def execute(self, opcode: str, argument: Any) -> None:
        """Carries out one opcode. Those that make a value out of others on the stack are execute_compound's."""
        stack = self.stack
        if opcode in IGNORED_OPCODES:
            return
        if opcode in ARGUMENT_OPCODES:
            stack.append(argument)
        elif opcode in CONSTANT_OPCODES:
            stack.append(CONSTANT_OPCODES[opcode])
        elif opcode in EMPTY_OPCODES:
            stack.append(EMPTY_OPCODES[opcode]())
        elif opcode == "MARK":
            stack.append(MARK)
        elif opcode in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif opcode == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif opcode in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        else:
            self.execute_compound(opcode, argument)

    def execute_compound(self, opcode: str, argument: Any) -> None:
        """Carries out one opcode that makes a value out of others on the stack. Raises Failure for one that is not allowed."""
        stack = self.stack
        if opcode in TUPLE_OPCODES:
            count = TUPLE_OPCODES[opcode]
            stack[-count:] = [tuple(stack[-count:])]
        elif opcode == "TUPLE":
            items = self.pop_to_mark()
            stack.append(tuple(items))
        elif opcode in ("SETITEM", "SETITEMS"):
            items = self.pop_to_mark() if opcode == "SETITEMS" else [stack.pop(-2), stack.pop()]
            if isinstance(stack[-1], dict):
                stack[-1].update(check_keys(zip(items[::2], items[1::2], strict=True)))
        elif opcode in ("APPEND", "APPENDS"):
            items = self.pop_to_mark() if opcode == "APPENDS" else [stack.pop()]
            stack[-1].extend(items)
        elif opcode in ("GLOBAL", "STACK_GLOBAL"):
            pair = tuple(argument.split(" ", 1)) if opcode == "GLOBAL" else (stack.pop(-2), stack.pop())
            if not all(isinstance(part, str) for part in pair):
                raise TypeError("a global's name is no text")
            stack.append(self.find_global(*pair))
        elif opcode == "BINPERSID":
            stack.append(self.find_storage(stack.pop()))
        elif opcode in ("REDUCE", "NEWOBJ"):
            arguments = stack.pop()
            stack.append(self.describe_call(stack.pop(), arguments))
        elif opcode == "BUILD":
            stack.pop()  # attributes, of an OrderedDict (its _metadata) or a Namespace: not needed
        else:
            raise Failure("checkpoint-refused", f"{self.path.name} uses the pickle opcode {opcode}, which no state dict needs",
                          RESAVE)  # fmt: skip

    def pop_to_mark(self) -> list[Any]:
        """The values above the last mark, in their order; the mark goes too."""
        items = []
        while (item := self.stack.pop()) is not MARK:
            items.append(item)
        return items[::-1]

    def find_global(self, module: str, name: str) -> Global:
        """A global as a description. Raises Failure unless it is one of ALLOWED_GLOBALS."""
        if (module, name) not in ALLOWED_GLOBALS:
            raise Failure("checkpoint-refused", f"{self.path.name} wants to run `{module[:60]}.{name[:60]}` when it is read; nothing was run",
                          "use a state dict that you trust, best as .safetensors")  # fmt: skip
        return Global(module, name)

    def find_storage(self, pid: Any) -> Storage:
        """The storage of a persistent id, ("storage", its class, key, device, elements, …). Raises Failure for any other."""
        kind, storage, key = pid[0], pid[1], pid[2]
        known = isinstance(storage, Global) and storage.name in STORAGES
        if kind != "storage" or not known or not isinstance(key, (str, int)):
            raise checkpoint_damaged(self.path, "a tensor has a storage of an unknown kind")
        if len(pid) > 5 and pid[5] is not None:
            raise Failure(
                "checkpoint-refused", f"{self.path.name} shares storages as only torch before 0.4 did", RESAVE
            )
        return self.storages.setdefault(str(key), Storage(STORAGES[storage.name], str(key)))

    def describe_call(self, function: Any, arguments: Any) -> Any:
        """A description of what a call of an allowed global would give: a dict, a shape or a StoredTensor."""
        if not isinstance(function, Global):
            raise checkpoint_damaged(self.path, "its pickle calls what is no function")
        if function.name == "OrderedDict":
            return dict(check_keys(arguments[0])) if arguments else {}
        if function.name == "Namespace":
            return {}
        if function.name in ("_rebuild_parameter", "Size"):
            return arguments[0]
        storage, offset, shape, stride = arguments[:4]
        numbers = (offset, *shape, *stride)
        same_rank = len(shape) == len(stride) <= MAX_DIMENSIONS
        if not (isinstance(storage, Storage) and same_rank and all(type(n) is int for n in numbers)):
            raise checkpoint_damaged(self.path, "a tensor has no sound shape")
        return StoredTensor(storage, offset, tuple(shape), tuple(stride))


def check_keys(pairs: Iterable[Any]) -> Iterable[Any]:
    """The pairs, if their keys are texts or integers; raises TypeError for any other.

    A tuple must not become a key: to hash a deep one overflows C's stack, and one that holds itself twice takes for ever.
    """
    for key, value in pairs:
        if not isinstance(key, (str, int)):
            raise TypeError("a key is neither a name nor a number")
        yield key, value
