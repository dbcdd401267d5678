"""What weights are to all stages: tensors by name, read one at a time and never all at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from ..ir.dtypes import DType


class WeightSource(Protocol):
    """Tensors by full name (`conv1.weight`): a checkpoint, a state dict, or seeded numbers."""

    def names(self) -> Iterable[str]: ...

    def shape(self, name: str) -> tuple[int, ...]: ...

    def dtype(self, name: str) -> DType:
        """The element type as stored."""

    def get(self, name: str) -> Any:
        """The numpy array, which may be memory-mapped: float32 for every float type, else as stored."""
