"""What a pass is: a frozen value, whose options are its fields, that makes a graph out of a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from ..diagnostics import InternalError
from ..ir.graph import Graph, Phase


@dataclass(frozen=True, slots=True)
class PassOptions:
    """The options of a build that passes need; each pass takes its own from it.

    `half` computes in half floats, `half_io` also takes and gives them, and the nodes at the paths `float32_steps` do neither.
    Where there are a `pixel_factor` and a `pixel_offset` for each channel, the inputs are pixels.
    """

    phase: Phase = "inference"
    keep_aux: bool = False
    fold: bool = True
    half: bool = False
    half_io: bool = False
    float32_steps: frozenset[str] = frozenset()
    pixel_factor: tuple[float, ...] = ()
    pixel_offset: tuple[float, ...] = ()


@dataclass(frozen=True)
class Pass:
    """The root of all passes. Subclasses have a `name` and `run`, and check what they need (`require`) and promise (`ensure`).

    The driver calls `require`, `run` and `ensure` in this order and then the verifier, always, so that a pass that breaks its
    promise is found at once.
    """

    name: ClassVar[str] = ""

    @classmethod
    def from_options(cls, options: PassOptions) -> Self | None:
        """The pass with its own of the `options`; None where they leave it out."""
        return cls()

    def run(self, graph: Graph) -> Graph:
        """The changed graph."""
        raise NotImplementedError

    def require(self, graph: Graph) -> None:
        """Raises InternalError where `graph` is not what the pass needs."""

    def ensure(self, graph: Graph) -> None:
        """Raises InternalError where `graph`, a result of the pass, is not what it promises."""

    def breach(self, graph: Graph, what: str) -> InternalError:
        """The error to raise; `what` says in a clause what is wrong."""
        return InternalError(f"graph {graph.name}, pass {self.name}: {what}")
