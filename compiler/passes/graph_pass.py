"""What a pass is: a frozen value whose options are its fields, called on a graph and giving a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from ..diagnostics import InternalError
from ..ir.graph import Graph, Phase


@dataclass(frozen=True, slots=True)
class Settings:
    """What a build asks of the passes: each takes from it what it needs."""

    phase: Phase = "inference"
    keep_aux: bool = False
    fold: bool = True


@dataclass(frozen=True)
class Pass:
    """The root of all passes. Subclasses give `name`, `run`, and what they need and promise.

    The driver calls `require`, `run` and `ensure` in this order, and the verifier after that; none of them may be left out, as
    a pass that lies is found where it lies.
    """

    name: ClassVar[str] = ""

    @classmethod
    def configured(cls, settings: Settings) -> Self | None:
        """The pass as `settings` want it; None where they do without it."""
        return cls()

    def run(self, graph: Graph) -> Graph:
        """The changed graph."""
        raise NotImplementedError

    def require(self, graph: Graph) -> None:
        """Raises InternalError where the pass cannot take `graph`."""

    def ensure(self, graph: Graph) -> None:
        """Raises InternalError where what the pass promises does not hold of its result."""

    def breach(self, graph: Graph, what: str) -> InternalError:
        return InternalError(f"graph {graph.name}, pass {self.name}: {what}")
