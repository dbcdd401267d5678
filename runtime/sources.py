"""Where pictures come from: files, folders, patterns and lists on a command line; paths, bytes, files and arrays in Python."""

from __future__ import annotations

import glob
import io
import os
import sys
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .endless import refuse_endless
from .faults import PictureFault, RuntimeFault
from .formats import SIGNATURES, picture_suffixes

__all__ = ["find_images"]
LIST_SUFFIXES = (".txt", ".lst")


def find_images(places: Iterable[str]) -> Iterator[str]:
    """The paths of the pictures in `places`, in their order, each when it is asked for. A place is

    - a folder: every file in it, at any depth, whose name ends as a picture's does, sorted by path; hidden ones are left out
    - a list: `@FILE`, a FILE that ends in .txt, or `-` for standard input; a path a line, or paths that end in a NUL each, relative to
      the list's folder
    - a pattern that the shell did not replace (`*.jpg`, `**/*.png`): what fits, sorted
    - any other: itself, whether it is there or not

    Raises RuntimeFault `no-images` for a place with no picture in it, and for a list that cannot be read.
    """
    for place in places:
        yield from images_at(place)


def images_at(place: str) -> Iterator[str]:
    """The paths of the pictures at one place."""
    if place == "-" or (place.startswith("@") and not os.path.exists(place)):
        yield from read_list(place.removeprefix("@"))
    elif os.path.isdir(place):
        yield from images_in(place)
    elif place.lower().endswith(LIST_SUFFIXES) and os.path.isfile(place):
        yield from read_list(place)
    elif glob.has_magic(place) and not os.path.lexists(place):
        found = sorted(glob.glob(place, recursive=True))
        if not found:
            raise RuntimeFault(
                "no-images",
                f"no file matches the pattern `{place}`",
                "look at the folder and at the ending; a folder's name alone takes all pictures in it",
                2,
            )
        for path in found:
            if not os.path.isdir(path):
                yield path
            elif not place.endswith("**"):
                yield from images_in(path)
    else:
        yield place


def images_in(folder: str) -> Iterator[str]:
    """The pictures in a folder, at any depth, sorted by path, while the names of one folder at a time are held.

    Links to folders are not followed. Raises RuntimeFault where there is none; OSError where it cannot be read.
    """
    found = False
    for path in walk_images(folder, picture_suffixes()):
        found = True
        yield path
    if not found:
        raise RuntimeFault("no-images", f"there is no picture in the folder `{folder}`",
                           "files with a picture's ending are taken; a pattern takes others: 'FOLDER/*.npy'", 2)  # fmt: skip


def walk_images(folder: str, suffixes: Container[str]) -> Iterator[str]:
    """The files below a folder whose names end in one of the `suffixes`, sorted by path; what is hidden is left out.

    Where a folder's name stands among its neighbours is decided with the separator behind it, as in a sort of whole paths.
    """
    # one iterator a level, as a path may be deeper than Python calls
    levels = [(folder, iter(list_folder(folder)))]
    while levels:
        at, names = levels[-1]
        name = next(names, None)
        if name is None:
            levels.pop()
        elif name.endswith(os.sep):
            below = os.path.join(at, name[:-1])
            if not os.path.islink(below):
                levels.append((below, iter(list_folder(below))))
        elif os.path.splitext(name)[1].lower() in suffixes:
            yield os.path.join(at, name)


