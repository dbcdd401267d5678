"""Finds what to load in a checkpoint: the state dict, and the prefix of its names, with which its tensors fit the graph.

Training scripts put a net's tensors under keys and prefixes of their own: `model_ema`, `net.`, `_orig_mod.module.`. They are not known
from a list: every mapping in the file is tried, under every prefix that leaves names of the graph.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from ..ir.operation import Param
from .input_channels import differs_in_channels
from .names import belongs_to, is_count, legacy_key, match_legacy_names
from .report import describe_place
from .source import Checkpoint, KeyedStateDict

MAX_PREFIXES = 32  # that are tried for a state dict: the likeliest
# words in a key or a prefix, and how a state dict of that kind is preferred among those that fit
AVERAGED = {"ema", "swa", "averaged", "average", "avg", "polyak", "shadow"}
PREFERRED = (AVERAGED, {"teacher"}, set[str](), {"student"})


class Wanted(NamedTuple):
    """The tensors that a checkpoint is to give.

    `names` are the checkpoint's names by the graph's. It may lack the `optional` steps. The tensors in `adaptable` may have another
    number of input channels.
    """

    names: Mapping[str, str]
    params: Mapping[str, Param]
    optional: Collection[str] = ()
    adaptable: Collection[str] = ()

    def is_required(self, tensor: str) -> bool:
        return not is_count(tensor) and not belongs_to(tensor, self.optional)

    def takes(self, tensor: str, shape: tuple[int, ...]) -> bool:
        """Whether a tensor of this shape fits."""
        wanted = self.params[tensor].shape
        return shape == wanted or (tensor in self.adaptable and differs_in_channels(shape, wanted))


class Fit(NamedTuple):
    """A state dict, and how it fits when `prefix` is taken off its names.

    `original_names` are its names by the graph's; `missing` are the tensors that it ought to have and lacks, and `misshapen` those
    that have another shape.
    """

    state_dict: KeyedStateDict
    prefix: str
    original_names: Mapping[str, str]
    missing: tuple[str, ...]
    misshapen: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return not self.missing and not self.misshapen

    @property
    def place(self) -> str:
        """Where in the file it is, in words."""
        return describe_place(self.state_dict.key, self.prefix)

    @property
    def inside(self) -> dict[str, str]:
        """Its names with the prefix, by what they are without."""
        return {
            name.removeprefix(self.prefix): name
            for name in self.state_dict.source.names()
            if name.startswith(self.prefix)
        }


def find_fits(checkpoint: Checkpoint, wanted: Wanted, prefix: str | None = None, step: str = "") -> list[Fit]:
    """How each state dict fits, under each likely prefix or under `prefix` alone; the best first.

    What is whole comes first. Among those averaged weights do, then a teacher's, and a student's last; then the order of the file.
    Where none is whole, the one that gives most of the wanted tensors is first; a few that fit under some prefix say nothing, as
    names like `conv.weight` are in many nets. `step` is the step of the graph that is wanted: its own name in the file comes
    before others'.
    """
    fits = [fit for each in checkpoint.state_dicts for fit in fits_of(each, wanted, prefix)]

    def rank(fit: Fit) -> tuple[object, ...]:
        fitting = len(fit.original_names) - len(fit.misshapen)
        telling = not fit.whole and 2 * fitting >= len(wanted.names)
        other_step = bool(step) and not f".{fit.prefix}".endswith(f".{step}.")
        size = len(list(fit.state_dict.source.names()))
        return (
            not fit.whole,
            -fitting * telling,
            preference(fit),
            other_step,
            bool(fit.prefix),
            0 if fit.whole else -size,
        )

    return sorted(fits, key=rank)


def preference(fit: Fit) -> int:
    """The place of a fit in PREFERRED, by the words in its key and prefix."""
    text = f"{fit.state_dict.key}.{fit.prefix}"
    words = {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", text)}
    return next((place for place, kind in enumerate(PREFERRED) if words & kind), PREFERRED.index(set()))


def fits_of(state_dict: KeyedStateDict, wanted: Wanted, prefix: str | None) -> Iterator[Fit]:
    """How a state dict fits under each likely prefix, or under the one that is given."""
    names = list(state_dict.source.names())
    for each in likely_prefixes(names, set(wanted.names.values())) if prefix is None else [prefix]:
        under = {name[len(each) :]: name for name in names if name.startswith(each)}
        found = {tensor: under[theirs] for tensor, theirs in wanted.names.items() if theirs in under}
        lacking = {theirs: tensor for tensor, theirs in wanted.names.items() if tensor not in found}
        used = set(found.values())
        legacy = match_legacy_names(
            lacking, {name: original for name, original in under.items() if original not in used}
        )
        found |= {lacking[theirs]: original for theirs, original in legacy.items()}
        missing = tuple(tensor for tensor in wanted.names if tensor not in found and wanted.is_required(tensor))
        shapes = {tensor: tuple(state_dict.source.shape(original)) for tensor, original in found.items()}
        yield Fit(
            state_dict, each, found, missing, tuple(t for t, shape in shapes.items() if not wanted.takes(t, shape))
        )


def likely_prefixes(names: Collection[str], wanted: Collection[str]) -> list[str]:
    """What stands before wanted names, those before most of them first; "" is always among them."""
    counts = Counter(name[:start] for name in names for start in starts(name) if name[start:] in wanted)
    if not counts:
        keys = {legacy_key(name) for name in wanted}
        counts = Counter(name[:start] for name in names for start in starts(name) if legacy_key(name[start:]) in keys)
    likely = [prefix for prefix, count in counts.most_common(MAX_PREFIXES) if 2 * count >= max(counts.values())]
    return likely if "" in likely else [*likely, ""]


def starts(name: str) -> Iterator[int]:
    """Where the parts of a dotted name begin."""
    yield 0
    for place, letter in enumerate(name, 1):
        if letter == ".":
            yield place
