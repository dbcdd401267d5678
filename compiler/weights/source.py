"""What weights are to all stages: tensors by name, read one at a time and never all at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from ..ir.dtypes import DType


class WeightSource(Protocol):
    """Tensors by full name (`conv1.weight`): a checkpoint, a state dict, or seeded numbers."""

    def names(self) -> Iterable[str]: ...

    def shape(self, name: str) -> tuple[int, ...]: ...

    def dtype(self, name: str) -> DType:
        """The element type as stored."""

    def get(self, name: str) -> Any:
        """The numpy array, which may be memory-mapped: float32 for every float type, else as stored."""


class KeyedStateDict(NamedTuple):
    """A mapping of names to tensors in a checkpoint.

    `key` says where in the file it is: `state_dict`, `ema.model`, or "" for the whole file. `refused` are the names that have no
    tensor that can be read, each with what made it; `runs_code` are those of them whose value only code of an unknown kind would
    make. `is_module` says that it is a whole module, pickled.
    """

    key: str
    source: WeightSource
    refused: Mapping[str, str] = {}
    runs_code: tuple[str, ...] = ()
    is_module: bool = False


class Checkpoint(NamedTuple):
    """A checkpoint, open: the state dicts in it, in the order of the file.

    `name` is what messages call it. `holds` says in words what a file without a state dict holds instead. `unknown` are the classes
    and functions that it names and archc does not know; none was called.
    """

    name: str
    state_dicts: tuple[KeyedStateDict, ...]
    holds: str = ""
    unknown: tuple[str, ...] = ()
