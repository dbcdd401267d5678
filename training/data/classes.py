"""The classes of a training run: the names in the pictures, in their order, or the labels of the spec where they mean these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ...compiler.diagnostics import Failure
from ...runtime.evaluation.matching import SHOWN, match_classes


class NamedClasses(NamedTuple):
    """The names of all classes, and the index of each name that stands in the pictures; `how` says where they are from."""

    names: tuple[str, ...]
    places: Mapping[str, int]
    how: str


def sort_names(names: Iterable[str]) -> tuple[str, ...]:
    """Names of classes in their order: numbers by their value, others as texts, as torchvision's ImageFolder sorts them."""
    names = [*names]
    numbers = all(name.isascii() and name.isdecimal() and len(name) < 10 for name in names)
    return tuple(sorted(names, key=lambda name: (int(name), name)) if numbers else sorted(names))


def name_classes(
    found: Iterable[str], given: Sequence[str] | None, labels: Sequence[str] | None, count: int | None
) -> NamedClasses:
    """The classes of pictures whose names are `found`, where the recipe gives names, the spec `labels`, or the net has `count` classes.

    Raises Failure `classes-unmatched` where a name is none that the recipe gives, and `class-count` where the net has another number.
    """
    names = sort_names(found)
    if unread := [name for name in names if any("\ud800" <= letter <= "\udfff" for letter in name)]:
        raise Failure(
            "class-name",
            f"a class has the name {unread[0]!a}, which is no text in UTF-8",
            "give its folder another name",
        )
    if given:
        named = match_all(names, given, "the recipe's `classes`")
        if named is None:
            unmatched = match_classes(names, given, len(given)).unmatched or dict.fromkeys(names)
            raise Failure("classes-unmatched", f"{show_names(unmatched)} of the pictures: not in the recipe's `classes`",
                          "name every class of the pictures in `data.classes`, in the order of their numbers")  # fmt: skip
    else:
        named = NamedClasses(
            names,
            {name: at for at, name in enumerate(names)},
            f"{len(names)} class{'es' * (len(names) > 1)} by their names",
        )
    labelled = match_all(named.names, labels, "the spec's labels") if labels else None
    if labelled:
        index = {name: labelled.places[named.names[at]] for name, at in named.places.items()}
        named = NamedClasses(labelled.names, index, labelled.how)
    if count is not None and len(named.names) != count:
        raise Failure("class-count", f"the pictures have {len(named.names)} class{'es' * (len(named.names) > 1)}, the net {count}: {show_names(named.names)}",
                      f"give the spec a parameter `classes`, or the last layer {len(named.names)} outputs")  # fmt: skip
    return named


def match_all(names: Sequence[str], labels: Sequence[str], whose: str) -> NamedClasses | None:
    """The labels with each name's index among them, where every name means another one of them; else None."""
    matching = match_classes(names, labels, len(labels))
    if matching.unmatched or len(set(matching.classes.values())) < len(names):
        return None
    return NamedClasses(tuple(labels), matching.classes, f"{len(labels)} classes: {whose}, {matching.how}")


def find_classes(found: Iterable[str], train: NamedClasses, place: str) -> Mapping[str, int]:
    """The index of each name in the validation pictures. Raises Failure `classes-unmatched` where one is no class of training."""
    missing = [name for name in sort_names(found) if name not in train.places]
    if missing:
        raise Failure("classes-unmatched", f"`{place}` has {show_names(missing)}, no class of the training pictures: {show_names(train.places)}",
                      "name the classes alike in both")  # fmt: skip
    return train.places


def show_names(names: Iterable[str]) -> str:
    """The first names, for a message."""
    names = [*names]
    return ", ".join(f"`{name}`" for name in names[:SHOWN]) + (
        f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    )
