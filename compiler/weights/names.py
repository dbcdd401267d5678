"""Names of tensors: the steps that own them, and what a checkpoint's names may differ by."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

# what trainers put before every name: DataParallel, torch.compile, and a module that only holds the net
PREFIXES = ("module.", "_orig_mod.", "model.")


def under(name: str, paths: Iterable[str]) -> bool:
    """Whether a tensor or a step is one of the steps at `paths`, or belongs to one."""
    return any(name == p or name.startswith(p + ".") for p in paths)


def scopes(name: str) -> Iterator[str]:
    """The steps around a tensor or a step, outermost first."""
    for at, letter in enumerate(name):
        if letter == ".":
            yield name[:at]


def owner(tensor: str) -> str:
    return tensor.rpartition(".")[0]


def whole(some: Iterable[str], all_: Iterable[str]) -> tuple[str, ...]:
    """Tensors, told by the outermost steps that own no others of `all_`; what has no such step by its own step."""
    some = tuple(some)
    have, total = (Counter(scope for name in names for scope in scopes(name)) for names in (some, all_))
    told = (next((s for s in scopes(name) if have[s] == total[s]), owner(name) or name) for name in some)
    return tuple(dict.fromkeys(told))


def bare(names: Collection[str], wanted: Collection[str]) -> dict[str, str]:
    """A checkpoint's names without the prefixes that all of them have and the net has not, each with the name as it is."""
    found = {name: name for name in names}
    for prefix in PREFIXES * 2:
        if found and all(n.startswith(prefix) for n in found) and not any(n.startswith(prefix) for n in wanted):
            found = {n.removeprefix(prefix): own for n, own in found.items()}
    return found


def undotted(missing: Iterable[str], found: Mapping[str, str]) -> dict[str, str]:
    """Missing tensors that the checkpoint has under a name that differs only by dots before digits.

    Before torch 0.4 a module's name could hold a dot: torchvision's DenseNet files say `denselayer1.norm.1.weight` for what
    is `denselayer1.norm1.weight` now. A name counts only where no other, wanted or found, reads the same without its dots.
    """
    wanted, there = joined(missing), joined(found)
    return {names[0]: found[there[plain][0]] for plain, names in wanted.items()
            if len(names) == 1 and len(there.get(plain, ())) == 1}  # fmt: skip


def joined(names: Iterable[str]) -> dict[str, list[str]]:
    """Names by what is left of them without the dots before digits."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(re.sub(r"\.(?=\d)", "", name), []).append(name)
    return found
