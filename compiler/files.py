"""Output files appear whole or not at all: written in a private folder beside their place, forced to disk, then renamed.

A model may have a data file beside it, and the two are one commit. The data's name is made of its content, so it never takes the
place of data that the present model reads; the model that names it is renamed last, and only then is data removed that no model
names any more. Whenever the process is killed, the old files are there or the new ones. What it leaves behind is the private
folder, which says what else to remove; the next one that writes the same file does it. Such a folder may come from anywhere, so
what it says is believed only of files that archc wrote, as their content shows.

Two builds of the same output do not wait for each other. Who removes data moves it aside first, and puts it back if a model names it
by then; who has put a model in its place looks whether its data is still there, and puts it back, too. One of the two sees the other.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from .content_names import has_named_content, is_content_name, is_named_for, is_own_file, is_plain_file, shorten
from .destinations import Destination, check_destination, find_destination, write_failure
from .diagnostics import Failure

SUFFIX = ".archc-partial"
NEW, KEPT, ASIDE, JOURNAL = "new", "kept", "aside", "data.json"

# the names of the data files that a model file names, and of each whether archc wrote it, so that it may be removed
NamedData = Callable[[Path], Mapping[str, bool]]


@contextmanager
def atomic_write(path: Path, named_data: NamedData | None = None) -> Iterator[Path]:
    """Yields a path in a private folder to write to; when the block ends without an error, the file takes its place at `path`.

    Other files that the block writes beside it take their places in the same commit, before it. `named_data` reads which data a
    model names: data of the model that is replaced is removed, unless another model in the folder names it, too. A link stays
    a link, and what it leads to is replaced, with its mode. A device or a pipe gets the bytes.
    Raises Failure (environment or usage) where the file cannot be written; then everything is as it was.
    """
    place = find_destination(path)
    check_destination(place)
    folder = Path(tempfile.gettempdir()) if place.kind == "stream" else place.path.parent
    beside = folder / place.path.name
    try:
        remove_stale(beside, named_data)
        private = Path(tempfile.mkdtemp(SUFFIX, f".{shorten(beside.name)}.{os.getpid()}.", folder))
        try:
            main = private / NEW / beside.name
            main.parent.mkdir()
            main.touch()
            yield main
            if place.kind == "stream":
                send(main, place)
            else:
                commit(main, place.path, named_data)
        finally:
            discard(private, named_data, None)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise write_failure(beside, error) from error


def send(main: Path, place: Destination) -> None:
    """Writes a file to a device or a pipe. Raises Failure where there is more than this file, or no space, or no reader."""
    refuse_several(place.path, len(os.listdir(main.parent)))
    try:
        if place.descriptor is not None:
            # a path to an open file opens it once more, at its beginning; this writes where it stands
            target = os.dup(place.descriptor)
        else:
            target = os.open(place.path, os.O_WRONLY | os.O_TRUNC)
        with main.open("rb") as source, os.fdopen(target, "wb") as stream:
            shutil.copyfileobj(source, stream, 2**20)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise write_failure(place.path, error) from error


def refuse_several(path: Path, count: int, option: str = "-o") -> None:
    """Raises Failure `output-is-device` where a device or a pipe would have to take several files."""
    if count > 1:
        raise Failure("output-is-device", f"`{path}` is a device or a pipe, and takes one file; this is a model with its data in a second",
                      f"name a file with `{option}`", 2)  # fmt: skip


def commit(main: Path, place: Path, named_data: NamedData | None) -> None:
    """Moves the files of a private folder to their places, `main` last: with it the new ones count. Both steps reach the disk."""
    mode = stat.S_IMODE(main.stat().st_mode)
    data = sorted(each for each in main.parent.iterdir() if each != main)
    for each in (*data, main):
        target = place.with_name(each.name)
        # data under a new name is as open to others as its model was
        take_mode(each, target if target.exists() else place, mode)
        force_to_disk(each)
    if named_data is not None:
        names = [each.name for each in data if not place.with_name(each.name).exists()]
        names += removable_data(place, named_data)
        (main.parent.parent / JOURNAL).write_text(json.dumps(names), "utf-8")
    with ExitStack() as undo:
        for each in data:
            target = place.with_name(each.name)
            if not target.exists():
                undo.callback(take_back, target, main)
            keep(each)
            os.replace(each, target)
        if data:
            force_to_disk(place.parent)
        os.replace(main, place)
        undo.pop_all()
    for each in data:
        put_back(main.parent.with_name(KEPT) / each.name, place.with_name(each.name))
        if not place.with_name(each.name).exists():
            raise Failure("cannot-write", f"another build of `{place}` removed `{each.name}`, the data of this one",
                          "build it again, and one at a time", 3)  # fmt: skip
    force_to_disk(place.parent)


def keep(data: Path) -> None:
    """Gives new data a second name in the private folder, from which it can be put back. Some disks have no second names."""
    kept = data.parent.with_name(KEPT)
    kept.mkdir(exist_ok=True)
    with suppress(OSError):
        os.link(data, kept / data.name)


def put_back(kept: Path, place: Path) -> None:
    """Gives a data file in a private folder its place again, if nothing is there. Raises OSError where it cannot."""
    try:
        os.link(kept, place)
    except (FileExistsError, FileNotFoundError):
        return
    except OSError:
        # a disk without second names
        if not place.exists():
            os.replace(kept, place)


def take_back(data: Path, main: Path) -> None:
    """Removes new data from its place, unless its model has gone to its own: an interrupt may come between that and the next line."""
    if main.exists():
        data.unlink(missing_ok=True)


def removable_data(model: Path, named_data: NamedData) -> list[str]:
    """The data files, by name, that are to go with `model` when it is replaced; none where it is not there."""
    try:
        return [name for name, removable in named_data(model).items() if removable]
    except OSError:
        return []


def take_mode(file: Path, place: Path, mode: int) -> None:
    """Gives a new file the mode of the one that it replaces, and its owner and group as far as this is allowed; else `mode`."""
    with suppress(FileNotFoundError):
        old = place.stat()
        mode = stat.S_IMODE(old.st_mode)
        if hasattr(os, "chown"):
            with suppress(OSError):
                os.chown(file, old.st_uid, old.st_gid)
    file.chmod(mode)


def force_to_disk(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk. Windows and some network disks have this for files alone."""
    is_folder = path.is_dir()
    if is_folder and os.name != "posix":
        return
    try:
        descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    except PermissionError:
        # a folder may take files and not be read
        if is_folder:
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not is_folder or error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def remove_stale(path: Path, named_data: NamedData | None) -> None:
    """Removes what killed processes left of `path`; a process that still runs keeps its own, and other users keep theirs."""
    form = re.compile(rf"{re.escape(f'.{shorten(path.name)}.')}(\d+)(?:\.\w+)?{re.escape(SUFFIX)}", re.ASCII)
    # a folder may take files and not be read
    with suppress(PermissionError):
        for name in os.listdir(path.parent):
            if (found := form.fullmatch(name)) and not is_running(int(found[1])):
                stale = path.with_name(name)
                with suppress(OSError):
                    if is_own_file(stale):
                        discard(stale, named_data, path)


