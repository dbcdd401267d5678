"""Where the texts of a spec come from: a folder, the zoo, memory, or (revisions.py) git. One protocol, one set of limits.

Each text has a label: its path below the root folder, written with `/`. A path in a spec is relative to the text that names
it. It never leads out of the root folder, and it is never a URL. `zoo:NAME` names a bundled spec instead, from any of them;
its label is `zoo:FAMILY/NAME.yaml`, and what that spec names stays inside the zoo.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from .diagnostics import Failure, nearest
from .limits import HIGHEST_BYTES
from .other_files import MODEL_FIRST_BYTE, has_model_suffix, refuse_other_file
from .patterns import explain_pattern

if TYPE_CHECKING:  # a protocol takes long to create, and only the type checker asks for it
    from typing import Protocol

    class SpecFiles(Protocol):
        """The files that a spec may name."""

        def locate(self, referrer: str, path: str) -> str:
            """The label of the file that `path` names in the text with the label `referrer`. Raises SourceError."""

        def read(self, label: str) -> bytes:
            """The bytes of a text; at most HIGHEST_BYTES + 1, so that the reader sees when there are too many.

            Raises SourceError.
            """

        def name_beside(self, name: str, path: str, label: str) -> str:
            """What messages call the file `label`, which the text called `name` names by `path`."""


MAX_BESIDE = 2000  # files that a misspelt name is compared with
MAX_PATH = 4096  # characters of a path; systems open no longer one, and each `..` in it costs as much as it is long
MAX_SHOWN = 80  # letters of a path in a message
MAX_DOCUMENTS = 64  # in a row, each extending or importing the next
ZOO = Path(__file__).parent.parent / "archspecs"
BUNDLED = "zoo:"  # begins the path and the label of a bundled spec
RECIPES = ZOO / "recipes"  # how the nets are trained: no specs
LABEL_SETS = {name: ZOO / "labels" / f"{name}.txt" for name in ("imagenet-1k", "cifar-10", "cifar-100")}


class SourceError(Exception):
    """A text cannot be found or read. The caller makes a diagnostic of it, at the place that names the text.

    `near` is set where there is no file of the name: what was probably meant, or empty.
    """

    def __init__(self, code: str, message: str, help: str = "", near: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.help, self.near = code, message, help, near


class SpecText(NamedTuple):
    """The text that a compilation starts from: its bytes, its label among `files`, and the name that messages show for it."""

    files: SpecFiles
    label: str
    data: bytes
    name: str
    bundled: str | None = None  # its name in the zoo; None where the user gave a file instead


def check_path(path: str) -> None:
    """Raises SourceError unless `path` is relative, names no URL, is written with `/`, and is no longer than a path may be."""
    if len(path) > MAX_PATH:
        why = f"`{shorten(path)}` cannot be read: a path has at most {MAX_PATH} characters, not {len(path)}"
        raise SourceError("file-unreadable", why)
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
        raise SourceError("path-outside", f"`{shorten(path)}` {problem}")


def shorten(path: str) -> str:
    """A path for a message, cut where it is long."""
    return path if len(path) <= MAX_SHOWN else path[:MAX_SHOWN] + "…"


def names_in_folder(folder: Path) -> list[str]:
    """The names in a folder; none where it cannot be read."""
    try:
        return [each.name for each in islice(folder.iterdir(), MAX_BESIDE)]
    except (OSError, ValueError):
        return []


def outside_error(path: str) -> SourceError:
    return SourceError("path-outside", f"`{shorten(path)}` leads outside the spec's root folder",
                             "copy the file below the spec; `..` and links may not leave its folder")  # fmt: skip


def missing_error(path: str, beside: Iterable[str]) -> SourceError:
    """There is no such file. `beside` are the names of the files that are there."""
    name = posixpath.basename(path).removesuffix(".yaml")
    near = ""
    if re.search(r"[~$*?]", path):
        help = "`~`, variables and patterns are not expanded"
    elif name in zoo():
        help = f"the bundled one is written `{BUNDLED}{name}`; `archc init NAME --from {name}` begins a spec of your own from it"
    else:
        known = [each for each in beside if each.endswith((".yaml", ".yml", ".txt"))]
        near = nearest(posixpath.basename(path), known) or nearest(name, zoo(), BUNDLED) or ""
        help = f"did you mean `{near}`?" if near else ""
    return SourceError("file-missing", f"there is no file `{shorten(path)}` beside this one", help, near)


def resolve_label(referrer: str, path: str) -> str:
    """The label of `path` in the text `referrer`, from the names alone: for files without links. Raises SourceError."""
    check_path(path)
    label = posixpath.normpath(posixpath.join(posixpath.dirname(referrer), path))
    if label == ".." or label.startswith("../"):
        raise outside_error(path)
    return label


class FilesAndZoo:
    """The root of all collections of files: it finds bundled specs by `zoo:NAME`, and asks its own files for all other paths."""

    def locate(self, referrer: str, path: str) -> str:
        """The label of the file that `path` names in the text with the label `referrer`. Raises SourceError."""
        if path.startswith(BUNDLED):
            return self.locate_bundled(path)
        if referrer.startswith(BUNDLED):
            return BUNDLED + Folder(ZOO).locate_own(referrer.removeprefix(BUNDLED), path)
        return self.locate_own(referrer, path)

    def read(self, label: str) -> bytes:
        """The bytes of a text; at most HIGHEST_BYTES + 1, so that the reader sees when there are too many. Raises SourceError."""
        return Folder(ZOO).read_own(label.removeprefix(BUNDLED)) if label.startswith(BUNDLED) else self.read_own(label)

    def locate_bundled(self, path: str) -> str:
        """The label of the bundled spec that `zoo:NAME` names. Raises SourceError."""
        entries, name = zoo(), path.removeprefix(BUNDLED).strip().removesuffix(".yaml")
        if name in entries:
            return BUNDLED + entries[name].relative_to(ZOO).as_posix()
        near = nearest(name.rpartition("/")[2], entries, BUNDLED)
        help = f"did you mean `{near}`?" if near else "`archc list` shows the bundled specs"
        raise SourceError("file-missing", f"there is no bundled spec `{shorten(name)}`", help)

    def name_beside(self, name: str, path: str, label: str) -> str:
        """What messages call the file `label`, which the text called `name` names by `path`."""
        return label if label.startswith(BUNDLED) else str(PurePosixPath(name.replace("\\", "/")).parent / path)

    def locate_own(self, referrer: str, path: str) -> str:
        """The label of a file that is no bundled spec. Raises SourceError."""
        raise NotImplementedError

    def read_own(self, label: str) -> bytes:
        """The bytes of a file that is no bundled spec. Raises SourceError."""
        raise NotImplementedError


class Folder(FilesAndZoo):
    """The files of a folder on disk, and of those below it; links may not lead out of it."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def locate_own(self, referrer: str, path: str) -> str:
        """The label of an existing file; links are followed first. Raises SourceError."""
        check_path(path)
        folder = (self.root / referrer).parent
        try:
            file = folder.joinpath(path).resolve()
            if not file.is_relative_to(self.root):
                raise outside_error(path)
            if file.is_file():
                return file.relative_to(self.root).as_posix()
            if file.exists():  # a pipe could be read for ever
                what = "is a folder" if file.is_dir() else "is a device or a pipe"
                raise SourceError("file-missing", f"`{shorten(path)}` {what}, and no file")
        except RuntimeError:
            raise SourceError("file-unreadable", f"`{path}` is a link in a circle of links") from None
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise SourceError("file-unreadable", f"`{shorten(path)}` cannot be read: {why}") from None
        raise missing_error(path, names_in_folder(folder))

    def read_own(self, label: str) -> bytes:
        try:
            with (self.root / label).open("rb") as file:
                return file.read(HIGHEST_BYTES + 1)
        except OSError as error:
            raise SourceError("file-unreadable", f"`{label}` cannot be read: {error.strerror}") from None


