"""The folder of a run that is not finished, `RESULTS.unfinished` beside its results: after a kill the same command goes on from it.

    run.json      what it is a run of: the model's digest, the options, the pictures
    pictures      the paths of all pictures, each with a NUL behind it
    part-…        rows, in the form of the results
    journal       a line for each part that is whole and on the disk
    whole         all rows, before they take their place

A part counts when its line, with its digest, is in the journal, and both are forced to the disk before the next begins: so no row is
lost that was told of, and none is there twice. From the first part on that is not as its line says, the pictures are done again. Such a
folder may come from anywhere: links in it are not followed, and one that is not the user's is refused.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ..disk import force_file, force_to_disk, free_lock, take_lock
from ..faults import RuntimeFault

SUFFIX, RECORD = ".unfinished", ".run.json"
RUN, PICTURES, JOURNAL, WHOLE, LOCK = "run.json", "pictures", "journal", "whole", "lock"
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
DEVICES_FULL = ("ENOSPC", "EDQUOT", "EFBIG")


class Part(NamedTuple):
    """Rows that are done: how many pictures, how many of them have which error, and the digest of the file."""

    name: str
    pictures: int
    errors: dict[str, int]
    sha256: str


class PictureList(NamedTuple):
    """The pictures of a run: how many there are, and the digest of their paths in their order."""

    number: int
    sha256: str


def unfinished_folder(results: Path) -> Path:
    """The folder in which a run keeps what is done of its `results`."""
    return results.with_name(results.name + SUFFIX)


class Unfinished:
    """The folder of one run. Its lock is held until it is closed."""

    def __init__(self, results: Path) -> None:
        """Takes the folder of `results`, or makes it. Raises RuntimeFault `results-in-use` where another process has it."""
        self.folder = unfinished_folder(results)
        self.parts: list[Part] = []
        self.lock = -1
        with disk_faults(self.folder):
            with suppress(FileExistsError):
                self.folder.mkdir(mode=0o777)
            self.check_folder()
            self.lock = lock_results(self.folder / LOCK)

    def check_folder(self) -> None:
        """Raises RuntimeFault `results-differ` where the folder is a link, another user's, or holds what no run writes."""
        status = self.folder.lstat()
        known = {RUN, PICTURES, JOURNAL, WHOLE, LOCK}
        mine = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
        if not stat.S_ISDIR(status.st_mode) or not mine:
            raise RuntimeFault(
                "results-differ", f"`{self.folder}` is no folder of yours", "move it away, or write elsewhere with -o"
            )
        strange = next(
            (n for n in os.listdir(self.folder) if n.removesuffix(".new") not in known and not n.startswith("part-")),
            None,
        )
        if strange:
            raise RuntimeFault("results-differ", f"`{self.folder}` holds `{strange}`, which no run of archc writes",
                               "move it away, or write elsewhere with -o")  # fmt: skip

    def read_run(self) -> dict[str, Any] | None:
        """What it is a run of; None where it had not begun, or no picture has its row: then nothing is lost with it."""
        return read_object(self.folder / RUN) if read_bytes(self.folder / JOURNAL) else None

    def list_pictures(self, paths: Iterable[str]) -> PictureList:
        """Writes the paths beside those that are there, and says what they are; `begin` has them take their place."""
        digest, number, given = sha256(), 0, iter(paths)
        with self.new_pictures() as file:
            # what goes wrong while paths are looked for is nothing of this file's
            while chunk := [*islice(given, 1024)]:
                entries = b"".join(os.fsencode(path) + b"\0" for path in chunk)
                digest.update(entries)
                number += len(chunk)
                with disk_faults(self.folder):
                    file.write(entries)
            with disk_faults(self.folder):
                force_file(file)
        return PictureList(number, digest.hexdigest())

    @contextmanager
    def new_pictures(self) -> Iterator[BinaryIO]:
        """The file of the new list. To close it writes what is left, so that a full disk may refuse once more."""
        with disk_faults(self.folder):
            file = open_new(self.folder / f"{PICTURES}.new")
        try:
            yield file
        finally:
            with disk_faults(self.folder):
                file.close()

    def begin(self, run: dict[str, Any]) -> None:
        """Makes it the folder of a new run: what another left is removed."""
        with disk_faults(self.folder):
            # without it nothing else counts
            (self.folder / RUN).unlink(missing_ok=True)
            for name in os.listdir(self.folder):
                if name not in (LOCK, f"{PICTURES}.new"):
                    (self.folder / name).unlink()
            os.replace(self.folder / f"{PICTURES}.new", self.folder / PICTURES)
            write_whole(self.folder / RUN, json.dumps(run, indent=1).encode())

    def resume(self, pictures: int) -> None:
        """Takes up the parts that the journal tells of, of so many `pictures`; a line that a kill cut off, and what is damaged, is left out.

        The list of pictures is written anew, as it was found to be that of the run.
        """
        with disk_faults(self.folder):
            os.replace(self.folder / f"{PICTURES}.new", self.folder / PICTURES)
            kept = b""
            for line in read_bytes(self.folder / JOURNAL).splitlines(keepends=True):
                part = read_part(line, f"part-{self.done:012d}", pictures - self.done)
                if part is None or sha256(read_bytes(self.folder / part.name)).hexdigest() != part.sha256:
                    break
                self.parts.append(part)
                kept += line
            write_whole(self.folder / JOURNAL, kept)

    @property
    def done(self) -> int:
        """How many pictures have their rows."""
        return sum(part.pictures for part in self.parts)

    def pictures(self) -> Iterator[str]:
        """The paths of the pictures that have no rows yet."""
        with open_old(self.folder / PICTURES) as file:
            yield from islice(split_at_nul(file), self.done, None)

    def add(self, rows: bytes, pictures: int, errors: dict[str, int]) -> None:
        """Puts a part on the disk, and then its line."""
        part = Part(f"part-{self.done:012d}", pictures, errors, sha256(rows).hexdigest())
        with disk_faults(self.folder):
            with open_new(self.folder / part.name) as file:
                file.write(rows)
                force_file(file)
            with open_new(self.folder / JOURNAL, os.O_APPEND) as file:
                file.write(json.dumps(part._asdict()).encode() + b"\n")
                force_file(file)
        self.parts.append(part)

    def part_paths(self) -> Iterator[Path]:
        """The files of the parts, in their order."""
        return (self.folder / part.name for part in self.parts)

    @contextmanager
    def writing(self, results: Path) -> Iterator[BinaryIO]:
        """A file for all rows; when the block ends without an error it takes the place of `results`, with the mode of what was there."""
        with disk_faults(results):
            with open_new(self.folder / WHOLE) as file:
                yield file
                force_file(file)
            if results.exists():
                os.chmod(self.folder / WHOLE, stat.S_IMODE(results.stat().st_mode))
            os.replace(self.folder / WHOLE, results)
            force_to_disk(results.parent)

    def remove(self) -> None:
        """Removes the folder; what it is a run of goes first, so that a kill in between leaves nothing that counts."""
        (self.folder / RUN).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Gives the lock back, and removes the folder where there is nothing in it to go on from."""
        if self.lock >= 0:
            if self.folder.is_dir() and self.read_run() is None:
                self.remove()
            free_lock(self.lock)
            self.lock = -1


def lock_results(path: Path) -> int:
    """Takes the lock of a run's folder, the file `path`, and gives its descriptor. Raises RuntimeFault `results-in-use` where another has it."""
    try:
        return take_lock(path)
    except BlockingIOError:
        raise RuntimeFault("results-in-use", f"another process writes `{path.parent.name.removesuffix(SUFFIX)}` at the moment",
                           "wait for it, or write elsewhere with -o", 3) from None  # fmt: skip


