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
from .names import belongs_to, is_bookkeeping, legacy_key, match_legacy_names
from .report import describe_place
from .source import Checkpoint, KeyedStateDict

MAX_PREFIXES = 32  # that are tried for a state dict: the likeliest
# Words in a key or a prefix, which say what kind of state dict it is. A word of NOT_THAT before another takes it back: `model_no_ema`.
AVERAGED = {"ema", "swa", "averaged", "average", "polyak", "shadow"}
NOT_THAT = {"non", "no", "not", "without", "raw"}
# what an optimizer keeps of each weight, and copies that a net began with
BESIDE = {"optimizer", "optim", "exp", "momentum", "grad", "grads", "gradient",
          "init", "initial", "old", "previous", "pretrained", "hyper"}  # fmt: skip
# in the order in which those that fit are taken
PREFERRED = ("averaged", "teacher", "model", "student", "beside")


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
        return not is_bookkeeping(tensor) and not belongs_to(tensor, self.optional)

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
    def fitting(self) -> int:
        """How many tensors it has that fit."""
        return len(self.original_names) - len(self.misshapen)

    @property
    def place(self) -> str:
        """Where in the file it is, in words."""
        return describe_place(self.state_dict.key, self.prefix)

    @property
    def shortcoming(self) -> str:
        """Why it is not whole, in words."""
        missing, misshapen = len(self.missing), len(self.misshapen)
        parts = [f"lacks {missing} tensor{'s' * (missing != 1)}"] * bool(missing)
        parts += [f"has {misshapen} of other shapes"] * bool(misshapen)
        return f"{self.place} {' and '.join(parts)}"

    @property
    def wrapped(self) -> bool:
        """Whether the prefix is one that stands before every name, as a wrapper's: `module.`, `_orig_mod.`."""
        return bool(self.prefix) and all(name.startswith(self.prefix) for name in self.state_dict.source.names())

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

    What is whole comes first; of that what has the name of the wanted `step` in its key or prefix, then averages, teachers, all others in
    the order of the file, and students. Where none is whole, the one that gives most of the wanted tensors is first; a few that fit
    under some prefix say nothing, as names like `conv.weight` are in many nets; but a prefix before all names is a wrapper's.
    """
    fits = [(place, fit) for place, each in enumerate(checkpoint.state_dicts) for fit in fits_of(each, wanted, prefix)]

    def rank(found: tuple[int, Fit]) -> tuple[object, ...]:
        """What fits are sorted by, the best first."""
        place, fit = found
        given = 0 if fit.whole else -fit.fitting * gives_half(fit, wanted)
        size = 0 if fit.whole or given else -len(list(fit.state_dict.source.names()))
        return (
            not fit.whole,
            not names_step(fit, step),
            given,
            preference(fit),
            size,
            place,
            not fit.wrapped,
            bool(fit.prefix),
        )

    return [fit for _, fit in sorted(fits, key=rank)]


def names_step(fit: Fit, step: str) -> bool:
    """Whether a step's own name is in the key or the prefix; any is where the whole net is wanted."""
    return f".{step}." in f".{fit.state_dict.key}.{fit.prefix}." if step else True


def gives_half(fit: Fit, wanted: Wanted) -> bool:
    """Whether at least half of the wanted tensors are there, with their shapes."""
    return 2 * fit.fitting >= len(wanted.names)


def is_preferred(fit: Fit, taken: Fit, wanted: Wanted) -> bool:
    """Whether a fit that is not whole would have come before the one that was taken: an average, where a model was taken."""
    return not fit.whole and gives_half(fit, wanted) and preference(fit) < preference(taken)


def preference(fit: Fit) -> int:
    """The place in PREFERRED, by the words in key and prefix."""
    text = f"{fit.state_dict.key}.{fit.prefix}"
    words = {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", text)}
    if words & BESIDE:
        return PREFERRED.index("beside")
    if words & AVERAGED and not words & NOT_THAT and not is_swapped(fit):
        return PREFERRED.index("averaged")
    return PREFERRED.index(next((kind for kind in ("teacher", "student") if kind in words), "model"))


def is_swapped(fit: Fit) -> bool:
    """Whether it is MMEngine's `ema_state_dict`, which has a count of `steps`.

    Its EMAHook swaps the two when it saves: the average is in `state_dict`, for those who know nothing of it.
    """
    return fit.state_dict.key == "ema_state_dict" and "steps" in fit.state_dict.source.names()


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
        # a count that was rounded with all the rest is no count any more, and starts anew
        found = {tensor: original for tensor, original in found.items() if not is_bookkeeping(tensor)
                 or state_dict.source.dtype(original) == wanted.params[tensor].dtype}  # fmt: skip
        missing = tuple(tensor for tensor in wanted.names if tensor not in found and wanted.is_required(tensor))
        shapes = {tensor: tuple(state_dict.source.shape(original)) for tensor, original in found.items()}
        yield Fit(
            state_dict, each, found, missing, tuple(t for t, shape in shapes.items() if not wanted.takes(t, shape))
        )


def likely_prefixes(names: Collection[str], wanted: Collection[str]) -> list[str]:
    """What stands before wanted names, those before most of them first; "" is always among them."""
    dots = max((name.count(".") for name in wanted), default=0)
    counts = Counter(prefix for name in names for prefix, rest in splits(name, dots) if rest in wanted)
    if not counts:
        keys = {legacy_key(name) for name in wanted}
        counts = Counter(
            prefix for name in names for prefix, rest in splits(name, 2 * dots) if legacy_key(rest) in keys
        )
    likely = [prefix for prefix, count in counts.most_common(MAX_PREFIXES) if 2 * count >= max(counts.values())]
    return likely if "" in likely else [*likely, ""]


def splits(name: str, dots: int) -> Iterator[tuple[str, str]]:
    """A dotted name in two, wherever the second part has at most `dots` dots; first of all the name itself."""
    parts = name.rsplit(".", dots + 1)
    for count in range(len(parts)):
        rest = ".".join(parts[count:])
        yield name[: len(name) - len(rest)], rest
