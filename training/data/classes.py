"""The classes of a training run: the names in the pictures, in their order, or the labels of the spec where they mean these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ...compiler.diagnostics import Failure
from ...runtime.evaluation.matching import SHOWN, match_classes


class SpecClasses(NamedTuple):
    """What a spec says of its classes: their `labels`, None without; its number of `outputs`, None where it takes as many as there are; `own` is whether
    the labels were written for these pictures, and are no known set, as cifar-10, nor a bundled spec's."""

    labels: Sequence[str] | None = None
    outputs: int | None = None
    own: bool = True


class NamedClasses(NamedTuple):
    """The names of all classes, and the index of each name that stands in the pictures; `how` says where they are from, and `notes` what
    people may not expect of that."""

    names: tuple[str, ...]
    places: Mapping[str, int]
    how: str
    notes: tuple[str, ...] = ()


def sort_names(names: Iterable[str]) -> tuple[str, ...]:
    """Names of classes in their order: numbers by their value, others as texts, as torchvision's ImageFolder sorts them."""
    names = [*names]
    return tuple(sorted(names, key=lambda name: (int(name), name)) if are_numbers(names) else sorted(names))


def are_numbers(names: Iterable[str]) -> bool:
    """Whether all names are numbers."""
    return all(name.isascii() and name.isdecimal() and len(name) < 10 for name in names)


def name_classes(found: Iterable[str], given: Sequence[str] | None, spec: SpecClasses) -> NamedClasses:
    """The classes of pictures whose names are `found`, where the recipe gives names.

    Raises Failure `classes-unmatched` where a name is none that the recipe gives, and `class-count` where the net has another number.
    """
    names = sort_names(found)
    if unread := [name for name in names if any("\ud800" <= letter <= "\udfff" for letter in name)]:
        raise Failure(
            "class-name",
            f"a class has the name {unread[0]!a}, which is no text in UTF-8",
            "give its folder another name; a .csv is saved as UTF-8",
        )
    if given:
        named = match_all(names, given, "the recipe's `classes`")
        if named is None:
            unmatched = match_classes(names, given, len(given)).unmatched or dict.fromkeys(names)
            if twice := [name for name in unmatched if given.count(name) > 1]:
                raise Failure("classes-unmatched", f"{show_names(twice)} of the pictures: more than once in the recipe's `classes`",
                              "name each class once in `data.classes`")  # fmt: skip
            raise Failure("classes-unmatched", f"{show_names(unmatched)} of the pictures: not in the recipe's `classes`",
                          "name every class of the pictures in `data.classes`, in the order of their numbers")  # fmt: skip
    else:
        named = NamedClasses(
            names,
            {name: at for at, name in enumerate(names)},
            f"{len(names)} class{'es' * (len(names) > 1)} by their names",
        )
    if spec.labels:
        named = take_labels(named, spec.labels, spec)
    if len(named.names) == 1:
        raise Failure("class-count", f"all pictures have the class {show_names(named.names)}: there is nothing to tell apart",
                      "give pictures of two classes or more, each in a folder of its own, or by its name in the .csv")  # fmt: skip
    if spec.outputs is not None and len(named.names) != spec.outputs:
        raise Failure("class-count", f"the pictures have {len(named.names)} classes, the net {spec.outputs}: {show_names(named.names)}",
                      f"give the spec a parameter `classes`, or the last layer {len(named.names)} outputs; where --set gives it, leave that out")  # fmt: skip
    return named


def take_labels(named: NamedClasses, labels: Sequence[str], spec: SpecClasses) -> NamedClasses:
    """The classes in the order of the spec's labels, where these mean them: else as they are, with a note where that may surprise.

    Numbers are no names: they stand for labels only that are the user's own and as many. Where only some of the labels occur, the net has
    as many classes as the pictures, but where its number is fixed to that of the labels.
    """
    labelled = match_all(named.names, labels, "the spec's labels")
    if labelled is None:
        return named
    count, fixed = len(named.names), spec.outputs == len(labels)
    numbered = are_numbers(named.names) and not any(
        named.names[at] == labels[labelled.places[named.names[at]]] for at in range(count)
    )
    if numbered and not (spec.own and (count == len(labels) or fixed)):
        note = (f"the classes are numbers, and stay so: the spec's labels ({show_names(labels, 3)}) are not theirs; their names are set by "
                "`data.classes` of the recipe")  # fmt: skip
        return named._replace(notes=(note,))
    if count < len(labels) and not fixed:
        note = (f"{count} of the spec's {len(labels):,} labels occur: the classes are {show_names(named.names)} alone"
                + ("" if spec.outputs is not None else f"; --set classes={len(labels)} keeps all"))  # fmt: skip
        return named._replace(notes=(note,))
    index = {name: labelled.places[named.names[at]] for name, at in named.places.items()}
    empty = [label for at, label in enumerate(labels) if at not in index.values()]
    notes = (f"no picture is of {show_names(empty)}, of the spec's {len(labels):,} labels",) if empty else ()
    return NamedClasses(labelled.names, index, labelled.how, notes)


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


def show_names(names: Iterable[str], most: int = SHOWN) -> str:
    """The first names, for a message."""
    names = [*names]
    return ", ".join(f"`{name}`" for name in names[:most]) + (
        f" and {len(names) - most:,} more" if len(names) > most else ""
    )