@contextmanager
def disk_faults(path: Path) -> Iterator[None]:
    """Makes a RuntimeFault of what the system says of a write: no space, no permission."""
    import errno

    try:
        yield
    except OSError as error:
        if error.errno in {getattr(errno, name, -1) for name in DEVICES_FULL}:
            raise RuntimeFault("disk-full", f"there is no space left to write {path.name}",
                               "free some space and run the same command again: it goes on from here", 3) from error  # fmt: skip
        raise RuntimeFault(
            "cannot-write", f"`{path}` cannot be written: {error.strerror or error}", exit_code=3
        ) from error


def open_new(path: Path, how: int = os.O_TRUNC) -> BinaryIO:
    """A file to write to, emptied or, with O_APPEND, at its end. A link is not followed."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | how | NO_FOLLOW, 0o666), "wb")


def open_old(path: Path) -> BinaryIO:
    """A file to read. A link is not followed."""
    return os.fdopen(os.open(path, os.O_RDONLY | NO_FOLLOW), "rb")


def read_bytes(path: Path) -> bytes:
    """What a file holds; nothing where it is not there, or is a link."""
    try:
        with open_old(path) as file:
            return file.read()
    except OSError:
        return b""


def parse_object(data: bytes) -> dict[str, Any] | None:
    """A JSON object; None for anything else."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def read_part(line: bytes, name: str, most: int) -> Part | None:
    """The part called `name` that a whole line of the journal tells of, with at most so many pictures; None for any other line."""
    found = parse_object(line) if line.endswith(b"\n") else None
    if found is None or {*found} != {*Part._fields} or found["name"] != name:
        return None
    part = Part(**found)
    if not isinstance(part.errors, dict) or {int} != {*map(type, (part.pictures, *part.errors.values()))}:
        return None
    return part if 0 < part.pictures <= most else None


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is none."""
    return parse_object(read_bytes(path))


def write_whole(path: Path, data: bytes) -> None:
    """Writes a small file beside its place, and renames it: it is there whole, or as it was."""
    beside = path.with_name(f"{path.name}.new")
    with open_new(beside) as file:
        file.write(data)
        force_file(file)
    os.replace(beside, path)
    force_to_disk(path.parent)


def split_at_nul(file: BinaryIO) -> Iterator[str]:
    """The paths in a file, each with a NUL behind it, while a piece of the file at a time is held."""
    rest = b""
    while piece := file.read(2**16):
        *whole, rest = (rest + piece).split(b"\0")
        yield from map(os.fsdecode, whole)
