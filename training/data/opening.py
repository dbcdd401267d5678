"""From a recipe's `data` and a folder to the pictures: what lies there, which classes it has, and what is for training and for validation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ...compiler.counts import count_of
from ...compiler.diagnostics import Failure
from ...runtime.evaluation.examples import is_csv, read_csv, walk_classes
from ...runtime.faults import RuntimeFault
from ...runtime.sources import list_folder
from ..recipe.recipe import DataFormat, DataRules
from .classes import NamedClasses, SpecClasses, find_classes, name_classes, show_names
from .idx import IdxFiles, find_idx, read_idx
from .listings import DataWarning, Listing, all_shared, find_several_classes, find_shared
from .pictures import ArrayPictures, FilePictures, PathList, PictureSet
from .split import split_pictures

LAYOUTS = (
    "give a folder with train/CLASS/PICTURE and val/CLASS/PICTURE, with CLASS/PICTURE and a split, with train.csv and val.csv "
    "(a path and a class a line), or with MNIST's four files"
)
# what else people call the part for validation; the files of MNIST call it t10k
PARTS = {"train": ("train", "training"), "val": ("val", "valid", "validation")}
IDX_PARTS = {"train": ("train",), "val": ("t10k", "test", "val")}


class TrainingData(NamedTuple):
    """Pictures whose classes are known, for `train` and `resume`.

    train     the pictures that the net learns from
    val       the pictures for validation; None where there are none
    classes   the names of the classes, in their order
    how       how these were found, in words
    notes     remarks on what people may not expect
    warnings  what is probably wrong with them, by the codes of docs/diagnostics
    """

    train: PictureSet
    val: PictureSet | None
    classes: tuple[str, ...]
    how: str
    notes: tuple[str, ...] = ()
    warnings: tuple[DataWarning, ...] = ()

    def __repr__(self) -> str:
        val = len(self.val) if self.val is not None else 0
        return f"<{type(self).__name__}: {len(self.train):,} pictures to train on, {val:,} to validate on, {len(self.classes):,} classes>"


class DataPlace(NamedTuple):
    """Where pictures with their classes are, and in which form."""

    format: DataFormat
    path: Path
    idx: IdxFiles | None = None


def open_data(
    rules: DataRules, root: Path, labels: tuple[str, ...] | None, count: int | None, own_labels: bool = True
) -> TrainingData:
    """The pictures below `root` as the recipe's `data` says, for a spec with these `labels` and a net of `count` classes (None: any).

    `own_labels` is whether the labels were written for these pictures, and are no known set, as cifar-10, nor a bundled spec's.

    Raises Failure `no-pictures`, `empty-class`, `class-count`, `classes-unmatched`, `too-few-pictures`, `several-classes`, `shared-pictures`
    and `data-damaged`.
    """
    train = find_place(rules, Path(root), "train")
    assert train is not None
    val = find_place(rules, Path(root), "val") if rules.val is not None else None
    if val is None and rules.val is not None and rules.split is None:
        raise Failure("no-pictures", f"`{root}` has pictures for training, and none for validation: no `{rules.val}`",
                      "take a part of the training pictures: --set data.split.val=0.1; or train without: --set data.val=null")  # fmt: skip
    if val and train.path.samefile(val.path) and train.idx == val.idx:
        raise all_shared(f"`{train.path}`", f"`{val.path}`")
    classes: NamedClasses | None = None

    def name_all(found: Iterable[str]) -> Mapping[str, int]:
        nonlocal classes
        classes = name_classes(found, rules.classes, SpecClasses(labels, count, own_labels))
        return classes.places

    pictures = read_place(train, name_all, len_of=lambda: len(classes.names) if classes else 0)
    assert classes is not None
    named = classes
    told = f"{train.format} in `{train.path}`, {named.how}"
    if val:
        held = read_place(
            val, lambda found: find_classes(found, named, str(val.path)), lambda: len(named.names), val=True
        )
        data = TrainingData(pictures, held, named.names, f"{told}; validation in `{val.path}`", named.notes)
    elif rules.split:
        share = f"; {rules.split.val:.0%} of each class for validation, by seed {rules.split.seed}"
        data = TrainingData(*split_pictures(pictures, rules.split), named.names, told + share, named.notes)
    else:
        data = TrainingData(pictures, None, named.names, told + "; no validation", named.notes)
    return data._replace(warnings=tuple(find_repeated(data, pictures, train, val)))


def find_repeated(data: TrainingData, listed: PictureSet, train: DataPlace, val: DataPlace | None) -> Iterator[DataWarning]:  # fmt: skip
    """What is wrong where a .csv lists a picture more than once. `listed` are those at `train`, of which a split takes a part.

    Raises Failure `several-classes` and `shared-pictures` where it is so with all pictures.
    """
    if "csv" not in (train.format, val.format if val else None):
        return
    whole = Listing.of(f"`{train.path}`", listed)
    yield from find_several_classes(whole, data.classes)
    if val and data.val is not None:
        held = Listing.of(f"`{val.path}`", data.val)
        yield from find_several_classes(held, data.classes)
        yield from find_shared(whole, held)
    elif data.val is not None:
        parts = ("the part for training", data.train), ("the part for validation", data.val)
        yield from find_shared(*(Listing.of(*part) for part in parts))


def find_place(rules: DataRules, root: Path, part: str) -> DataPlace | None:
    """Where the pictures of a part (`train`, `val`) are. None for a `val` that is not there, whose name the recipe left as it is.

    Raises Failure `no-pictures` where there are none.
    """
    stated = rules.train if part == "train" else str(rules.val)
    names = PARTS[part] if stated == part else (stated,)
    for name in names:
        for path in (root / name, root / f"{name}.csv"):
            if path.exists() and (found := recognise(path, rules.format, part)):
                return found
    whole = recognise(root, rules.format, part) if part == "train" or rules.format in (None, "idx") else None
    # folders of classes may be the root's own only where nothing says that they are elsewhere: a misspelt `train` is no class, nor is an empty one
    of_root = part == "train" and stated == part and not (root / part).exists()
    if whole and (whole.format == "idx" or (part == "train" and whole.format == "csv") or of_root):
        return whole
    if part == "val" and stated == part:
        return None
    if not root.exists():
        raise Failure("no-pictures", f"`{root}` is not there", LAYOUTS, 2)
    form = f" as {rules.format}" if rules.format else ""
    lacks = f"no `{stated}`"
    if (root / stated).exists():
        lacks = f"`{stated}` is there, and {f'is no {rules.format}' if form else 'has no folders of classes, nor a csv or idx'}"
    raise Failure("no-pictures", f"`{root}` has no pictures for {'training' if part == 'train' else 'validation'}{form}: {lacks}", LAYOUTS, 2)  # fmt: skip


def recognise(path: Path, form: DataFormat | None, part: str) -> DataPlace | None:
    """The pictures at a path, if they are of this form (None: any)."""
    if form in (None, "csv") and path.is_file() and is_csv(str(path)):
        return DataPlace("csv", path)
    if not path.is_dir():
        return None
    if form in (None, "idx"):
        files = next((found for name in IDX_PARTS[part] if (found := find_idx(path, name))), None)
        if files:
            return DataPlace("idx", path, files)
    with reading(path):
        folders = any(name.endswith(os.sep) for name in list_folder(str(path)))
    return DataPlace("imagefolder", path) if folders and form in (None, "imagefolder") else None


def read_place(
    place: DataPlace,
    name_all: Callable[[Iterable[str]], Mapping[str, int]],
    len_of: Callable[[], int],
    val: bool = False,
) -> PictureSet:
    """The pictures at a place. `name_all` takes the names of the classes there and gives the index of each; `len_of` how many classes there are then."""
    import numpy as np

    if place.idx:
        images, numbers = read_idx(place.idx)
        found, places = np.unique(numbers, return_inverse=True)
        index = name_all(str(number) for number in found)
        return ArrayPictures(images, np.array([index[str(n)] for n in found])[places], len_of(), place.idx.images)
    numbered: dict[str, int] = {}
    targets: list[int] | Any = []
    if place.format == "imagefolder":
        if not val:
            refuse_empty(place.path)
        pairs, folder = walk_classes(str(place.path)), str(place.path)
    else:
        pairs, folder = read_csv(str(place.path)), str(place.path.parent)
    kinds = bytearray()

    def paths() -> Iterator[str]:
        for path, name in pairs:
            kinds.extend(numbered.setdefault(name, len(numbered)).to_bytes(4, "little"))
            yield path

    with reading(place.path):
        listed = PathList(paths(), folder)
    if not listed:
        raise Failure("no-pictures", f"`{place.path}` has no picture with a class", LAYOUTS)
    index = name_all(numbered)
    targets = np.array([index[name] for name in numbered])[np.frombuffer(bytes(kinds), "<i4")]
    return FilePictures(listed, targets, len_of())


def refuse_empty(folder: Path) -> None:
    """Raises Failure `empty-class` where a class's folder has no picture."""
    with reading(folder):
        names = [name[:-1] for name in list_folder(str(folder)) if name.endswith(os.sep)]
        found = [name for name in names if not has_picture(str(folder / name))]
    if found and len(found) == len(names):
        raise Failure(
            "no-pictures",
            f"`{folder}` has {count_of(len(names), 'folder')}, and no picture in {'any of them' if len(names) > 1 else 'it'}",
            LAYOUTS,
        )
    if found:
        raise Failure("empty-class", f"`{folder}` has no picture of {show_names(found)}",
                      "each folder there is a class: put pictures into it, or move it elsewhere; if they are no classes, name the folder that holds the classes (--data); "
                      "files with a picture's ending are taken")  # fmt: skip


def has_picture(folder: str) -> bool:
    """Whether a picture lies in a folder, at any depth."""
    from ...runtime.formats import picture_suffixes
    from ...runtime.sources import walk_images

    return next(walk_images(folder, picture_suffixes()), None) is not None


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what goes wrong in reading folders and lists into a Failure `no-pictures`."""
    try:
        yield
    except RuntimeFault as fault:
        raise Failure("no-pictures", fault.message, fault.help, fault.exit_code) from None
    except OSError as error:
        raise Failure("no-pictures", f"`{error.filename or path}` cannot be read: {(error.strerror or str(error)).lower()}",
                      "its owner can allow it", 3) from None  # fmt: skip