class Memory(FilesAndZoo):
    """Texts by label: what an editor has not saved yet, or what a built model holds of its spec.

    A text with the label of a bundled spec is taken for that spec: a model stays what it was when the zoo changes.
    """

    def __init__(self, texts: Mapping[str, str | bytes]) -> None:
        self.texts = texts

    def locate(self, referrer: str, path: str) -> str:
        if not path.startswith(BUNDLED) and not referrer.startswith(BUNDLED):
            return self.locate_own(referrer, path)
        name = path.removeprefix(BUNDLED).removesuffix(".yaml")
        held = [each for each in self.texts if each.startswith(BUNDLED) and PurePosixPath(each).stem == name]
        return held[0] if path.startswith(BUNDLED) and held else super().locate(referrer, path)

    def read(self, label: str) -> bytes:
        return self.read_own(label) if label in self.texts else super().read(label)

    def locate_own(self, referrer: str, path: str) -> str:
        label = resolve_label(referrer, path)
        if label not in self.texts:
            folder = posixpath.dirname(label)
            raise missing_error(path, [posixpath.basename(t) for t in self.texts if posixpath.dirname(t) == folder])
        return label

    def read_own(self, label: str) -> bytes:
        text = self.texts[label]
        return (text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))[: HIGHEST_BYTES + 1]


