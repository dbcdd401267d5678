"""The context of a step while a spec is expanded: the value that arrives at it, and the names that it sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..diagnostics import Span
from ..ir.graph import Value
from ..ir.provenance import Frame
from ..ir.types import TensorType
from .budget import FRAMES_PER_UNIT, NAMES_PER_UNIT, Budget
from .expressions.arithmetic import Lookup
from .located_yaml import Located
from .spec import Block
from .values import Poisoned, evaluate


class Poison(NamedTuple):
    """The result of a step that is reported as wrong.

    `guess` is the type of the result if the mistake changed only sizes: enough to see that an image arrives where an op needs a
    vector. None: the type is not known, and nothing that follows is reported.
    """

    guess: TensorType | None = None


POISON = Poison()
# in the names of blocks that probably give a vector
VECTOR_WORDS = ("pool", "flat", "linear", "dense", "head", "class", "fc", "squeeze", "gap")

# with several inputs nothing arrives at the first step
NOTHING = Value("", TensorType(()))
# what a step takes and gives
StepValue = Value | Poison


class Context(NamedTuple):
    """What a step sees.

    `scope` is the path that the step's own path begins with, `root` the scope of its block: `from` looks no further out.
    `names` are the values of names in sight, `document` those that a block of this document sees. `frames` and `calls` say by
    which blocks and repeats the step was reached. `aux` is the path of the auxiliary head around it. `outputs` is false inside a
    block, where steps make no outputs; `heads` inside a whole document that is called as a block.
    """

    scope: str
    root: str
    names: Mapping[str, Any]
    document: Mapping[str, Any]
    blocks: Mapping[str, Block]
    inputs: Mapping[str, Value]
    budget: Budget
    frames: tuple[Frame, ...] = ()
    calls: tuple[str, ...] = ()
    aux: str | None = None
    outputs: bool = True
    heads: bool = True

    def lookup(self, x: StepValue) -> Lookup:
        """The lookup of an expression: the names in sight, and `x`, the type of what arrives."""

        def value_of(name: str) -> Any:
            """Raises Poisoned for a name whose value is not known."""
            if name == "x":
                if isinstance(x, Poison):
                    raise Poisoned
                return x.type
            # names.py reports names that do not exist
            value = self.names.get(name, POISON)
            if type(value) is Poison:
                raise Poisoned
            return value

        return value_of

    def evaluate(self, node: Located, x: StepValue) -> Any:
        """The value of `node` where `x` arrives. Raises Fault or Poisoned; LimitReached where the budget is spent."""
        return evaluate(node, self.lookup(x), self.budget)

    @property
    def work_of_frames(self) -> int:
        """The units of work that the frames take of each branch or copy inside this context."""
        return len(self.frames) // FRAMES_PER_UNIT

    @property
    def work_of_copy(self) -> int:
        """The units of work that a copy of this context takes: for the names in sight, and for the frames."""
        return len(self.names) // NAMES_PER_UNIT + self.work_of_frames

    def in_branch(self, name: str, span: Span) -> Context:
        """The context of the steps of a branch: their provenance names the branch."""
        return self._replace(frames=(*self.frames, Frame("branch", name, (), span)))

    def scopes(self) -> Iterator[str]:
        """The step's own scope and those around it, from the inside out, up to that of its block."""
        scope = self.scope
        while True:
            yield scope
            if scope == self.root or not scope:
                return
            scope = scope.rpartition(".")[0]


def guess_result(name: str, x: StepValue) -> Poison:
    """The result of a block that does not exist, as far as it can be guessed.

    Most blocks give an image if an image arrives. The type stays unknown for a name that sounds like an op or like a vector.
    """
    from ..ops.words import match_op

    if any(word in name.lower() for word in VECTOR_WORDS) or match_op(name):
        return POISON
    return x if isinstance(x, Poison) else Poison(None if x is NOTHING else x.type)
