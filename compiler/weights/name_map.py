"""A map from a graph's names to a checkpoint's, for nets whose steps are called otherwise there."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from ..diagnostics import Failure, nearest
from .names import enclosing_steps


class NameMap:
    """Pairs of names, ours to theirs. A name is a tensor's or a step's, which stands for all that is in it.

    Each `*` in ours stands for any part of a name, and the `*` of theirs, in their order, for the same parts. A name without a
    `*` comes first; of the others the first that fits counts. What fits none keeps its name.
    """

    def __init__(self, names: Mapping[str, str], path: Path | None = None) -> None:
        """`path` is the file that the map was read from. Raises ValueError for a pair that has not as many `*` on the right as on the left."""
        for ours, theirs in names.items():
            if ours.count("*") != theirs.count("*"):
                raise ValueError(
                    f"`{ours}: {theirs}` has {ours.count('*')} `*` on the left and {theirs.count('*')} on the right"
                )
        self.path = path
        plain_first = sorted(names.items(), key=lambda pair: "*" in pair[0])
        self.pairs = [(ours, pattern(ours), theirs) for ours, theirs in plain_first]
        self.plain = {ours: (at, theirs) for at, (ours, _, theirs) in enumerate(self.pairs) if "*" not in ours}
        self.longest = max(map(len, self.plain), default=0)

    def theirs(self, tensor: str) -> str:
        """The checkpoint's name of a tensor."""
        plain = [
            (*self.plain[name], name) for name in (tensor, *enclosing_steps(tensor, self.longest)) if name in self.plain
        ]
        if plain:  # looked up: a map may have a line for each of many steps
            _, theirs, name = min(plain)
            return theirs + tensor.removeprefix(name)
        for _, ours, theirs in self.pairs[len(self.plain) :]:
            if found := ours.fullmatch(tensor):
                *parts, rest = found.groups()
                pieces = theirs.split("*")
                return "".join(a + b for a, b in zip(pieces, [*parts, ""], strict=True)) + (rest or "")
        return tensor

    def check_used(self, tensors: Collection[str], option: str) -> None:
        """Raises Failure (usage) for a pair that fits no tensor of the graph; `option` is what gave the map."""
        for name, ours, _ in self.pairs:
            if not any(ours.fullmatch(tensor) for tensor in tensors):
                near = nearest(name, {*tensors, *(step for tensor in tensors for step in enclosing_steps(tensor))})
                hint = (
                    f"did you mean `{near}`?"
                    if near
                    else "on the left are names of the spec; `archc show SPEC` tells its steps"
                )
                raise Failure("no-such-step", f"{option}: the net has no tensor or step `{name}`", hint, 2)


def pattern(name: str) -> re.Pattern[str]:
    """What fits the tensor `name`, and all tensors in the step `name`; the rest of such a tensor's name is the last group."""
    return re.compile("(.*?)".join(map(re.escape, name.split("*"))) + r"(\..*)?", re.DOTALL)


def map_names(tensors: Iterable[str], names: NameMap | None) -> dict[str, str]:
    """The checkpoint's name of each tensor; its own without a map."""
    return {tensor: names.theirs(tensor) if names else tensor for tensor in tensors}
