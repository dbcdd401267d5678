"""Output files appear whole or not at all: written in a private folder beside their place, forced to disk, then renamed.

A model may have a data file beside it, and the two are one commit. The data's name is made of its content, so it never takes the
place of data that the present model reads; the model that names it is renamed last, and only then is data removed that no model
names any more. Whenever the process is killed, the old files are there or the new ones. What it leaves behind is the private
folder, which says what else to remove; the next one that writes the same file does it. Such a folder may come from anywhere, so
what it says is believed only of files that archc wrote, as their content shows. Who uses a private folder holds a lock in it, which
ends with the process: in containers, process numbers do not tell who is running.

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
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO

from .content_names import has_named_content, is_content_name, is_named_for, is_own_file, is_plain_file, shorten
from .destinations import Destination, check_destination, find_destination, write_failure
from .diagnostics import Failure

SUFFIX = ".archc-partial"
NEW, ASIDE, JOURNAL, LOCK = "new", "aside", "data.json", "lock"
# a process of another container may have this one's number
TOKEN = os.urandom(4).hex()
NO_LOCKS = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL)

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
        private, lock = make_private(beside)
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
            discard(private, lock, named_data)
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
        # what both models name goes in no case
        names += set(removable_data(place, named_data)) - {each.name for each in data}
        (main.parent.parent / JOURNAL).write_text(json.dumps(names), "utf-8")
    with ExitStack() as opened, ExitStack() as undo:
        sources = [opened.enter_context(each.open("rb")) for each in data] if os.name == "posix" else []
        for each in data:
            target = place.with_name(each.name)
            if not target.exists():
                undo.callback(take_back, target, main)
            os.replace(each, target)
        if data:
            force_to_disk(place.parent)
        os.replace(main, place)
        undo.pop_all()
        for each, source in zip_longest(data, sources):
            restore_data(each, source, place.with_name(each.name))
    force_to_disk(place.parent)


def restore_data(data: Path, source: BinaryIO | None, place: Path) -> None:
    """Puts data in its place again, by way of `data`, where another build has removed it: an open file is there though its name is not.

    Windows takes no name from a file that is open; there, Failure `cannot-write` says what has happened.
    """
    if place.exists():
        return
    if source is None:
        raise Failure("cannot-write", f"{place} was removed by another build of the same output", "build it again", 3)
    with data.open("wb") as file:
        shutil.copyfileobj(source, file, 2**20)
    data.chmod(stat.S_IMODE(os.fstat(source.fileno()).st_mode))
    force_to_disk(data)
    os.replace(data, place)


def put_back(aside: Path, place: Path) -> None:
    """Gives data that was moved aside its place again, if nothing is there. Raises OSError where it cannot."""
    if aside.exists() and not place.exists():
        os.replace(aside, place)


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


def make_private(beside: Path) -> tuple[Path, int | None]:
    """Makes a private folder for the file `beside`, and takes its lock. Its name tells the process."""
    while True:
        private = Path(tempfile.mkdtemp(SUFFIX, f".{shorten(beside.name)}.{os.getpid()}.{TOKEN}", beside.parent))
        try:
            return private, take_lock(private)
        except (FileNotFoundError, BlockingIOError):
            # another build came in between, and took it for one that was left
            continue
        except BaseException:
            shutil.rmtree(private, ignore_errors=True)
            raise


def take_lock(private: Path) -> int | None:
    """Takes the lock of a private folder, without waiting; gives its descriptor, or None where the system or the disk has no locks.

    Raises BlockingIOError where another has it, and FileNotFoundError where the folder is being removed.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    path = private / LOCK
    # a folder that was left may come from anywhere, and be of links and pipes
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # who had it may have removed the file, and another made it anew
        if not os.path.samestat(os.fstat(descriptor), path.stat()):
            raise BlockingIOError(errno.EAGAIN, "another file's lock")
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, OSError) and error.errno in NO_LOCKS:
            return None
        raise
    return descriptor