def list_folder(folder: str) -> list[str]:
    """The names in a folder that do not begin with a dot, as what systems leave there does (`._photo.jpg`), sorted; a folder's
    ends in a separator."""
    with os.scandir(folder) as entries:
        return sorted(entry.name + os.sep * is_folder(entry) for entry in entries if not entry.name.startswith("."))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one. A link that leads nowhere, as one to itself, is a file that cannot be read."""
    try:
        return entry.is_dir()
    except OSError:
        return False


class ListedPath(str):
    """A path that stands in a list: which list, and in which line of it."""

    listed_in: str
    line: int

    def __new__(cls, path: str, listed_in: str, line: int) -> ListedPath:
        """`line` counts from 1."""
        self = super().__new__(cls, path)
        self.listed_in, self.line = listed_in, line
        return self


def missing_image(path: str | Path) -> PictureFault:
    """The fault of a path where nothing is; of one from a list with its line, as the file may not be meant as a list."""
    advice = "it is an address: load it into a file first" if "://" in str(path) else ""
    if not isinstance(path, ListedPath):
        return PictureFault("image-missing", f"there is no image `{path}`", advice, 2)
    if path.listed_in.lower().endswith(LIST_SUFFIXES):
        advice = advice or f"a file that ends in {' or '.join(LIST_SUFFIXES)} is a list; leave it out if it is none"
    message = (
        f"`{path.listed_in}` is read as a list of pictures; its line {path.line} names `{path}`, which is not there"
    )
    return PictureFault("image-missing", message, advice, 2)


def read_list(path: str) -> Iterator[ListedPath]:
    """The paths in a list file, or on standard input for `-`. Raises RuntimeFault where it cannot be read, or names none."""
    try:
        if path == "-":
            data = sys.stdin.buffer.read()
        else:
            refuse_endless(path)
            data = Path(path).read_bytes()
    except FileNotFoundError:
        raise RuntimeFault("image-missing", f"there is no list `{path}`", exit_code=2) from None
    except (OSError, ValueError) as error:
        raise RuntimeFault(
            "no-images",
            f"the list `{path}` cannot be read: {str(getattr(error, 'strerror', None) or error).lower()}",
            exit_code=2,
        ) from None
    text = data.removeprefix(b"\xef\xbb\xbf")
    folder, name = ("", "standard input") if path == "-" else (os.path.dirname(path), path)
    found = False
    for number, line in enumerate(split_list(text, path), 1):
        if line:
            found = True
            yield ListedPath(os.path.join(folder, os.fsdecode(line)), name, number)
    if not found:
        raise RuntimeFault("no-images", f"the list `{name}` names no picture", exit_code=2)


def split_list(data: bytes, path: str) -> Iterator[bytes]:
    """The entries of a list: its lines, without the spaces around them; or, where each ends in a NUL as `find -print0` writes them, what
    stands before those, as it is. Raises RuntimeFault for other data with NULs in it, as a picture has.
    """
    if b"\0" not in data:
        yield from (line.strip() for line in io.BytesIO(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")))
        return
    if not data.endswith(b"\0") or b"\0\0" in data or data.startswith((b"\0", *SIGNATURES)):
        raise RuntimeFault("no-images", f"`{path}` is no list: a list is a text with a path a line, or paths that end in a NUL each",
                           exit_code=2)  # fmt: skip
    start = 0
    while start < len(data):
        end = data.index(b"\0", start)
        yield data[start:end]
        start = end + 1


class Picture(NamedTuple):
    """One picture by its name in the answer. `source` is what it is read from; for several inputs, that of each by its name."""

    name: str
    source: Any


def each_picture(given: Any, rank: int = 4) -> Iterator[Picture]:
    """The pictures in what a caller of `Session.classify` gives: one or several, of any kind.

    A path, bytes, an open binary file, a Pillow image, an array (H, W), (H, W, channels) or (C, H, W), and a mapping of these by
    the inputs' names are one picture; an array of `rank` dimensions, those of the model's input, is a batch; any other iterable holds pictures. Raises TypeError at once for anything else.
    """
    return (Picture(name_of(source, number), source) for number, source in enumerate(unpack(given, rank)))


def unpack(given: Any, rank: int) -> Iterable[Any]:
    """What is given as an iterable of single pictures."""
    if is_array(given):
        return given if given.ndim == rank else [given]
    if is_one(given):
        return [given]
    if isinstance(given, Iterable):
        return (each for item in given for each in (unpack(item, rank) if is_array(item) else [item]))
    raise TypeError(f"a picture is a path, bytes, an open file, a Pillow image or an array, not {type(given).__name__}")


def is_array(given: Any) -> bool:
    return hasattr(given, "ndim") and hasattr(given, "__array__")


def is_one(given: Any) -> bool:
    """Whether it is one picture, and no iterable of them."""
    return (
        isinstance(given, (str, os.PathLike, bytes, bytearray, memoryview, Mapping))
        or hasattr(given, "read")
        or hasattr(given, "getbands")
    )


def name_of(source: Any, number: int) -> str:
    """What an answer calls a picture: its path, or that of the file behind it; else its number, from 0."""
    if isinstance(source, Mapping):
        return ", ".join(f"{key}={name_of(each, number)}" for key, each in source.items())
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source) if isinstance(os.fspath(source), str) else os.fsdecode(source)
    path = getattr(source, "filename", None) or getattr(source, "name", None)
    return path if isinstance(path, str) and path else f"image {number}"
