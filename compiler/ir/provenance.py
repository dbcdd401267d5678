"""Where a node comes from, as data and not as a text, so that messages, pictures, diffs and profiles can all use it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Literal, NamedTuple

from ..diagnostics import Span

FrameKind = Literal["block", "repeat", "import", "branch"]


class Frame(NamedTuple):
    """One of the constructs that a node was expanded from.

    - `block`: the call of the block `name`, with its parameters as `bindings`
    - `import`: a whole document that is called as a block, likewise
    - `repeat`: one of its rounds, with its counters as `bindings`; `name` is the step's path, if it has one
    - `branch`: the one that `name`, a key or a number, says

    `span` is the place of the call, of `repeat`, or of the branch.
    """

    kind: FrameKind
    name: str
    bindings: tuple[tuple[str, Any], ...]
    span: Span


def shared_frames(stacks: Sequence[tuple[Frame, ...]]) -> tuple[Frame, ...]:
    """The frames that all of some nodes were expanded from, outermost first; `stacks` are the nodes' own."""
    columns = zip(*stacks, strict=False)
    return tuple(column[0] for column in takewhile(lambda column: all(each is column[0] for each in column), columns))
