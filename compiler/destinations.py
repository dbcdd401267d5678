"""Where an output goes: the file that its links lead to, a new one, or a device or a pipe, which is written to as it is."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import Literal, NamedTuple

from .diagnostics import Failure

MAX_LINKS = 40
STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
# what to do where a file cannot be written, by the system's reason
WRITE_ADVICE = {
    errno.EACCES: "make the folder writable for you, or write elsewhere with -o",
    errno.EPERM: "make the folder writable for you, or write elsewhere with -o",
    errno.EROFS: "the disk is read-only: write elsewhere with -o",
    errno.ENAMETOOLONG: "give it a shorter name with -o",
    errno.ELOOP: "its links lead in a circle: remove one, or write elsewhere with -o",
    errno.EIO: "the disk is damaged, or gone: write elsewhere with -o",
}
DESCRIPTORS = re.compile(r"/dev/fd|/proc/(?P<process>\d+|self)(?:/task/\d+)?/fd")


# how a path ends that only a folder can have
FOLDER_ENDS = tuple(separator + name for separator in {"/", os.sep} for name in ("", ".", ".."))


def file_path(output: str) -> Path:
    """The path of an output as a user writes it. Raises Failure `output-is-folder` for one that ends as only a folder's does.

    A Path has lost that end, and would name a file.
    """
    if output.endswith(FOLDER_ENDS):
        raise Failure("output-is-folder", f"`{output}` names a folder; an output is a file",
                      "leave the slash out, or name a file in the folder", 2)  # fmt: skip
    return Path(output)


class Destination(NamedTuple):
    """Where an output goes. `path` is what the links of the path that was asked for lead to.

    A `file` is replaced whole, or new; a `stream` is a device, a pipe or an open file, and is written to. `descriptor` is the
    number of a stream that this process has open already, as `/dev/stdout` is.
    """

    path: Path
    kind: Literal["file", "folder", "stream"] = "file"
    descriptor: int | None = None


def find_destination(path: Path) -> Destination:
    """Follows the links of `path`, one after the other: a link to `/dev/stdout` is no link to the file that is open there.

    Raises Failure `cannot-write` where links lead in a circle, or where the system cannot tell.
    """
    found = path
    try:
        for _ in range(MAX_LINKS):
            if (descriptor := own_descriptor(found)) is not None:
                return Destination(found, "stream", descriptor)
            if not found.is_symlink():
                return Destination(found, kind_of(found))
            if DESCRIPTORS.fullmatch(found.parent.resolve().as_posix()):
                return Destination(found, "stream")
            found = found.parent / found.readlink()
    except OSError as error:
        raise write_failure(path, error) from error
    raise write_failure(path, OSError(errno.ELOOP, os.strerror(errno.ELOOP)))


def own_descriptor(path: Path) -> int | None:
    """The number of an open file of this process by its path: /dev/stdout, /dev/fd/3, /proc/self/fd/3. None for other paths."""
    if path.as_posix() in STANDARD:
        return STANDARD[path.as_posix()]
    if not re.fullmatch(r"\d{1,9}", path.name, re.ASCII):
        return None
    for folder in (path.parent, path.parent.resolve()):
        named = DESCRIPTORS.fullmatch(folder.as_posix())
        if named and named["process"] in (None, "self", str(os.getpid())):
            return int(path.name)
    return None


def kind_of(path: Path) -> Literal["file", "folder", "stream"]:
    """What stands at `path`; a file where nothing does."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "file"
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "stream"


def check_destination(place: Destination) -> None:
    """Raises Failure where an output cannot go to `place`, before anything is made: a missing or closed folder, a read-only file."""
    path, folder = place.path, place.path.parent
    if place.kind == "folder":
        raise Failure("output-is-folder", f"`{path}` is a folder; an output is a file", "name a file in it", 2)
    if place.descriptor is not None:
        check_descriptor(place.descriptor)
    elif place.kind == "file" and not folder.is_dir():
        raise no_such_folder(path)
    elif path.is_socket():
        raise Failure("cannot-write", f"`{path}` is a socket; an output is a file, a device or a pipe", exit_code=3)
    elif not os.access(path, os.W_OK) and (path.exists() or place.kind == "stream"):
        raise Failure(
            "cannot-write", f"`{path}` is read-only", "make it writable, or write elsewhere with -o", exit_code=3
        )
    elif place.kind == "file" and not os.access(folder, os.W_OK | os.X_OK):
        raise Failure("cannot-write", f"`{path}` cannot be written: the folder `{folder}` takes no new file",
                      "make the folder writable: an output is written beside its place first, and then renamed", 3)  # fmt: skip


def check_descriptor(number: int) -> None:
    """Raises Failure `cannot-write` where this process has no file open for writing under `number`."""
    try:
        os.fstat(number)
        if os.name == "posix":
            import fcntl

            reads = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        else:
            reads = False
    except (OSError, OverflowError):
        raise Failure("cannot-write", f"no file is open under the number {number}", exit_code=3) from None
    if reads and number == 1:
        raise Failure("cannot-write", "standard output is closed, or open for reading", exit_code=3)
    if reads:
        raise Failure("cannot-write", f"the file that is open under the number {number} is for reading", exit_code=3)


def is_standard_output(path: str | os.PathLike[str]) -> bool:
    """Whether what is written to `path` comes out on standard output, where nothing else may stand then."""
    place = find_destination(Path(path))
    if place.descriptor is not None or place.kind != "stream":
        return place.descriptor == 1
    try:
        return os.path.samestat(place.path.stat(), os.fstat(1))
    except OSError:
        return False


def write_failure(path: Path, error: OSError) -> Failure:
    """The Failure that says why `path` cannot be written: no space, no folder, no permission."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Failure(
            "disk-full",
            f"there is no space left to write {path.name}",
            "free some space, or write elsewhere with -o",
            3,
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR) and not path.parent.is_dir():
        return no_such_folder(path)
    why = (error.strerror or str(error)).lower()
    advice = WRITE_ADVICE.get(
        error.errno or 0, f"the folder `{path.parent}` may take no new file: write elsewhere with -o"
    )
    return Failure("cannot-write", f"`{path}` cannot be written: {why}", advice, 3)


def no_such_folder(path: Path) -> Failure:
    return Failure("no-such-folder", f"there is no folder `{path.parent}` to write {path.name} to", "make it first", 2)
