"""Where a step stands while a spec is expanded: what arrives at it, and what it sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..diagnostics import Span
from ..ir.graph import Value
from ..ir.provenance import Frame
from ..ir.types import TensorType
from ..ops.words import composition, op_meant
from .spec import Block
from .values import Lookup, Poisoned


class Poison(NamedTuple):
    """Stands for the result of a step that was refused.

    `guess` is the type that it would have if the mistake changed no more than sizes: enough to see that an image arrives where a
    vector must. None: nothing is known, and nothing is said of what follows.
    """

    guess: TensorType | None = None


POISON = Poison()
ENDS = (
    "pool",
    "flat",
    "linear",
    "dense",
    "head",
    "class",
    "fc",
    "squeeze",
    "gap",
)  # in names of blocks that end in a vector

NOTHING = Value("", TensorType(()))  # with several inputs nothing arrives at the first step
Arriving = Value | Poison


class Context(NamedTuple):
    """Where a step stands: `scope` names it, `root` bounds what `from` sees, `names` are the values in sight."""

    scope: str
    root: str
    names: Mapping[str, Any]
    document: Mapping[str, Any]
    blocks: Mapping[str, Block]
    inputs: Mapping[str, Value]
    frames: tuple[Frame, ...] = ()
    calls: tuple[str, ...] = ()
    aux: str | None = None
    outputs: bool = True

    def lookup(self, x: Arriving) -> Lookup:
        """The names in sight, and `x`, what arrives."""

        def look(name: str) -> Any:
            if name == "x":
                if isinstance(x, Poison):
                    raise Poisoned
                return x.type
            value = self.names.get(name, POISON)  # a name that is not there is told by names.py
            if type(value) is Poison:
                raise Poisoned
            return value

        return look

    def in_branch(self, name: str, span: Span) -> Context:
        """The context of a branch's steps: their provenance says which branch they are of."""
        return self._replace(frames=(*self.frames, Frame("branch", name, (), span)))

    def scopes(self) -> Iterator[str]:
        """The step's own scope and those around it, up to its block."""
        scope = self.scope
        while True:
            yield scope
            if scope == self.root or not scope:
                return
            scope = scope.rpartition(".")[0]


def kind_of_block(name: str, x: Arriving) -> Poison:
    """What a block that is not there probably gives: most make an image of an image. One that sounds like an end may not."""
    if any(word in name.lower() for word in ENDS) or op_meant(name) or composition(name):
        return POISON
    return x if isinstance(x, Poison) else Poison(None if x is NOTHING else x.type)