def zoo() -> dict[str, Path]:
    """The bundled specs by name, families included."""
    return {path.stem: path for path in sorted(ZOO.glob("*/*.yaml")) if path.parent != RECIPES}


def nearest_file(path: Path) -> str | None:
    """The spec in the folder of `path` whose name is like that of this one, which is not there; None where there is none."""
    specs = [name for name in names_in_folder(path.parent) if name.endswith((".yaml", ".yml"))]
    files = {name.rpartition(".")[0]: str(path.with_name(name)) for name in specs}
    near = path.stem if path.stem in files else nearest(path.stem, files)
    return files[near] if near else None


def find_spec(spec: str) -> SpecText:
    """The text of the spec that a user names: a file, `-` for standard input, an entry of the zoo, or `REV:path` of a git revision.

    Raises Failure (usage) where there is none, `not-a-spec` for a model, weights or a picture, however large.
    """
    found = locate_spec(spec)
    refuse_other_file(found.name, found.data)
    return found


def locate_spec(spec: str) -> SpecText:
    """The text that a user names, whatever it is. Raises Failure (usage)."""
    if text := read_user_file(spec, "spec"):
        return text
    path = Path(spec)
    entries = zoo()
    name = spec.removeprefix(BUNDLED).removesuffix(".yaml")
    if name in entries:
        return read_spec_file(entries[name].resolve(), entries[name].name)._replace(bundled=name)
    if ":" in spec:
        from .revisions import find_revision_spec, parse_revision_path  # late: few specs come from git

        if asked := parse_revision_path(spec):
            return find_revision_spec(asked, Path.cwd())
    if pattern := explain_pattern(spec):
        raise Failure("no-such-spec", pattern.message, pattern.help, 2)
    near, file = nearest(name, entries), nearest_file(path)
    hint = f"did you mean the bundled `{near}`?" if near else "`archc list` shows the bundled specs"
    hint = f"did you mean `{file}`?" if file else hint
    raise Failure(
        "no-such-spec", f"there is no file `{spec[:200]}`, and no bundled spec of that name", hint, exit_code=2
    )


def read_user_file(word: str, kind: str) -> SpecText | None:
    """The text of the file that a user's word names, `-` for standard input; None where there is none. `kind` is what is looked for.

    Raises Failure (usage).
    """
    if word == "-":
        return SpecText(Folder(Path.cwd()), "-", sys.stdin.buffer.read(HIGHEST_BYTES + 1), "<stdin>")
    path = Path(word)
    try:
        if path.is_dir():
            raise Failure("not-a-file", f"`{word}` is a folder; a {kind} is a file", exit_code=2)
        if path.exists() and not path.is_file():  # reading a pipe could wait for ever
            raise Failure("not-a-file", f"`{word}` is a device or a pipe; a {kind} is a file, or `-`", exit_code=2)
        return read_spec_file(path.resolve(), word) if path.exists() else None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Failure("file-unreadable", f"`{word[:200]}` cannot be read: {why}", exit_code=2) from None


def is_model(name: str) -> bool:
    """Whether a user's word names an ONNX model: a file whose suffix or first byte says so, or one of that suffix that is not there."""
    path = Path(name)
    try:
        if name == "-" or not path.is_file():
            return has_model_suffix(name) and ":" not in name
        with path.open("rb") as file:
            return has_model_suffix(name) or file.read(1) == MODEL_FIRST_BYTE
    except (OSError, ValueError):
        return False


def names_spec(spec: str) -> bool:
    """Whether a user's word names a spec: a file that is there, or an entry of the zoo."""
    return spec.removeprefix(BUNDLED).removesuffix(".yaml") in zoo() or (
        spec.endswith((".yaml", ".yml")) and Path(spec).exists()
    )


def read_spec_file(path: Path, name: str) -> SpecText:
    """The text of a file. Its root is its own folder; for a file of the zoo it is the whole zoo."""
    root = ZOO.resolve() if path.is_relative_to(ZOO.resolve()) else path.parent
    with path.open("rb") as file:
        return SpecText(Folder(root), path.relative_to(root).as_posix(), file.read(HIGHEST_BYTES + 1), name)
