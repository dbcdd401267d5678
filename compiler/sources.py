"""Where the texts of a spec come from: a folder, the zoo, memory, or a revision in git. One protocol, one set of limits.

Each text has a label: its path below the root folder, written with `/`. A path in a spec is relative to the text that names
it. It never leads out of the root folder, and it is never a URL.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .diagnostics import Failure, nearest

if TYPE_CHECKING:  # a protocol takes long to create, and only the type checker asks for it
    from typing import Protocol

    class SpecFiles(Protocol):
        """The files that a spec may name."""

        def locate(self, referrer: str, path: str) -> str:
            """The label of the file that `path` names in the text with the label `referrer`. Raises SourceError."""

        def read(self, label: str) -> bytes:
            """The bytes of a text; at most MAX_BYTES + 1, so that the reader sees when there are too many.

            Raises SourceError.
            """


MAX_BYTES = 2**20  # of one text
MAX_DOCUMENTS = 64  # in a row, each extending or importing the next
ZOO = Path(__file__).parent.parent / "archspecs"
LABEL_SETS = {name: ZOO / "labels" / f"{name}.txt" for name in ("imagenet-1k", "cifar-10", "cifar-100")}


class SourceError(Exception):
    """A text cannot be found or read. The caller makes a diagnostic of it, at the place that names the text."""

    def __init__(self, code: str, message: str, help: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.help = code, message, help


class SpecText(NamedTuple):
    """The text that a compilation starts from: its bytes, its label among `files`, and the name that messages show for it."""

    files: SpecFiles
    label: str
    data: bytes
    name: str
    bundled: str | None = None  # its name in the zoo; None where the user gave a file instead


def check_path(path: str) -> None:
    """Raises SourceError unless `path` is relative, names no URL, and is written with `/`."""
    problem = ""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:|git@|//", path):
        problem = "names a URL; archc reads local files only, never the network"
    elif path.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", path):
        problem = "is absolute; a path is relative to the file that names it"
    elif any(ord(c) < 32 for c in path) or not path.strip():
        problem = "is no path of a file"
    elif "\\" in path:
        problem = "has a backslash; write `/`"
    if problem:
        raise SourceError("path-outside", f"`{path}` {problem}")


def outside_error(path: str) -> SourceError:
    return SourceError("path-outside", f"`{path}` leads outside the spec's root folder",
                             "copy the file below the spec; `..` and links may not leave its folder")  # fmt: skip


def missing_error(path: str) -> SourceError:
    unexpanded = "`~`, variables and patterns are not expanded" if re.search(r"[~$*?]", path) else ""
    return SourceError("file-missing", f"there is no file `{path}` beside this one", unexpanded)


def resolve_label(referrer: str, path: str) -> str:
    """The label of `path` in the text `referrer`, from the names alone: for files without links. Raises SourceError."""
    check_path(path)
    label = posixpath.normpath(posixpath.join(posixpath.dirname(referrer), path))
    if label == ".." or label.startswith("../"):
        raise outside_error(path)
    return label


class Folder:
    """The files of a folder on disk, and of those below it; links may not lead out of it."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def locate(self, referrer: str, path: str) -> str:
        """The label of an existing file; links are followed first. Raises SourceError."""
        check_path(path)
        try:
            file = (self.root / referrer).parent.joinpath(path).resolve()
        except (OSError, ValueError, RuntimeError):
            raise outside_error(path) from None
        if not file.is_relative_to(self.root):
            raise outside_error(path)
        if not file.is_file():
            raise missing_error(path)
        return file.relative_to(self.root).as_posix()

    def read(self, label: str) -> bytes:
        try:
            with (self.root / label).open("rb") as file:
                return file.read(MAX_BYTES + 1)
        except OSError as error:
            raise SourceError("file-unreadable", f"`{label}` cannot be read: {error.strerror}") from None


class Memory:
    """Texts by label: what an editor has not saved yet, or what a built model holds of its spec."""

    def __init__(self, texts: Mapping[str, str | bytes]) -> None:
        self.texts = texts

    def locate(self, referrer: str, path: str) -> str:
        label = resolve_label(referrer, path)
        if label not in self.texts:
            raise missing_error(path)
        return label

    def read(self, label: str) -> bytes:
        text = self.texts[label]
        return (text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))[: MAX_BYTES + 1]


class GitRevision:
    """The files of a folder in a git repository, as they are in one revision; labels are relative to that folder."""

    def __init__(self, folder: Path, revision: str) -> None:
        self.folder, self.revision = folder, revision

    def locate(self, referrer: str, path: str) -> str:
        label = resolve_label(referrer, path)
        if self.read_blob(label) is None:
            raise missing_error(path)
        return label

    def read(self, label: str) -> bytes:
        data = self.read_blob(label)
        if data is None:
            raise SourceError("file-missing", f"`{label}` is not in revision {self.revision}")
        return data[: MAX_BYTES + 1]

    def read_blob(self, label: str) -> bytes | None:
        """A file's bytes; None where the revision has no such file. Raises SourceError where git does not run."""
        import subprocess

        command = ["git", "-C", str(self.folder), "cat-file", "blob", f"{self.revision}:./{label}"]
        try:
            process = subprocess.run(command, capture_output=True, check=False)
        except OSError as error:
            raise SourceError("file-unreadable", f"git does not run: {error.strerror}", "install git") from None
        return process.stdout if process.returncode == 0 else None


def zoo() -> dict[str, Path]:
    """The bundled specs by name, families included."""
    return {path.stem: path for path in sorted(ZOO.glob("*/*.yaml"))}


def find_spec(spec: str) -> SpecText:
    """The text of the spec that a user names: a file, `-` for standard input, or an entry of the zoo.

    Raises Failure (usage).
    """
    if spec == "-":
        return SpecText(Folder(Path.cwd()), "-", sys.stdin.buffer.read(MAX_BYTES + 1), "<stdin>")
    path = Path(spec)
    try:
        if path.is_dir():
            raise Failure("not-a-file", f"`{spec}` is a folder; a spec is a file", exit_code=2)
        if path.exists() and not path.is_file():  # reading a pipe could wait for ever
            raise Failure("not-a-file", f"`{spec}` is a device or a pipe; a spec is a file, or `-`", exit_code=2)
        if path.exists():
            return read_spec_file(path.resolve(), spec)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Failure("file-unreadable", f"`{spec[:200]}` cannot be read: {why}", exit_code=2) from None
    entries = zoo()
    name = spec.removesuffix(".yaml")
    if name in entries:
        return read_spec_file(entries[name].resolve(), entries[name].name)._replace(bundled=name)
    near = nearest(name, entries)
    hint = f"did you mean the bundled `{near}`?" if near else "`archc list` shows the bundled specs"
    raise Failure(
        "no-such-spec", f"there is no file `{spec[:200]}`, and no bundled spec of that name", hint, exit_code=2
    )


def read_spec_file(path: Path, name: str) -> SpecText:
    """The text of a file. Its root is its own folder; for a file of the zoo it is the whole zoo."""
    root = ZOO.resolve() if path.is_relative_to(ZOO.resolve()) else path.parent
    with path.open("rb") as file:
        return SpecText(Folder(root), path.relative_to(root).as_posix(), file.read(MAX_BYTES + 1), name)
