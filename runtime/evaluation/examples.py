"""Pictures with their classes: a folder with a folder a class, or a csv with a path and a class a line."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..batch.formats import whole_text
from ..endless import refuse_endless
from ..faults import RuntimeFault
from ..formats import picture_suffixes
from ..sources import list_folder, walk_images

# words of a heading, without spaces and signs
THINGS = ("", "file", "image", "img", "picture", "photo")
PATH_WORDS = {thing + what for thing in THINGS for what in ("", "path", "name")} - {"", "name"}
CLASS_WORDS = {
    thing + what for thing in ("class", "label", "target", "category") for what in ("", "name", "id", "index")
}
FORMS = "a folder with a folder for each class, or a .csv with a path and a class a line"


class Examples(NamedTuple):
    """Pictures whose classes are known. `counts` has how many there are of each class, by its name there; `loose` are of none."""

    place: str
    counts: dict[str, int]
    loose: int = 0

    def __iter__(self) -> Iterator[tuple[str, str]]:  # type: ignore[override]
        """The path and the class of each picture, in their order, while a folder's names, or a line, are held."""
        return read_csv(self.place) if is_csv(self.place) else walk_classes(self.place)


def open_examples(place: str | Path) -> Examples:
    """The pictures at `place`, counted. Raises RuntimeFault `no-classes` where there are none with a class."""
    place = os.fspath(place)
    if is_csv(place):
        counts, loose = Counter(name for _, name in read_csv(place)), 0
    elif os.path.isdir(place):
        counts, loose = Counter(name for _, name in walk_classes(place)), sum(1 for _ in loose_pictures(place))
    else:
        what = "is no folder" if os.path.exists(place) else "is not there"
        raise RuntimeFault("no-classes", f"`{place}` {what}", f"give {FORMS}", 2)
    if not counts:
        raise RuntimeFault("no-classes", f"`{place}` has no picture with a class", f"give {FORMS}", 2)
    return Examples(place, dict(counts), loose)


def is_csv(place: str) -> bool:
    """Whether it is a list of pictures with their classes."""
    return place.lower().endswith(".csv") and not os.path.isdir(place)


def walk_classes(folder: str) -> Iterator[tuple[str, str]]:
    """The pictures below each folder in `folder`, whose name is their class."""
    suffixes = picture_suffixes()
    for name in list_folder(folder):
        if name.endswith(os.sep):
            for path in walk_images(os.path.join(folder, name[:-1]), suffixes):
                yield path, name[:-1]


def loose_pictures(folder: str) -> Iterator[str]:
    """The pictures that are in no folder of `folder`."""
    suffixes = picture_suffixes()
    return (name for name in list_folder(folder) if os.path.splitext(name)[1].lower() in suffixes)


def read_csv(place: str) -> Iterator[tuple[str, str]]:
    """The path and the class of each line. Paths are relative to the file's folder; a first line of such words is a heading.

    Raises RuntimeFault `no-classes` where it cannot be read, or a line has not both.
    """
    folder, at, first, seen = os.path.dirname(place), (0, 1), True, False
    try:
        refuse_endless(place)
        with open(place, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            lines = csv.reader(file, strict=True)
            for row in lines:
                if not any(cell.strip() for cell in row):
                    continue
                if first and (found := find_heading(row)):
                    at = found
                else:
                    if len(row) <= max(at) or not row[at[0]].strip() or not row[at[1]].strip():
                        raise RuntimeFault("no-classes", f"`{place}`: line {lines.line_num} has no path and class: `{','.join(row)[:80]}`",
                                           "write a path, a comma and a class a line", 2)  # fmt: skip
                    path = os.path.join(folder, row[at[0]])
                    if not seen:
                        refuse_odd_line(place, lines.line_num, row, path)
                    seen = True
                    yield path, row[at[1]].strip()
                first = False
    except (OSError, csv.Error, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise RuntimeFault(
            "no-classes", f"`{place}` cannot be read: {whole_text(why.lower())}", f"give {FORMS}", 2
        ) from None


def refuse_odd_line(place: str, line: int, row: list[str], path: str) -> None:
    """Raises RuntimeFault `no-classes` where the first line with a picture names none: it is a heading of other words, which would be a class of
    its own, its columns are in another order, or the text is UTF-16."""
    text = ",".join(row)[:80]
    if "\0" in text:
        raise RuntimeFault("no-classes", f"`{place}`: line {line} has zero bytes in it", "save the file as UTF-8", 2)
    if not os.path.splitext(path)[1] and not os.path.exists(path):
        raise RuntimeFault("no-classes", f"`{place}`: line {line} names no picture: `{path}` is not there, in `{text}`",
                           "call the columns `path` and `class` in the first line; a path is relative to the file's folder, and has its ending", 2)  # fmt: skip


def find_heading(row: list[str]) -> tuple[int, int] | None:
    """Where the path and the class stand in a line, if it is a heading."""
    words = [re.sub(r"[\s_.-]", "", cell).lower() for cell in row]
    path = next((at for at, word in enumerate(words) if word in PATH_WORDS), None)
    kind = next((at for at, word in enumerate(words) if word in CLASS_WORDS), None)
    return None if path is None or kind is None else (path, kind)
