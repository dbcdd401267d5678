"""What a graph asks of an op, and what the verifier repeats: so that ir/ knows no op.

compiler/ops/op.py has the class that fulfils this.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple, Protocol

from .dtypes import F32, DType
from .types import TensorType


class Param(NamedTuple):
    """A tensor that an op owns: its shape, how it starts, and whether training leaves it alone (`buffer`).

    `init` is (scheme, measure) as ops/fields.InitKind gives it; ("values", 0.0) where `values` holds the numbers row by row;
    ("signs", 0.0) for random ±1.
    """

    shape: tuple[int, ...]
    init: tuple[str, float] = ("zeros", 0.0)
    buffer: bool = False
    dtype: DType = F32
    values: tuple[float, ...] = ()

    @property
    def elements(self) -> int:
        return prod(self.shape)


class Operation(Protocol):
    """An op as a node of the graph holds it: frozen, hashable, with its fields inside."""

    @property
    def name(self) -> str: ...

    @property
    def arity(self) -> int | None:
        """How many inputs it takes; None: one or more."""

    @property
    def training_only(self) -> bool: ...

    def infer(self, *x: Any) -> TensorType:
        """The type of the result. Raises Reject."""

    def params(self, *x: Any) -> Mapping[str, Param]:
        """The tensors it owns, by their name in it."""

    def __hash__(self) -> int: ...

    def text(self, inputs: str) -> str:
        """The op applied to `inputs`, as the printed graph has it."""


@lru_cache(maxsize=4096)
def infer_type(op: Operation, *x: TensorType) -> TensorType:
    """`op.infer(*x)`, remembered, as a net of a thousand layers has a dozen distinct ones; a Reject is not."""
    return op.infer(*x)
