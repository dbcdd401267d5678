"""What is said where a net has no step of a path: one rule for every command that takes a path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..diagnostics import MAX_WORD, Failure, list_names, nearest

# names of a path that are looked at; files from elsewhere have paths of any depth
DEEPEST = 60
NEAR_STEPS = 3


class EnteringValue(NamedTuple):
    """An input of a net: what it is, as people read it, and the paths of the steps that read it."""

    type: str
    readers: Sequence[str]


def no_such_step(path: str, steps: Iterable[str], inputs: Mapping[str, EnteringValue]) -> Failure:
    """The Failure (usage) for a path that is that of no step among `steps`, in their order, nor of what is around one.

    Its help names an input's readers; else the paths that end like this one, then the one that is most like it, then those at the top.
    """
    if given := inputs.get(path):
        what = f"`{path}` is an input, {given.type}, and no step"
        return Failure("no-such-step", what, f"it is read by {list_names(given.readers, '`{}`')}", 2)
    paths = dict.fromkeys(scope for step in steps for scope in scopes_of(step))
    ending = [known for known in paths if known.endswith(f".{path}")] if path else []
    near = None if ending or len(path) > MAX_WORD else nearest(path, paths)
    if ending:
        more = len(ending) - NEAR_STEPS
        help = f"did you mean {list_names(ending[:NEAR_STEPS], '`{}`')}{f' or {more} more' if more > 0 else ''}?"
    elif near:
        help = f"did you mean `{near}`?"
    else:
        help = f"at the top are {list_names([known for known in paths if '.' not in known], '`{}`')}"
    return Failure("no-such-step", f"the net has no step `{path[:200]}`, and nothing under it", help, 2)


def scopes_of(path: str) -> Iterable[str]:
    """`a`, `a.b` and `a.b.c` of `a.b.c`; of a very deep path those of the outer levels."""
    parts = path.split(".", DEEPEST)[:DEEPEST]
    return (".".join(parts[:end]) for end in range(1, len(parts) + 1))
