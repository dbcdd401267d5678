"""A folder becomes pictures with classes: every layout, every mistake in one, the split, and the names of the classes."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from archc.compiler.diagnostics import Failure
from archc.training.data import open_data
from archc.training.data.pictures import PathList
from archc.training.recipe.recipe import DataRules, ValidationSplit

from .training_pictures import idx_bytes, make_folders, make_idx

TENTH, HALF = ValidationSplit(0.1), ValidationSplit(0.5)
FOLDERS = {"train/cat": 3, "train/dog/old": 1, "train/dog/young": 1, "val/dog": 1, "val/cat": 1}


LINES = "path,class\none/00.png,cat\none/01.png,dog\ntwo/00.png,cat\n"


def make_csv(root: Path, train: str = LINES) -> Path:
    make_folders(root, {"one": 3, "two": 2})
    (root / "train.csv").write_text(train)
    (root / "val.csv").write_text("two/01.png,dog\n")
    return root


LAYOUTS: dict[str, tuple[Callable[[Path], Path], DataRules, int, int | None, tuple[str, ...]]] = {
    "folders": (lambda root: make_folders(root, FOLDERS), DataRules(), 5, 2, ("cat", "dog")),
    "other words": (
        lambda root: make_folders(root, {"training/a": 1, "training/b": 1, "valid/a": 1}),
        DataRules(), 2, 1, ("a", "b"),
    ),
    "own names": (
        lambda root: make_folders(root, {"x/a": 1, "x/b": 1, "y/a": 1}),
        DataRules(train="x", val="y"), 2, 1, ("a", "b"),
    ),
    "classes alone": (lambda root: make_folders(root, {"a": 4, "b": 2}), DataRules(split=HALF), 3, 3, ("a", "b")),
    "no validation": (lambda root: make_folders(root, {"train/a": 4, "train/b": 2}), DataRules(val=None), 6, None, ("a", "b")),
    "what is there wins": (lambda root: make_folders(root, FOLDERS), DataRules(split=HALF), 5, 2, ("cat", "dog")),
    "split of train": (lambda root: make_folders(root, FOLDERS), DataRules(val=None, split=HALF), 2, 3, ("cat", "dog")),
    "csv": (make_csv, DataRules(), 3, 1, ("cat", "dog")),
    "csv by its name": (make_csv, DataRules("csv", train="train.csv", val=None), 3, None, ("cat", "dog")),
    "idx.gz": (make_idx, DataRules(), 30, 10, tuple("0123456789")),
    "idx": (lambda root: make_idx(root, packed=False), DataRules("idx"), 30, 10, tuple("0123456789")),
    "idx split": (make_idx, DataRules(val=None, split=HALF), 10, 20, tuple("0123456789")),
    "idx with names": (make_idx, DataRules(classes=tuple("abcdefghij")), 30, 10, tuple("abcdefghij")),
    "numbers by value": (lambda root: make_folders(root, {f"{n}": 1 for n in range(12)}), DataRules(val=None), 12, None, tuple(map(str, range(12)))),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout(layout: str, tmp_path: Path) -> None:
    make, rules, train, val, classes = LAYOUTS[layout]
    data = open_data(rules, make(tmp_path), None, None)
    assert (len(data.train), None if data.val is None else len(data.val), data.classes) == (train, val, classes)
    for pictures in filter(None, (data.train, data.val)):
        assert pictures.classes == len(classes)
        assert pictures.targets().dtype == np.int64
        assert [pictures.target(at) for at in range(len(pictures))] == pictures.targets().tolist()
        assert len({pictures.name(at) for at in range(len(pictures))}) == len(pictures)
        assert np.asarray(pictures.load(0)).dtype == np.uint8
    if "idx" not in layout and not layout.startswith(("csv", "numbers")):
        for at in range(train):
            assert f"/{classes[data.train.target(at)]}/" in data.train.name(at)


def test_numbers_of_idx_are_their_own_classes(tmp_path: Path) -> None:
    data = open_data(DataRules(), make_idx(tmp_path), None, 10)
    assert data.train.targets().tolist() == [n % 10 for n in range(30)]


@pytest.mark.parametrize("labels, classes, dog", [
    (("Dog", "Cat", "bird"), ("Dog", "Cat", "bird"), 0),
    (("bird", "cat", "hare"), ("cat", "dog"), 1),
    (None, ("cat", "dog"), 1),
])  # fmt: skip
def test_labels_of_the_spec(labels: tuple[str, ...] | None, classes: tuple[str, ...], dog: int, tmp_path: Path) -> None:
    data = open_data(DataRules(), make_folders(tmp_path, FOLDERS), labels, len(classes))
    assert data.val is not None
    assert data.classes == classes
    assert data.train.classes == data.val.classes == len(classes)
    for pictures in (data.train, data.val):
        assert all((pictures.target(at) == dog) == ("/dog/" in pictures.name(at)) for at in range(len(pictures)))


DIGITS, TEN = tuple("0123456789"), tuple("abcdefghij")
SOME = {"train/7": 1, "train/8": 1, "train/9": 1}
NUMBERED = {f"train/{at}": 1 for at in range(10)}
NAMING: dict[str, tuple[dict[str, int], tuple[str, ...], int | None, bool, tuple[str, ...], str]] = {
    "numbers, labels of their own": (NUMBERED, TEN, 10, True, TEN, ""),
    "numbers, a bundled set": (NUMBERED, TEN, 10, False, DIGITS, "`a`, `b`, `c` and 7 more) are not theirs"),
    "numbers, and labels are these": (NUMBERED, DIGITS, None, False, DIGITS, ""),
    "some numbers of a bundled list": (SOME, DIGITS, None, False, tuple("789"), "3 of the spec's 10 labels occur"),
    "some, all outputs asked for": (SOME, DIGITS, 10, False, DIGITS, "no picture is of `0`, `1`"),
    "some, as many outputs asked for": (SOME, DIGITS, 3, False, tuple("789"), "3 of the spec's 10 labels occur"),
    "some numbers, own labels": (SOME, TEN, None, True, tuple("789"), "the classes are numbers"),
    "some numbers, own labels, ten outputs": (SOME, TEN, 10, True, TEN, "no picture is of `a`"),
    "some names": ({"train/b": 1, "train/j": 1}, TEN, None, False, ("b", "j"), "--set classes=10 keeps all"),
}  # fmt: skip


@pytest.mark.parametrize("case", NAMING)
def test_labels_are_taken_where_they_are_meant(case: str, tmp_path: Path) -> None:
    folders, labels, count, own, classes, note = NAMING[case]
    data = open_data(DataRules(val=None), make_folders(tmp_path, folders), labels, count, own)
    assert data.classes == classes and data.train.classes == len(classes)
    assert note in " ".join(data.notes) and bool(note) == bool(data.notes)
    if not own:
        assert all(f"/{classes[data.train.target(at)]}/" in data.train.name(at) for at in range(len(data.train)))


def test_the_number_of_folders_is_told_and_not_that_of_labels(tmp_path: Path) -> None:
    with pytest.raises(Failure) as caught:
        open_data(DataRules(val=None), make_folders(tmp_path, SOME), DIGITS, 5, False)
    assert caught.value.code == "class-count" and "the pictures have 3 classes, the net 5" in caught.value.message


def cut(root: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """The four files, one of them changed."""
    make_idx(root, packed=False)
    (root / name).write_bytes(change((root / name).read_bytes()))
    return root


def drop(root: Path, name: str) -> Path:
    make_idx(root)
    (root / name).unlink()
    return root


def broken_gzip(root: Path) -> Path:
    path = make_idx(root) / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(path.read_bytes())[:-30])
    return root


IMAGES, NUMBERS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
MISTAKES: dict[str, tuple[Callable[[Path], Path], DataRules, int | None, str, str]] = {
    "nothing there": (lambda root: root / "none", DataRules(), None, "no-pictures", "is not there"),
    "empty": (lambda root: root, DataRules(), None, "no-pictures", "no pictures for training"),
    "no val": (lambda root: make_folders(root, {"train/a": 2}), DataRules(), None, "no-pictures", "none for validation"),
    "a val of one's own": (lambda root: make_folders(root, FOLDERS), DataRules(val="held"), None, "no-pictures", "`held`"),
    "other format": (lambda root: make_folders(root, FOLDERS), DataRules("idx"), None, "no-pictures", "as idx: `train` is there, and is no idx"),
    "no folders of classes": (lambda root: make_folders(root, {"train": 3}), DataRules(), None, "no-pictures", "`train` is there, and has no folders of classes"),
    "one class": (lambda root: make_folders(root, {"train/cat": 3}), DataRules(val=None), None, "class-count", "all pictures have the class `cat`"),
    "a name twice": (lambda root: make_folders(root, FOLDERS), DataRules(classes=("cat", "dog", "cat")), None, "classes-unmatched", "more than once"),
    "a heading of other words": (lambda root: make_csv(root, "id,breed\none/00.png,cat\n"), DataRules(), None, "no-pictures", "line 1 names no picture"),
    "csv in UTF-16": (lambda root: make_csv(root, "p\0a\0t\0h\0,\0c\0"), DataRules(), None, "no-pictures", "zero bytes"),
    "empty class": (lambda root: make_folders(root, {**FOLDERS, "train/hare": 0}), DataRules(), None, "empty-class", "`hare`"),
    "all empty": (lambda root: make_folders(root, {"train/a": 0, "train/b": 0}), DataRules(val=None), None, "no-pictures", "2 folders"),
    "class of val": (lambda root: make_folders(root, {**FOLDERS, "val/hare": 1}), DataRules(), None, "classes-unmatched", "`hare`"),
    "class count": (lambda root: make_folders(root, FOLDERS), DataRules(), 10, "class-count", "2 classes, the net 10"),
    "names too few": (make_idx, DataRules(classes=("a", "b")), None, "classes-unmatched", "`2`"),
    "too few to split": (lambda root: make_folders(root, {"a": 1, "b": 2}), DataRules(split=TENTH), None, "too-few-pictures", "3 in 2 classes"),
    "csv line": (lambda root: make_csv(root, "a.png\n"), DataRules(), None, "no-pictures", "line 1"),
    "empty csv": (lambda root: make_csv(root, "path,class\n"), DataRules(), None, "no-pictures", "no picture with a class"),
    "idx cut": (lambda root: cut(root, IMAGES, lambda b: b[:-1]), DataRules(), None, "data-damaged", "only 23,519 values"),
    "idx longer": (lambda root: cut(root, NUMBERS, lambda b: b + b"1"), DataRules(), None, "data-damaged", "more values"),
    "idx header cut": (lambda root: cut(root, IMAGES, lambda b: b[:9]), DataRules(), None, "data-damaged", "first 16 bytes"),
    "idx magic": (lambda root: cut(root, IMAGES, lambda b: b"\0\0\x0d" + b[3:]), DataRules(), None, "data-damaged", "0x00000d03"),
    "idx rank": (lambda root: cut(root, NUMBERS, lambda b: idx_bytes(np.zeros((30, 1)))), DataRules(), None, "data-damaged", "0x00000802"),
    "idx counts": (lambda root: cut(root, NUMBERS, lambda b: idx_bytes(np.zeros(29))), DataRules(), None, "data-damaged", "29 classes"),
    "idx of nothing": (lambda root: cut(cut(root, IMAGES, bytes), IMAGES, lambda b: idx_bytes(np.zeros((0, 28, 28)))), DataRules(), None, "data-damaged", "0 pictures"),
    "idx huge": (lambda root: cut(root, IMAGES, lambda b: b[:4] + b"\xff" * 12), DataRules(), None, "data-damaged", "says that it holds"),
    "idx alone": (lambda root: drop(root, NUMBERS + ".gz"), DataRules(), None, "no-pictures", NUMBERS),
    "one list for both": (make_csv, DataRules(train="train.csv", val="train.csv"), None, "shared-pictures", "`train` and `val` are both `"),
    "one folder for both": (lambda root: make_folders(root, FOLDERS), DataRules(val="train"), None, "shared-pictures", "all pictures"),
    "all of val in train": (lambda root: make_csv(root, LINES + "./one/../two/01.png,dog\n"), DataRules(), None, "shared-pictures", "val.csv` are in `"),
    "several classes each": (lambda root: make_csv(root, "one/00.png,cat\none/00.png,dog\n"), DataRules(val=None), None, "several-classes", "00.png` as `cat` and as `dog`"),
    "idx gzip cut": (broken_gzip, DataRules(), None, "data-damaged", "train-images"),
}  # fmt: skip


# lines of train.csv and val.csv (None: half of train.csv), and the codes of the warnings with words of each
REPEATED: dict[str, tuple[str, str | None, dict[str, str]]] = {
    "once each": (LINES, "two/01.png,dog\n", {}),
    "one class again": (LINES + "one/00.png,cat\n", "two/01.png,dog\n", {}),
    "two classes": (LINES + "one/00.png,dog\n", "two/01.png,dog\n", {"several-classes": "1 picture of"}),
    "two classes of val": (LINES, "two/01.png,dog\ntwo/01.png,cat\none/02.png,cat\n", {"several-classes": "val.csv"}),
    "in both lists": (LINES, "two/01.png,dog\none/00.png,cat\n", {"shared-pictures": "1 of the 2 pictures of"}),
    "both, by whole paths": (LINES, "{root}/one/00.png,dog\ntwo/01.png,dog\n", {"shared-pictures": "one/00.png`"}),
    "in both parts of a split": ("one/00.png,cat\n" * 4 + "one/01.png,cat\ntwo/00.png,dog\ntwo/01.png,dog\n", None, {"shared-pictures": "the part for"}),
}  # fmt: skip


@pytest.mark.parametrize("name", REPEATED)
def test_a_picture_that_a_csv_has_more_than_once(name: str, tmp_path: Path) -> None:
    train, val, warnings = REPEATED[name]
    make_csv(tmp_path, train)
    (tmp_path / "val.csv").write_text((val or "").replace("{root}", str(tmp_path)))
    data = open_data(DataRules(val=None, split=HALF) if val is None else DataRules(), tmp_path, None, None)
    assert [each.code for each in data.warnings] == [*warnings]
    assert all(words in each.text for each, words in zip(data.warnings, warnings.values(), strict=True))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told(mistake: str, tmp_path: Path) -> None:
    make, rules, count, code, words = MISTAKES[mistake]
    with pytest.raises(Failure) as caught:
        open_data(rules, make(tmp_path), None, count)
    assert caught.value.code == code
    assert words in caught.value.message


def test_a_split_keeps_shares_and_depends_on_its_seed_alone(tmp_path: Path) -> None:
    root = make_folders(tmp_path, {"a": 20, "b": 10, "c": 1}, size=(2, 2))

    def held(seed: int) -> list[str]:
        data = open_data(DataRules(split=ValidationSplit(0.3, seed)), root, None, None)
        assert data.val is not None
        assert np.bincount(data.val.targets(), minlength=3).tolist() == [6, 3, 0]
        assert np.bincount(data.train.targets(), minlength=3).tolist() == [14, 7, 1]
        names = [data.val.name(at) for at in range(len(data.val))]
        assert not {*names} & {data.train.name(at) for at in range(len(data.train))}
        return names

    assert held(0) == held(0) != held(1)


def test_a_moved_folder_has_the_same_names(tmp_path: Path) -> None:
    digests = []
    for folder in ("one", "two"):
        make_folders(tmp_path / folder / "train", {"a": 2, "b": 2})
        pictures = open_data(DataRules(val=None), tmp_path / folder, None, None).train
        digests.append(pictures.names_digest())
    assert digests[0] == digests[1]
    (tmp_path / "two/train/a/00.png").rename(tmp_path / "two/train/a/99.png")
    assert open_data(DataRules(val=None), tmp_path / "two", None, None).train.names_digest() != digests[0]


def test_many_paths_are_few_objects() -> None:
    paths = [f"/data/train/n{n:08}/n{n:08}_{n}.JPEG" for n in range(20_000)]
    listed = PathList(paths, "/data/train")
    assert [*listed] == paths
    assert listed.content.nbytes + listed.ends.nbytes < 40 * len(paths)
    odd = [f"/data/train/{name}" for name in ("a\udcff.png", "ü/ö.png")] + ["/elsewhere/x.png"]
    assert [*PathList(odd, "/data/train")] == odd
