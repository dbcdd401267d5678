"""The naming rules (language.md, section 3): how a place gives its steps their paths, and what is known by path."""

from __future__ import annotations

from typing import Any

from ..diagnostics import Span


def join(scope: str | None, name: str) -> str:
    """A name in a scope; the outermost scope is empty."""
    return f"{scope}.{name}" if scope else name


class Counter:
    """Counts every step of one list, named or not."""

    __slots__ = ("next",)

    def __init__(self) -> None:
        self.next = 0


class Position:
    """Where unnamed steps of a place are: `path`.0, `path`.1, …, or `path` itself for one step without a list.

    `owned`: the path belongs to who opened the place (a block's use, a group, a keyed branch), so a lone step shares it.
    `listed`: a lone step is a list of one (the graph itself, which has no path to give).
    """

    __slots__ = ("counter", "listed", "lone", "owned", "path")

    def __init__(
        self, path: str, lone: bool = False, owned: bool = False, listed: bool = False, counter: Counter | None = None
    ) -> None:
        self.path, self.lone, self.owned, self.listed = path, lone, owned, listed
        self.counter = counter or Counter()

    def _replace(self, lone: bool) -> Position:
        return Position(self.path, lone, self.owned, self.listed, self.counter)

    def take(self) -> tuple[str, bool]:
        """The path of the next step were it unnamed, and whether it is a new one that must be claimed."""
        if self.lone:
            return self.path, not self.owned
        path = join(self.path, str(self.counter.next))
        self.counter.next += 1
        return path, True


class Paths:
    """Every path met: who claimed it, its result (with the head it is inside, if any), and those `when` took out.

    `some_lost` says that a refused step has a path which nobody knows: what `from` does not find may be that.
    """

    def __init__(self) -> None:
        self.some_lost = False
        self.taken: dict[str, Span] = {}
        self.results: dict[str, tuple[Any, str | None]] = {}
        self.removed: dict[str, Span] = {}

    def poison(self, path: str, value: Any) -> None:
        self.results.setdefault(path, (value, None))
