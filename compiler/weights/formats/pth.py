"""A torch .pth as a weight source: a pickle describes the tensors (pickles.py), and their numbers are outside of it.

There are two containers. Since torch 1.6 it is a zip with a record for each storage (pth_zip.py). Before, it was five pickles one
after the other, then the storages (pth_legacy.py); most of torchvision's checkpoints are still such files. A tensor is a view of a
storage, and several may share one: only the bytes that the view reaches are read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from ...ir.dtypes import DType
from .damage import checkpoint_damaged
from .pickles import StoredTensor

MAX_TENSORS = 100_000
MAX_NUMBER = 2**40  # of offsets, sizes, strides and elements: no machine holds more
# averaged weights come first, as timm's own loader prefers them
WRAPPER_KEYS = ("state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict")


class Container(Protocol):
    """A file with a pickle and storages. `content` is the value of the pickle."""

    content: Any

    def size(self, storage: str) -> int | None:
        """How many bytes a storage has; None where there is none of that key."""

    def read(self, storage: str, begin: int, end: int) -> memoryview:
        """The bytes of a storage from `begin` to `end`. Raises Failure where the storage is damaged."""


class PthFile:
    """A weight source over a .pth; each tensor is read when it is asked for."""

    def __init__(self, path: Path, container: Container) -> None:
        self.path, self.container = path, container
        self.tensors = find_state_dict(path, container.content)
        for name, tensor in self.tensors.items():
            self.check_reach(name, tensor)

    def check_reach(self, name: str, tensor: StoredTensor) -> None:
        """Raises Failure unless the tensor's offset, shape and strides are sound, and its last element is inside its storage."""
        count = math.prod(tensor.shape)
        if not all(0 <= n < MAX_NUMBER for n in (tensor.offset, *tensor.shape, *tensor.stride, count)):
            raise checkpoint_damaged(self.path, f"`{name[:80]}` has no sound offset, shape and strides")
        size = self.container.size(tensor.storage.key)
        if size is None:
            raise checkpoint_damaged(self.path, f"the numbers of `{name[:80]}` are missing")
        if count and tensor.byte_range()[1] > size:
            raise checkpoint_damaged(self.path, f"`{name[:80]}` says more numbers than its record holds")

    def names(self) -> Iterable[str]:
        return self.tensors

    def shape(self, name: str) -> tuple[int, ...]:
        return self.tensors[name].shape

    def dtype(self, name: str) -> DType:
        return self.tensors[name].storage.dtype

    def get(self, name: str) -> Any:
        tensor = self.tensors[name]
        data = self.container.read(tensor.storage.key, *tensor.byte_range())
        return tensor.storage.dtype.decode(data, tensor.shape, tensor.stride)


def find_state_dict(path: Path, content: Any) -> dict[str, StoredTensor]:
    """The tensors by name, at the top of a pickle's content or under one of WRAPPER_KEYS. Raises Failure where there are none."""
    for key in WRAPPER_KEYS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise checkpoint_damaged(path, "it holds no mapping of names to tensors")
    tensors = {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, StoredTensor)}
    if not tensors or len(tensors) > MAX_TENSORS:
        raise checkpoint_damaged(path, "it holds no tensors by name")
    return tensors
