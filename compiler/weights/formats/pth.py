"""A torch .pth as a checkpoint: a pickle describes the tensors (pickles.py), and their numbers are outside of it.

There are two containers. Since torch 1.6 it is a zip with a record for each storage (pth_zip.py). Before, it was five pickles one
after the other, then the storages (pth_legacy.py); most of torchvision's checkpoints are still such files. A tensor is a view of a
storage, and several may share one: only the bytes that the view reaches are read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from ...ir.dtypes import DType
from ..source import Checkpoint, KeyedStateDict
from .content import FoundStateDict, describe_content, find_state_dicts
from .damage import checkpoint_damaged
from .pickled import Global, StoredTensor
from .pickles import PickleMachine

MAX_NUMBER = 2**40  # of offsets, sizes, strides and elements: no machine holds more


class Container(Protocol):
    """A file with a pickle and storages. `content` is the value of the pickle, `unknown` the globals in it that may run code."""

    content: Any
    unknown: tuple[Global, ...]

    def size(self, storage: str) -> int | None:
        """How many bytes a storage has; None where there is none of that key."""

    def read(self, storage: str, begin: int, end: int) -> memoryview:
        """The bytes of a storage from `begin` to `end`. Raises Failure where the storage is damaged."""


class StoredTensors:
    """A weight source over the tensors of a .pth; each is checked and read when it is asked for."""

    def __init__(self, path: Path, container: Container, tensors: Mapping[str, StoredTensor]) -> None:
        self.path, self.container, self.tensors = path, container, tensors

    def check_reach(self, name: str) -> None:
        """Raises Failure unless the tensor's offset, shape and strides are sound, and its last element is inside its storage."""
        tensor = self.tensors[name]
        count = math.prod(tensor.shape)
        if not all(0 <= n < MAX_NUMBER for n in (tensor.offset, *tensor.shape, *tensor.stride, count)):
            raise checkpoint_damaged(self.path, f"`{name[:80]}` has no sound offset, shape and strides")
        size = self.container.size(tensor.storage.key)
        if size is None:
            raise checkpoint_damaged(self.path, f"the numbers of `{name[:80]}` are missing")
        if count and tensor.byte_range()[1] > size:
            key, width = tensor.storage.key, tensor.storage.dtype.size_bytes
            reach, numbers = tensor.byte_range()[1] // width, size // width
            raise checkpoint_damaged(
                self.path,
                f"`{name[:80]}` reaches to number {reach:,} of its storage `{key[:80]}`, which holds {numbers:,}",
            )

    def names(self) -> Iterable[str]:
        return self.tensors

    def shape(self, name: str) -> tuple[int, ...]:
        return self.tensors[name].shape

    def dtype(self, name: str) -> DType:
        return self.tensors[name].storage.dtype

    def get(self, name: str) -> Any:
        self.check_reach(name)
        tensor = self.tensors[name]
        data = self.container.read(tensor.storage.key, *tensor.byte_range())
        return tensor.storage.dtype.decode(data, tensor.shape, tensor.stride)


def check_claims(path: Path, machine: PickleMachine, container: Container) -> None:
    """Raises Failure for a storage that claims more numbers than the file holds of it."""
    for key, count in machine.claims.items():
        size, width = container.size(key), machine.storages[key].dtype.size_bytes
        if size is not None and count * width > size:
            claim = f"its storage `{key[:80]}` claims {count:,} numbers of {width} bytes"
            raise checkpoint_damaged(
                path, f"{claim}, but {size:,} bytes of it are in the file of {path.stat().st_size:,}"
            )


def open_container(path: Path, container: Container) -> Checkpoint:
    """The checkpoint in a container, with every state dict that it holds."""
    found = [read_state_dict(path, container, each) for each in find_state_dicts(container.content)]
    unknown = tuple(str(each) for each in container.unknown)
    return Checkpoint(path.name, tuple(found), describe_content(container.content), unknown)


def read_state_dict(path: Path, container: Container, found: FoundStateDict) -> KeyedStateDict:
    """A state dict as a weight source, with what it has instead of tensors."""
    refused = {name: str(each.made_by) for name, each in found.opaque.items()}
    runs_code = tuple(name for name, each in found.opaque.items() if not each.made_by.is_plain_data)
    return KeyedStateDict(found.key, StoredTensors(path, container, found.tensors), refused, runs_code, found.is_module)
