"""What a pickle describes: tensors, and stand-ins for everything else that only running code would make.

A stand-in keeps what the pickle says of an object (its class, arguments, state and items), and is never called.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ...ir.dtypes import DTYPES, DType

STORAGES = {f"{dtype.torch}Storage": dtype for dtype in DTYPES.values()}

# What training scripts keep beside the weights, and what saves a whole module: names of data, worth no warning. Of these modules
# any class, and of those below the named ones alone.
PLAIN_MODULES = ("collections", "argparse", "datetime", "decimal", "fractions", "uuid", "enum", "zoneinfo", "ipaddress",
                 "numpy.dtypes", "numpy.random._pickle", "torch.nn", "torch.optim", "__torch__")  # fmt: skip
PLAIN_NAMES = {
    "builtins": "set frozenset bytearray complex range slice object list dict tuple int float str bytes bool",
    "__builtin__": "set frozenset bytearray complex xrange slice object list dict tuple int float str unicode long bool",
    "copyreg": "_reconstructor __newobj__",
    "copy_reg": "_reconstructor __newobj__",
    "_codecs": "encode",
    "_io": "BytesIO StringIO",
    "types": "SimpleNamespace",
    "pathlib": "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath",
    "pathlib._local": "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath",
    "numpy": "ndarray dtype matrix",
    "numpy.core.multiarray": "_reconstruct scalar",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy.ma.core": "_mareconstruct MaskedArray",
    "numpy.core.numeric": "_frombuffer",
    "numpy._core.numeric": "_frombuffer",
    "torch": "Size device Generator Tensor dtype half float double short int long bool strided sparse_coo per_tensor_affine per_channel_affine",
    "torch._utils": "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter _rebuild_parameter_with_state "
    "_rebuild_qtensor _rebuild_sparse_tensor _rebuild_meta_tensor_no_storage _rebuild_device_tensor_from_numpy",
    "torch._tensor": "_rebuild_from_type_v2",
    "torch.serialization": "_get_layout",
    "torch.storage": "UntypedStorage TypedStorage",
}


ELEMENT_TYPE = re.compile(r"(q|b|u)*(int|float|complex)\d+(_\w+)?")  # torch.float8_e4m3fn


class Global(NamedTuple):
    """A class or function that the pickle names."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module[:60]}.{self.name[:60]}"

    @property
    def is_plain_data(self) -> bool:
        """Whether it is known to make data alone. A name with a dot reaches into a class, for a method perhaps."""
        if self.name in PLAIN_NAMES.get(self.module, "").split() or self.is_storage:
            return True
        if self.module == "torch" and ELEMENT_TYPE.fullmatch(self.name):
            return True
        return "." not in self.name and any(f"{self.module}.".startswith(f"{known}.") for known in PLAIN_MODULES)

    @property
    def is_storage(self) -> bool:
        """Whether it is the class of a storage: `torch.FloatStorage`."""
        return self.module in ("torch", "torch.cuda") and self.name.isidentifier() and self.name.endswith("Storage")


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


class Opaque:
    """An object that only code could make: what the pickle says of it, and no more.

    `made_by` is its class, or the function that would give it, and `arguments` are what that would get. `state` is what its
    attributes are set from, `items` what it holds by key, and `elements` what it holds in order.
    """

    __slots__ = ("arguments", "elements", "items", "made_by", "state")

    def __init__(self, made_by: Global, arguments: Any = ()) -> None:
        self.made_by, self.arguments = made_by, arguments
        self.state: Any = None
        self.items: dict[Any, Any] = {}
        self.elements: list[Any] = []

    @property
    def attributes(self) -> dict[Any, Any]:
        """Its attributes by name, but for those in slots."""
        state = self.state[0] if isinstance(self.state, tuple) and self.state else self.state
        return state if isinstance(state, dict) else {}

    @property
    def is_module(self) -> bool:
        """Whether it is a torch.nn.Module that was saved whole, or one of TorchScript's."""
        return self.is_script or "_parameters" in self.attributes

    @property
    def is_script(self) -> bool:
        """Whether it is a module of a TorchScript archive: its tensors and modules are attributes like any other."""
        return f"{self.made_by.module}.".startswith("__torch__.")
