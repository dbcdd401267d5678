"""The steps that are not in the net, because `when` took them out or their `repeat` has no rounds: for the message of a `from` that names one."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from ..ir.graph import Value
from .budget import Budget
from .context import Context, StepValue
from .located_yaml import Located
from .spec import MergeCall, Step, places_in

MAX_DEPTH = 64  # parts of a path that are looked for
EXPRESSION = re.compile(r"\$(?:\w+|\([^)]*\))")


class Absent(NamedTuple):
    """A step that is not in the net: `why` is the modifier that says so, `when` or `repeat`.

    `name` is its name, None where it has none; in a `repeat` of no rounds no expression in it has a value. `ctx` is its context, and `x`
    what arrives at it, and so at the step behind it.
    """

    step: Step
    name: str | None
    why: Literal["when", "repeat"]
    ctx: Context
    x: StepValue


class Names(NamedTuple):
    """Names that a step would bring into the scope around it: those that are known, and, cut at their expressions, the others."""

    known: frozenset[str]
    patterns: tuple[tuple[str, ...], ...]


class AbsentSteps:
    """The absent steps of a net by the scope around them and by their names, so that a look-up does not grow with their number.

    What is in a step is looked through once, however often it is copied.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._named: dict[tuple[str, str], Absent] = {}
        self._around: dict[tuple[str, Located], Absent] = {}  # those without a name, whose inner names count
        self._holders: dict[str, list[Located]] = {}  # the nodes of such steps by a name in them
        self._patterns: list[tuple[tuple[str, ...], Located]] = []
        self._known: set[Located] = set()
        self._arriving: dict[str, list[Absent]] = {}  # by the value that arrives

    def add(self, absent: Absent) -> None:
        """Adds a step that would be in the scope of its context."""
        node, scope = absent.step.node, absent.ctx.scope
        if isinstance(absent.x, Value):
            self._arriving.setdefault(absent.x.name, []).append(absent)
        if absent.name is not None and "$" not in absent.name:
            self._named[scope, absent.name] = absent
            return
        self._around[scope, node] = absent
        if node in self._known:
            return
        self._known.add(node)
        names = cut_names([absent.name] if absent.name is not None else self._inner_names(absent.step))
        for name in names.known:
            self._holders.setdefault(name, []).append(node)
        self._patterns += [(pattern, node) for pattern in names.patterns]

    def arriving_at(self, name: str) -> list[Absent]:
        """The absent steps at which the value of this name arrives, in the order of the text."""
        return self._arriving.get(name, [])

    def __bool__(self) -> bool:
        return bool(self._named or self._around)

    def find(self, scope: str, name: str, node: Located) -> Absent | None:
        """The absent step that has the path `name` in the scope, or is around the one that has it.

        `node` is the `from`, for which the work is counted.
        """
        for part in name.split(".", MAX_DEPTH)[:MAX_DEPTH]:
            if found := self._find_here(scope, part, node):
                return found
            scope = f"{scope}.{part}" if scope else part
        return None

    def _inner_names(self, absent: Step) -> list[str]:
        """The names of the steps and branches in a step that would be in the scope around it."""
        names: list[str] = []
        pending = [absent]
        while pending:
            step = pending.pop()
            if isinstance(step.core, MergeCall):
                names += [str(branch.key.value) for branch in step.core.branches.items if branch.key]
            inner = [each for place in places_in(step) for each in place.steps]
            self.budget.spend(len(inner), absent.node)
            names += [str(each.modifiers["name"].value.value) for each in inner if "name" in each.modifiers]
            pending += [each for each in inner if "name" not in each.modifiers]
        return names

    def _find_here(self, scope: str, name: str, node: Located) -> Absent | None:
        if found := self._named.get((scope, name)):
            return found
        holders = self._holders.get(name, ())
        self.budget.spend(1 + len(holders) // 8 + len(self._patterns), node)
        for holder in holders:
            if found := self._around.get((scope, holder)):
                return found
        for pattern, holder in self._patterns:
            if (found := self._around.get((scope, holder))) and fits(pattern, name):
                return found
        return None


def cut_names(names: list[str]) -> Names:
    """The names, those with expressions cut at them: an expression stands for any text."""
    patterns = dict.fromkeys(tuple(EXPRESSION.split(name)) for name in names if "$" in name)
    return Names(frozenset(name for name in names if "$" not in name), tuple(patterns))


def fits(pattern: tuple[str, ...], name: str) -> bool:
    """Whether the name has the parts of the pattern in their order, from its beginning to its end, with something between each two."""
    first, *others = pattern
    if not name.startswith(first):
        return False
    if not others:
        return name == first
    *middle, last = others
    at = len(first)
    for part in middle:
        at = name.find(part, at + 1)
        if at < 0:
            return False
        at += len(part)
    return name.endswith(last) and at + 1 + len(last) <= len(name)
