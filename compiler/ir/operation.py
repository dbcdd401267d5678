"""What the graph and the verifier need of an op, as a protocol, so that ir/ imports no op.

The class in compiler/ops/op.py implements it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from .dtypes import F32, DType
from .types import TensorType


class Param(NamedTuple):
    """A tensor of an op: its shape, its initialisation, and whether it is a `buffer`, which training does not change.

    `init` is (scheme, measure) as ops/fields.InitKind gives it. ("values", 0.0) takes the numbers of `values`, row by row;
    ("signs", 0.0) is random ±1.
    """

    shape: tuple[int, ...]
    init: tuple[str, float] = ("zeros", 0.0)
    buffer: bool = False
    dtype: DType = F32
    values: tuple[float, ...] = ()

    @property
    def elements(self) -> int:
        return prod(self.shape)


if TYPE_CHECKING:  # a protocol takes long to create, and only the type checker asks for it
    from typing import Protocol

    class Operation(Protocol):
        """The op of a node: a frozen and hashable object with its fields in it."""

        @property
        def name(self) -> str: ...

        @property
        def arity(self) -> int | None:
            """How many inputs it takes, not counting a control input; None is one or more."""

        @property
        def training_only(self) -> bool: ...

        def infer(self, *x: Any) -> TensorType:
            """The type of the result. Raises Reject where it does not take these inputs."""

        def params(self, *x: Any) -> Mapping[str, Param]:
            """Its tensors, parameters and buffers, by their own name: `weight`."""

        def __hash__(self) -> int: ...

        def text(self, inputs: str) -> str:
            """The op applied to `inputs` in the graph's text form: `conv(%x, out=64)`."""


@lru_cache(maxsize=4096)
def infer_type(op: Operation, *x: TensorType) -> TensorType:
    """`op.infer(*x)`, cached, because a net of a thousand layers has only a dozen distinct ones. A Reject is not cached."""
    return op.infer(*x)
