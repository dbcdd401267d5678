"""Reads the pickle of a .pth without unpickling: nothing in it is ever called, and no attribute is looked up.

The pickle has names, shapes and strides; the numbers are outside of it (pth.py). Its opcodes are carried out on a stack of plain
values. Only tensors and plain containers are built. Every other object, whatever its class, becomes an Opaque (pickled.py).
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterable
from mmap import mmap
from pathlib import Path
from typing import Any

from ...diagnostics import Failure
from .damage import checkpoint_damaged
from .pickled import STORAGES, Global, Opaque, Storage, StoredTensor

MAX_PICKLE = 256 * 2**20
# An opcode is a step, one that remembers a value two: a tensor takes about 70, the optimizer's state of a large net a million. So many take
# half a second, and 150 MB at most. Bytes would say nothing, as arrays lie inline.
MAX_STEPS = 1_500_000
MAX_DIMENSIONS = 8
RESAVE = "save it again with torch.save(model.state_dict(), …), or as .safetensors"

Perform = Callable[["PickleMachine", Any], Any]


class Mark:
    """The pickle machine's mark on its stack."""


class OddKey:
    """Stands for a key that is neither a name nor a number.

    Such a key is not hashed: to hash a deep tuple overflows C's stack, and one that holds itself twice takes for ever.
    """

    def __str__(self) -> str:
        return "?"


MARK = Mark()
SET, FROZENSET = Global("builtins", "set"), Global("builtins", "frozenset")


def is_int64(value: Any) -> bool:
    """Whether it is an integer of 64 bits: all that torch writes are, and Python writes out none of over 4300 digits."""
    return type(value) is int and -(2**63) <= value < 2**63


