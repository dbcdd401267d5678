"""The limits of a check: how large a spec may be, so that any spec is checked or refused in bounded work. docs/reference/limits.md lists them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from .diagnostics import Failure, nearest
from .spelling import as_flag, as_keyword

HIGHEST = 10**9
WORK_OF_NODE = 100  # units that a raised limit of nodes gives for each: a step that stands in the text takes 90
HIGHEST_PARAMS = 10**15
HIGHEST_BYTES = 2**25  # of a text, whose every byte is in memory several times


class Limits(NamedTuple):
    """The limits of one check, each for the whole document with all that it extends and imports.

    nodes      YAML nodes, aliases written out; and, by itself, steps of the net, repeats written out
    work       units of work; a step of the net is 30 of them, an operator or an element of a list in an expression one
    bytes      bytes of one text: a spec, or a file of labels. And the characters of its scalars, aliases written out
    documents  files that the spec extends and imports, each once
    mistakes   errors, where the check ends; and warnings, of which the others are left out
    params     numbers that the net learns
    """

    nodes: int = 50_000
    work: int = 1_600_000
    bytes: int = 2**20
    documents: int = 256
    mistakes: int = 200
    params: int = 100_000_000_000


# the highest that a limit may be, where that is not HIGHEST
HIGHER = {"bytes": HIGHEST_BYTES, "params": HIGHEST_PARAMS}
# what to do where more is needed than the highest
INSTEAD = {
    "nodes": "write a smaller net",
    "work": "make what takes the most of it smaller",
    "bytes": "split the file, or leave out what the net does not need",
    "documents": "put blocks that belong together into one file",
    "mistakes": "mend the first ones",
    "params": "write a smaller net",
}


DEFAULT = Limits()


def highest_of(name: str) -> int:
    """The highest that the limit `name` may be."""
    return HIGHER.get(name, HIGHEST)


def read_limits(settings: Iterable[str]) -> Limits:
    """The limits of `--limit NAME=N`, as a shell gives them. Raises Failure (usage)."""
    given: dict[str, Any] = {}
    for setting in settings:
        name, equals, number = setting.partition("=")
        if not equals:
            raise Failure("usage", f"--limit {setting[:80]!r} is no NAME=N", f"write --limit {DEFAULT_EXAMPLE}", 2)
        given[name.strip()] = int(number) if re.fullmatch(r" *[0-9]{1,20} *", number) else number
    return limits_from(given, lambda name: f"--limit {name[:40]}")


def limits_from(given: Mapping[str, Any], spell: Any = None) -> Limits:
    """The limits with those that are `given` by name; `spell` gives the name of one in messages. Raises Failure (usage).

    Who raises another limit gets as much more work with it, else each would have to be raised twice; but for `params`, which take none.
    So many nodes are also allowed to stand in the text.
    """
    spell = spell or (lambda name: f"limits[{name!r}]")
    for name, number in given.items():
        if name not in Limits._fields:
            near = nearest(str(name), Limits._fields)
            help = f"did you mean `{near}`?" if near else f"the limits are {', '.join(Limits._fields)}"
            raise Failure("usage", f"there is no limit `{str(name)[:80]}`", help, 2)
        highest = highest_of(name)
        if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= highest:
            raise Failure("usage", f"{spell(name)} wants an integer of 1 to {highest:,}, not `{str(number)[:40]}`",
                          f"the limit is {getattr(DEFAULT, name):,} unless told", 2)  # fmt: skip
    limits = DEFAULT._replace(**given)
    if "work" in given:
        return limits
    raised = max(getattr(limits, name) / getattr(DEFAULT, name) for name in Limits._fields if name != "params")
    of_nodes = WORK_OF_NODE * limits.nodes if limits.nodes > DEFAULT.nodes else 0
    return limits._replace(work=min(max(int(limits.work * max(1, raised)), of_nodes), highest_of("work")))


DEFAULT_EXAMPLE = "nodes=100000"


def raise_limit(name: str, least: int) -> str:
    """The help of a diagnostic: how a limit is raised, on the command line and in Python; `least` is what is needed at least.

    Where no limit allows so much, it says that, and what to do instead.
    """
    highest = highest_of(name)
    if least > highest:
        return f"no limit allows that: `{name}` is at most {highest:,}; {INSTEAD[name]}"
    limit = min(max(least, 2 * getattr(DEFAULT, name)), highest)
    return f"{as_flag('limit', f'{name}={limit}')} raises the limit, in Python {as_keyword('limits', {name: limit})}"


def double_limit(name: str, limit: int) -> str:
    """The help of a diagnostic where nobody knows how much is needed: how to raise a limit that is `limit` now to twice that."""
    return raise_limit(name, max(limit + 1, min(2 * limit, highest_of(name))))