def remove_stale(path: Path, named_data: NamedData | None) -> None:
    """Removes what killed processes left of `path`; what is in use stays, and what belongs to other users."""
    form = re.compile(rf"{re.escape(f'.{shorten(path.name)}.')}(\d+)(?:\.\w+)?{re.escape(SUFFIX)}", re.ASCII)
    # a folder may take files and not be read
    with suppress(PermissionError):
        for name in os.listdir(path.parent):
            if found := form.fullmatch(name):
                with suppress(OSError):
                    if is_own_file(path.with_name(name)):
                        remove_unused(path.with_name(name), int(found[1]), named_data, path)


def remove_left(folder: Path) -> None:
    """Removes what killed processes left in a folder of any output; only of those that name no data."""
    form = re.compile(rf"\.(.+?)\.\d+(?:\.\w+)?{re.escape(SUFFIX)}", re.ASCII)
    for name in sorted({found[1] for each in os.listdir(folder) if (found := form.fullmatch(each))}):
        remove_stale(folder / name, None)


def remove_unused(private: Path, pid: int, named_data: NamedData | None, output: Path) -> None:
    """Removes a private folder whose lock is free; where there are no locks, one whose process has ended.

    Older versions had files for folders. Raises OSError (BlockingIOError) where it is in use.
    """
    lock = take_lock(private) if is_folder(private) else None
    if lock is not None or not is_running(pid):
        discard(private, lock, named_data, output)


def discard(private: Path, lock: int | None, named_data: NamedData | None, stale_of: Path | None = None) -> None:
    """Removes a private folder, gives its lock back, and first removes the data in its journal that no model names.

    Where that cannot be decided, as a file cannot be read, the folder stays with its journal, and the next build tries again.
    `stale_of` is the output, where another process left the folder, or whoever made it.
    """
    rest = private
    try:
        if named_data is not None and is_folder(private):
            remove_unnamed(private, named_data, stale_of)
    except OSError:
        rest = private / NEW
    else:
        if stale_of is not None and lock is not None:
            # who has just made it, and waits to take the lock, finds it no more by its name
            rest = private.rename(private.with_name(f"{private.name.removesuffix(SUFFIX)}_{SUFFIX}"))
    finally:
        # before its file goes: a network disk keeps a file that is open, and the folder with it
        if lock is not None:
            os.close(lock)
    if is_folder(rest):
        shutil.rmtree(rest, ignore_errors=True)
    elif rest == private:
        private.unlink()


def is_folder(path: Path) -> bool:
    """Whether it is a folder, and no link to one."""
    return path.is_dir() and not path.is_symlink()


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
    if is_folder(aside):
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
    entries = (
        [Path(entry.path) for entry in os.scandir(private.parent) if entry.name != private.name] if unnamed else []
    )
    # first the journals: one that goes meanwhile has its model in its place
    for path in entries:
        if path.name.endswith(SUFFIX):
            unnamed.difference_update(read_journal(path))
    for path in entries:
        if unnamed and path.is_file():
            with suppress(FileNotFoundError):
                unnamed.difference_update(named_data(path))
    return unnamed


def is_data(path: Path, stale_of: Path | None) -> bool:
    """Whether a file is data that archc wrote, by its content. Earlier versions named data by its model: there, this process has read
    a model of archc's own that names it; a folder that was left is not believed.
    """
    if stale_of is None and not is_content_name(path.name):
        return True
    try:
        return has_named_content(path) and (stale_of is None or is_own_file(path))
    except FileNotFoundError:
        # another build has removed it by now
        return False


def read_journal(private: Path) -> list[str]:
    """The names in the journal of a private folder; none where it has no journal, or one that was cut off."""
    try:
        names = json.loads((private / JOURNAL).read_text("utf-8")) if is_plain_file(private, JOURNAL) else []
    except (OSError, ValueError, RecursionError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def is_running(pid: int) -> bool:
    """Whether a process with this id exists, in this container.

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