class PickleMachine:
    """Python's pickle machine, without the part that calls.

    `unknown` are the globals that are not known to make data alone, `claims` how many numbers each storage has by the pickle.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}
        self.claims: dict[str, int] = {}
        self.steps = 0
        self.unknown: dict[Global, None] = {}

    def run(self, data: bytes | mmap) -> Any:
        """The value of the pickle. A mapped file is left at the pickle's end, where the next one may begin.

        Raises Failure for a pickle that is malformed or too long.
        """
        self.stack, self.memo, self.steps = [], {}, 0
        try:
            for opcode, argument, _ in pickletools.genops(data):  # type: ignore[arg-type]  # of a file it needs what a map has
                if opcode.name == "STOP":
                    return self.stack.pop()
                OPCODES[opcode.name](self, argument)
                self.spend(1)
        except Failure:
            raise
        except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise checkpoint_damaged(self.path, f"its pickle is malformed ({type(error).__name__})") from None
        raise checkpoint_damaged(self.path, "its pickle has no end")

    def spend(self, steps: int) -> None:
        """Counts what was done; what copies a container counts a step for each of its elements. Raises Failure beyond any state dict's."""
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise Failure("checkpoint-refused", f"the pickle in {self.path.name} takes over {MAX_STEPS:,} steps, more than a state dict's",
                          RESAVE)  # fmt: skip

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop_to_mark(self) -> list[Any]:
        """The values above the last mark, in their order; the mark goes too."""
        items = []
        while (item := self.stack.pop()) is not MARK:
            items.append(item)
        return items[::-1]

    def remember(self, place: int) -> None:
        self.spend(1)  # what is remembered takes a hundred bytes
        self.memo[place] = self.stack[-1]

    def add_items(self, flat: list[Any]) -> None:
        """Sets keys and values, one after the other in `flat`, in the value on top of the stack."""
        pairs = list(zip(flat[::2], flat[1::2], strict=True))
        top = self.stack[-1]
        (top.items if isinstance(top, Opaque) else top).update(with_sound_keys(pairs))

    def add_elements(self, elements: list[Any]) -> None:
        """Adds elements to the value on top of the stack."""
        top = self.stack[-1]
        (top.elements if isinstance(top, Opaque) else top).extend(elements)

    def set_state(self, state: Any) -> None:
        """Gives the object on top of the stack its attributes; those of a plain container (an OrderedDict's _metadata) are not needed."""
        top = self.stack[-1]
        if isinstance(top, Opaque):
            top.state = state

    def find_global(self, module: Any, name: Any) -> Global:
        """A class or function, as a description."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("a global's name is no text")
        found = Global(module, name)
        if not found.is_plain_data:
            self.unknown[found] = None
        return found

    def find_persistent(self, pid: Any) -> Any:
        """What torch keeps outside of the pickle: a storage, ("storage", its class, key, device, elements, …), or a class with its source.

        Raises Failure for what no torch writes.
        """
        if pid[0] == "module" and isinstance(pid[1], Global):  # before 1.6, a class came with its source text
            return pid[1]
        kind, storage, key = pid[0], pid[1], pid[2]
        if kind != "storage" or not isinstance(storage, Global) or not (isinstance(key, str) or is_int64(key)):
            raise checkpoint_damaged(self.path, "a tensor has a storage of an unknown kind")
        if not storage.is_storage or storage.name not in STORAGES:
            return Opaque(storage)
        if len(pid) > 5 and pid[5] is not None:
            raise Failure(
                "checkpoint-refused", f"{self.path.name} shares storages as only torch before 0.4 did", RESAVE
            )
        if str(key) not in self.storages:
            self.storages[str(key)] = Storage(STORAGES[storage.name], str(key))
            size = pid[4] if len(pid) > 4 and type(pid[4]) is int else 0
            if not is_int64(size):
                raise checkpoint_damaged(self.path, f"its storage `{str(key)[:80]}` has no sound size")
            self.claims[str(key)] = size
        return self.storages[str(key)]

    def call(self, function: Any, arguments: Any) -> Any:
        """What a call would give, where that is a container or a tensor; for every other call, a description."""
        known = CALLS.get(function) if isinstance(function, Global) else None
        return known(self, function, arguments) if known else self.describe(function, arguments)

    def describe(self, made_by: Any, arguments: Any) -> Opaque:
        """An object by its class or function, and the arguments. Raises Failure where that is neither."""
        if isinstance(made_by, Opaque):  # what a call would give is called
            made_by = made_by.made_by
        if not isinstance(made_by, Global):
            raise checkpoint_damaged(self.path, "its pickle calls what is no function")
        return Opaque(made_by, arguments)

    def tensor(self, function: Global, arguments: Any) -> Any:
        """A tensor of a storage. Raises Failure where its shape is not sound."""
        storage, offset, shape, stride = arguments[:4]
        if not isinstance(storage, Storage):
            return Opaque(storage.made_by if isinstance(storage, Opaque) else function)
        if len(arguments) > 6 and arguments[6]:  # a view that negates or conjugates what is stored
            return Opaque(function)
        same_rank = len(shape) == len(stride) <= MAX_DIMENSIONS
        if not (same_rank and all(map(is_int64, (offset, *shape, *stride)))):
            raise checkpoint_damaged(self.path, "a tensor has no sound shape")
        return StoredTensor(storage, offset, tuple(shape), tuple(stride))

    def mapping(self, _: Global, arguments: Any) -> Any:
        """A dict of the pairs, or of the other dict, that a mapping is made of."""
        # not a description, which is a tuple, too: the factory of a defaultdict
        made_of = next((each for each in arguments if type(each) in (dict, list, tuple)), ())
        self.spend(len(made_of))
        return dict(with_sound_keys(made_of.items() if isinstance(made_of, dict) else made_of))


def with_sound_keys(pairs: Iterable[Any]) -> Iterable[tuple[Any, Any]]:
    """The pairs, with an OddKey for each key that a dict should not have."""
    for key, value in pairs:
        sound = key is None or isinstance(key, (str, int, float, complex, bytes))
        yield key if sound else OddKey(), value


def call_later(machine: PickleMachine, arguments: Any) -> None:
    """REDUCE, NEWOBJ: a function or class, and its arguments, are replaced by what the call would give."""
    machine.push(machine.call(machine.stack.pop(), arguments))


def drop_to_mark(machine: PickleMachine, _: Any) -> None:
    machine.pop_to_mark()


def make_instance(machine: PickleMachine, argument: Any) -> None:
    """INST, of Python 2: the class is in the opcode and its arguments lie above the mark."""
    machine.push(machine.call(machine.find_global(*argument.split(" ", 1)), machine.pop_to_mark()))


def make_object(machine: PickleMachine, _: Any) -> None:
    """OBJ, of Python 2: the class lies above the mark and its arguments above it."""
    found, *arguments = machine.pop_to_mark()
    machine.push(machine.call(found, arguments))


def make_with_keywords(machine: PickleMachine, _: Any) -> None:
    """NEWOBJ_EX: a class, its arguments, and arguments by name."""
    machine.stack.pop()
    call_later(machine, machine.stack.pop())


def describe_set(kind: Global, elements: Any) -> Opaque:
    """A set, or a frozenset, of elements that are neither hashed nor copied."""
    found = Opaque(kind)
    found.elements = elements if type(elements) is list else list(elements) if type(elements) is tuple else []
    return found


def refuse(machine: PickleMachine, _: Any) -> None:
    """Any other opcode. Raises Failure `checkpoint-refused`."""
    raise Failure("checkpoint-refused", f"{machine.path.name} uses a pickle opcode that no state dict needs", RESAVE)


# What each opcode does. Those that push their argument, a plain number or text, come first.
OPCODES: dict[str, Perform] = {
    **dict.fromkeys(
        ["BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "UNICODE", "BINUNICODE",
         "BINUNICODE8", "SHORT_BINUNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "BINBYTES8", "SHORT_BINBYTES",
         "BYTEARRAY8"],
        PickleMachine.push,
    ),
    **dict.fromkeys(("PROTO", "FRAME", "READONLY_BUFFER"), lambda machine, _: None),
    **dict.fromkeys(("EXT1", "EXT2", "EXT4", "PERSID", "NEXT_BUFFER"), refuse),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), PickleMachine.remember),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda machine, place: machine.push(machine.memo[place])),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), lambda machine, _: call_later(machine, machine.stack.pop())),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_SET": lambda machine, _: machine.push(describe_set(SET, ())),
    "FROZENSET": lambda machine, _: machine.push(describe_set(FROZENSET, machine.pop_to_mark())),
    "MARK": lambda machine, _: machine.push(MARK),
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": drop_to_mark,
    "DUP": lambda machine, _: machine.push(machine.stack[-1]),
    "MEMOIZE": lambda machine, _: machine.remember(len(machine.memo)),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.pop_to_mark())),
    "TUPLE1": lambda machine, _: machine.push((machine.stack.pop(),)),
    "TUPLE2": lambda machine, _: machine.push((machine.stack.pop(-2), machine.stack.pop())),
    "TUPLE3": lambda machine, _: machine.push((machine.stack.pop(-3), machine.stack.pop(-2), machine.stack.pop())),
    "LIST": lambda machine, _: machine.push(machine.pop_to_mark()),
    "DICT": lambda machine, _: machine.push(dict(with_sound_keys(zip(*[iter(machine.pop_to_mark())] * 2, strict=True)))),
    "SETITEM": lambda machine, _: machine.add_items([machine.stack.pop(-2), machine.stack.pop()]),
    "SETITEMS": lambda machine, _: machine.add_items(machine.pop_to_mark()),
    "APPEND": lambda machine, _: machine.add_elements([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.add_elements(machine.pop_to_mark()),
    "ADDITEMS": lambda machine, _: machine.add_elements(machine.pop_to_mark()),
    "GLOBAL": lambda machine, pair: machine.push(machine.find_global(*pair.split(" ", 1))),
    "STACK_GLOBAL": lambda machine, _: machine.push(machine.find_global(machine.stack.pop(-2), machine.stack.pop())),
    "BINPERSID": lambda machine, _: machine.push(machine.find_persistent(machine.stack.pop())),
    "BUILD": lambda machine, _: machine.set_state(machine.stack.pop()),
    "INST": make_instance,
    "OBJ": make_object,
    "NEWOBJ_EX": make_with_keywords,
}  # fmt: skip

# The calls whose result is known without making it.
CALLS: dict[Global, Callable[[PickleMachine, Global, Any], Any]] = {
    **{Global("torch._utils", name): PickleMachine.tensor for name in ("_rebuild_tensor", "_rebuild_tensor_v2")},
    **{Global("collections", name): PickleMachine.mapping for name in ("OrderedDict", "defaultdict", "Counter")},
    **{Global(module, "dict"): PickleMachine.mapping for module in ("builtins", "__builtin__")},
    **{Global("torch._utils", name): lambda _machine, _function, arguments: arguments[0]
       for name in ("_rebuild_parameter", "_rebuild_parameter_with_state")},
    **{Global(module, name): lambda _, function, arguments: describe_set(function, arguments[0] if arguments else ())
       for module in ("builtins", "__builtin__") for name in ("set", "frozenset")},
    Global("torch", "Size"): lambda _machine, _function, arguments: arguments[0],
    # a tensor of a subclass, or one with attributes: (function, class, arguments, state)
    Global("torch._tensor", "_rebuild_from_type_v2"): lambda machine, _, arguments: machine.call(arguments[0], arguments[2]),
    # an instance that is made without its constructor: (class, …)
    **{Global(module, name): lambda machine, _, arguments: machine.describe(arguments[0], arguments[1:])
       for module, name in (("copyreg", "_reconstructor"), ("copyreg", "__newobj__"), ("copy_reg", "_reconstructor"),
                            ("copy_reg", "__newobj__"), ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"))},
}  # fmt: skip
