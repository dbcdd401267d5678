"""Where a node comes from, as structure: messages, pictures, diffs and profiles are all read from it."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from ..diagnostics import Span

FrameKind = Literal["block", "repeat", "import", "branch"]


class Frame(NamedTuple):
    """One step of the way by which a node was expanded.

    A `block` was called by `name`, with its parameters as `bindings`; an `import` is a whole document called as a block; a
    `repeat` is one of its rounds, with its counters as `bindings` and the step's path, if it has one, as `name`; a `branch` is
    the one that `name` (a key, or its number) says. `span` is the place of the call, of `repeat`, or of the branch.
    """

    kind: FrameKind
    name: str
    bindings: tuple[tuple[str, Any], ...]
    span: Span
