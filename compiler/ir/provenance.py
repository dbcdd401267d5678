"""Where a node comes from, as data and not as a text, so that messages, pictures, diffs and profiles can all use it."""

from __future__ import annotations

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