def discard(private: Path, named_data: NamedData | None, stale_of: Path | None) -> None:
    """Removes a private folder, and first the data in its journal that no model names. Older versions had files for folders.

    `stale_of` is the output, where another process left the folder, or whoever made it.
    """
    if named_data is not None:
        with suppress(OSError):
            remove_unnamed(private, named_data, stale_of)
    if private.is_dir() and not private.is_symlink():
        shutil.rmtree(private, ignore_errors=True)
    else:
        private.unlink()


def abandon(private: str) -> None:
    """Removes a private folder in a process that ends at once. One in the middle of a commit stays: the next build reads its journal."""
    if not os.path.exists(os.path.join(private, JOURNAL)):
        shutil.rmtree(private, ignore_errors=True)


def remove_unnamed(private: Path, named_data: NamedData, stale_of: Path | None) -> None:
    """Removes the data of a private folder's journal from the folder around it, but for what a model or another journal names.

    Raises OSError where that cannot be decided; then it is all there.
    """
    folder, aside = private.parent, private / ASIDE
    names = {name for name in read_journal(private) if stale_of is None or is_named_for(name, stale_of)}
    if aside.is_dir() and not aside.is_symlink():
        for name in names:
            if is_plain_file(aside, name) and has_named_content(aside / name):
                put_back(aside / name, folder / name)
    names = find_unnamed(private, {name for name in names if is_plain_file(folder, name)}, named_data)
    names = {name for name in names if is_data(folder / name, stale_of)}
    if not names:
        return
    aside.mkdir(exist_ok=True)
    unnamed: set[str] = set()
    try:
        for name in names:
            with suppress(FileNotFoundError):
                os.replace(folder / name, aside / name)
        # by now another build may have put a model in its place
        unnamed = find_unnamed(private, names, named_data)
    finally:
        for name in names - unnamed:
            put_back(aside / name, folder / name)


def find_unnamed(private: Path, names: set[str], named_data: NamedData) -> set[str]:
    """Those of `names` that neither a model nor a journal names in the folder around a private folder, its own journal excepted."""
    unnamed = set(names)
    for entry in os.scandir(private.parent) if unnamed else ():
        if entry.name.endswith(SUFFIX) and entry.name != private.name:
            unnamed.difference_update(read_journal(Path(entry.path)))
        elif os.path.isfile(entry.path):
            with suppress(FileNotFoundError):
                unnamed.difference_update(named_data(Path(entry.path)))
    return unnamed


def is_data(path: Path, stale_of: Path | None) -> bool:
    """Whether a file is data that archc wrote, by its content. Earlier versions named data by its model: there, this process has read
    a model of archc's own that names it; a folder that was left is not believed.
    """
    if stale_of is None and not is_content_name(path.name):
        return True
    return has_named_content(path) and (stale_of is None or is_own_file(path))


def read_journal(private: Path) -> list[str]:
    """The names in the journal of a private folder; none where it has no journal, or one that was cut off."""
    try:
        names = json.loads((private / JOURNAL).read_text("utf-8")) if is_plain_file(private, JOURNAL) else []
    except (OSError, ValueError, RecursionError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def is_running(pid: int) -> bool:
    """Whether a process with this id exists.

    On Windows the answer is always yes: os.kill, which asks here, would end it there.
    """
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it exists, and belongs to another user
        return True
    return True
