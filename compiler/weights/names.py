"""Names of tensors: the steps that own them, and how a checkpoint's names may differ from a graph's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping


def belongs_to(name: str, steps: Iterable[str]) -> bool:
    """Whether a tensor or a step is one of `steps`, or lies inside one."""
    wanted = frozenset(steps)
    longest = max(map(len, wanted), default=0)
    return name in wanted or any(step in wanted for step in enclosing_steps(name, longest))


def enclosing_steps(name: str, longest: int | None = None) -> Iterator[str]:
    """The steps around a tensor or a step, outermost first: `a` and `a.b` for `a.b.weight`; those of up to `longest` characters, if that is said.

    A checkpoint may have a name of any length: all of its steps together are that length squared.
    """
    end = len(name) if longest is None else longest
    place = name.find(".")
    while 0 <= place <= end:
        yield name[:place]
        place = name.find(".", place + 1)


def owning_step(tensor: str) -> str:
    """The step that a tensor is a parameter of: `a.b` for `a.b.weight`."""
    return tensor.rpartition(".")[0]


def is_bookkeeping(tensor: str) -> bool:
    """Whether it is what torch keeps beside the parameters: counts of batches and of averaged models, and a module's extra state.

    None of it is learned, and no answer depends on it.
    """
    return tensor.rpartition(".")[2] in ("num_batches_tracked", "n_averaged", "_extra_state")


def summarize_by_step(some: Iterable[str], all_names: Iterable[str]) -> tuple[str, ...]:
    """Replaces each tensor name by the outermost step whose tensors are all in `some`, or else by the tensor's own step.

    `fc.weight` and `fc.bias` become `fc`; all tensors of `layer1` together become `layer1`.
    """
    some = tuple(some)
    counts, totals = (Counter(step for name in names for step in enclosing_steps(name)) for names in (some, all_names))
    steps = (
        next((step for step in enclosing_steps(name) if counts[step] == totals[step]), owning_step(name) or name)
        for name in some
    )
    return tuple(dict.fromkeys(steps))


def match_legacy_names(missing: Iterable[str], found: Mapping[str, str]) -> dict[str, str]:
    """The `missing` tensors that a checkpoint has under an old name, each with the old name's value in `found`.

    In torch before 0.4 a module's name could contain a dot: torchvision's DenseNet files say `denselayer1.norm.1.weight`
    for what is `denselayer1.norm1.weight` now. So names are compared without the dots before digits, and a name counts
    only where no other, missing or found, becomes the same.
    """
    missing_by_key, found_by_key = group_by_legacy_key(missing), group_by_legacy_key(found)
    return {names[0]: found[found_by_key[key][0]] for key, names in missing_by_key.items()
            if len(names) == 1 and len(found_by_key.get(key, ())) == 1}  # fmt: skip


def group_by_legacy_key(names: Iterable[str]) -> dict[str, list[str]]:
    """The names that are the same without the dots before digits, by what they are then."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(legacy_key(name), []).append(name)
    return groups


def legacy_key(name: str) -> str:
    """A name without the dots before digits."""
    return re.sub(r"\.(?=\d)", "", name)
