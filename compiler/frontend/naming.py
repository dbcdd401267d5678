"""The naming rules (language.md, section 3): the paths that a place gives to its steps, and what is known of each path."""

from __future__ import annotations

from typing import Any

from ..diagnostics import Collector, Note, Span
from .absent import AbsentSteps
from .budget import Budget
from .located_yaml import Located


def join_path(scope: str | None, name: str) -> str:
    """The path of `name` in a scope; the outermost scope is empty."""
    return f"{scope}.{name}" if scope else name


class StepCounter:
    """The number of the next step of one list; steps with names count, too."""

    __slots__ = ("next",)

    def __init__(self) -> None:
        self.next = 0


class Position:
    """Gives paths to the steps of a place that have no name.

    Their paths are `path`.0, `path`.1, …; a single step without a list has `path` itself.
    `shares_path`: the path is already claimed by what opened the place (a block's use, a group, a branch under a key).
    `is_list`: a single step is a list of one; so it is for the graph itself, which has no path.
    """

    __slots__ = ("counter", "is_list", "is_single", "path", "shares_path")

    def __init__(
        self,
        path: str,
        is_single: bool = False,
        shares_path: bool = False,
        is_list: bool = False,
        counter: StepCounter | None = None,
    ) -> None:
        self.path, self.is_single, self.shares_path, self.is_list = path, is_single, shares_path, is_list
        self.counter = counter or StepCounter()

    def of_single_step(self) -> Position:
        """The position of a place that is one step by itself."""
        return self if self.is_list else Position(self.path, True, self.shares_path, False, self.counter)

    def of_list(self) -> Position:
        """The position of the steps of a list that stands in this one's place."""
        return Position(self.path, shares_path=self.shares_path, counter=self.counter)

    def claimed(self) -> Position:
        """The same position with its path claimed. A group without a name has claimed it for the one step of its place."""
        return Position(self.path, self.is_single, True, self.is_list, self.counter) if self.is_single else self

    def next_path(self) -> tuple[str, bool]:
        """The path of the next step if it has no name, and whether that path must be claimed. Counts the step."""
        if self.is_single:
            return self.path, not self.shares_path
        path = join_path(self.path, str(self.counter.next))
        self.counter.next += 1
        return path, True


class Paths:
    """What is known of every path.

    `claims`: where the step of a path stands. `heads`: where the head of a path stands. `results`: the value of a step, and the
    auxiliary head around it, if any. `absent`: the steps that `when` took out, or that repeat in no round. `index`: what
    references.py looks up of a place, by identity, for its messages. `some_lost`: a refused step has a path that nobody knows, so
    a path that `from` does not find may be that of this step. `unknown`: each `from` that is reported to name no step.
    """

    def __init__(self, budget: Budget) -> None:
        self.some_lost = False
        self.unknown: set[Located] = set()
        self.index: dict[int, Any] = {}
        self.claims: dict[str, Span] = {}
        self.heads: dict[str, Span] = {}
        self.results: dict[str, tuple[Any, str | None]] = {}
        self.absent = AbsentSteps(budget)

    def poison(self, path: str, value: Any) -> None:
        self.results.setdefault(path, (value, None))

    def claim(self, path: str, span: Span, diagnostics: Collector) -> bool:
        """Whether the path was free, and now belongs to the step at `span`. Reports a second step of the same path."""
        if path not in self.claims:
            self.claims[path] = span
            return True
        note = Note("the first is here", self.claims[path])
        message = f"two steps have the path `{path}`"
        diagnostics.error("duplicate-path", span, message, "give one of them another name", (note,))
        return False

    def claim_head(self, path: str, span: Span, diagnostics: Collector) -> bool:
        """Whether the path had no head, and now has the one at `span`. Reports a second: a head that is a single step shares its path."""
        if path not in self.heads:
            self.heads[path] = span
            return True
        note = Note("the inner one is here", self.heads[path])
        message = f"this head and the one in it have the same path, `{path}`"
        diagnostics.error(
            "duplicate-path", span, message, "give the inner head a name, or leave one of the two out", (note,)
        )
        return False
