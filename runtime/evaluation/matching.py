"""Which class of the model a folder's name means: by its label, by its number, or by the order of WordNet's ids.

One way is taken for all names, that in which most fit, and it is said: a mix of labels and numbers would guess.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple
from unicodedata import category, normalize

from ..faults import RuntimeFault

WORDNET = re.compile(r"n\d{8}")
SHOWN = 12


class ClassMatching(NamedTuple):
    """The class of each name, as its index; `how` says in which way, and `unmatched` why a name has none."""

    classes: dict[str, int]
    how: str
    unmatched: dict[str, str]


def match_classes(names: Iterable[str], labels: Sequence[str], classes: int | None) -> ClassMatching:
    """Finds the class of each name, for a model with these `labels` and so many `classes` (None where the file leaves it open)."""
    names = [*names]
    ways: dict[str, Callable[[str], str]] = {
        "by the labels as they are": compose,
        "by the labels, whatever their case, spaces and signs": simplify,
        "by the WordNet ids in the labels": find_id,
        "by the labels, without the WordNet ids before the names": lambda name: simplify(drop_id(name)),
    }
    found = [match_keys(names, labels, key)._replace(how=how) for how, key in ways.items()]
    best = max(found, key=lambda each: len(each.classes))
    if best.classes:
        return best
    number = re.compile(r"\d{1,9}", re.ASCII)
    count = classes if classes is not None else len(labels) or None
    if any(number.fullmatch(name) for name in names):
        index = {name: int(name) for name in names if number.fullmatch(name) and (count is None or int(name) < count)}
        why = "is no class's number" + (f": there are {count}" if count else "")
        return ClassMatching(index, "by the numbers of the classes", {name: why for name in names if name not in index})
    if names and len(names) == count and all(WORDNET.fullmatch(name) for name in names):
        return ClassMatching({name: at for at, name in enumerate(sorted(names))}, "by the order of WordNet's ids", {})
    why = "is no label of the model" if labels else "is no number, and the model has no labels"
    return ClassMatching({}, "", dict.fromkeys(names, why))


def match_keys(names: Sequence[str], labels: Sequence[str], key: Callable[[str], str]) -> ClassMatching:
    """The classes whose label has the key of a name; where two have, the name means neither."""
    places = defaultdict(list)
    for at, label in enumerate(labels):
        places[key(label)].append(at)
    places.pop("", None)
    found = {name: places.get(key(name), []) for name in names}
    unmatched = {name: f"may be {' or '.join(map(str, at))}: those classes have one label" if at else "is no label of the model"
                 for name, at in found.items() if len(at) != 1}  # fmt: skip
    return ClassMatching({name: at[0] for name, at in found.items() if len(at) == 1}, "", unmatched)


def compose(name: str) -> str:
    """A name with each letter in one piece with its accents; some systems write files' names in pieces."""
    return normalize("NFC", name)


def simplify(name: str) -> str:
    """A name without what people write differently: its case, and all but letters, with their marks, and digits."""
    folded = normalize("NFKC", normalize("NFKC", name).casefold())
    return "".join(each for each in folded if each.isalnum() or category(each).startswith("M"))


def find_id(name: str) -> str:
    """The WordNet id that a name begins with; empty where there is none."""
    found = WORDNET.match(name)
    return found[0] if found else ""


def drop_id(name: str) -> str:
    """A name without the WordNet id that it begins with, unless it is nothing else."""
    return name.removeprefix(find_id(name)) or name


def require_match(matching: ClassMatching, labels: Sequence[str], skip_unknown: bool) -> None:
    """Raises RuntimeFault `classes-unmatched` where a name means none of the model's `labels`, unless those are to be left out."""
    if not matching.unmatched or (skip_unknown and matching.classes):
        return
    told = [f"`{name}` {why}" for name, why in [*matching.unmatched.items()][:SHOWN]]
    more = len(matching.unmatched) - len(told)
    theirs = ", ".join(f"`{label}`" for label in labels[:SHOWN]) + (" …" if len(labels) > SHOWN else "")
    raise RuntimeFault("classes-unmatched", "; ".join(told) + (f"; and {more:,} more" if more else ""),
                       f"name the folders by the model's labels{f' ({theirs})' if theirs else ''}, or by numbers from 0; --labels FILE, or labels= in Python, gives it others; a first line of a .csv that is no picture is `path,class`"
                       + ("; --skip-unknown, or skip_unknown=True in Python, leaves those out" if matching.classes else ""))  # fmt: skip
