"""What every stage asks weights for: tensors by name, one at a time, never all at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol


class WeightSource(Protocol):
    """Tensors by full name (`conv1.weight`)."""

    def names(self) -> Iterable[str]: ...

    def shape(self, name: str) -> tuple[int, ...]: ...

    def dtype(self, name: str) -> str:
        """`f32`, `f64`, `f16`, `bf16` or `i64`."""

    def get(self, name: str) -> Any:
        """The numpy array; may be memory-mapped."""
