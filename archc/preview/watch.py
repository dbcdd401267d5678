"""The files that a spec is composed of, and when one of them changes.

The system is asked again and again what it says of each file: that works on every disk, in containers and over networks, and needs
no library. A spec names other files when it changes, so they are collected anew each time that it is read.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ..compiler.diagnostics import Failure
from ..compiler.sources import Folder, SourceError, SpecText, find_spec, read_spec_file, resolve_label

# how often the files are looked at
POLL_S = 0.2
# a file that is being written is left alone until two looks that far apart agree
SETTLED_S = 0.05
# how long that may take, and how long a file may be gone that an editor is replacing
PATIENCE_S = 1.0


class Look(NamedTuple):
    """What the system says of a file, so that a change is seen: one in place, and another file in its place."""

    device: int
    file: int
    size_bytes: int
    written_ns: int
    changed_ns: int


Looks = Mapping[Path, Look | None]


def look_at(path: Path) -> Look | None:
    """What the system says of a file; None where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return Look(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class WatchedFolder(Folder):
    """The files of a folder; `looks` has each that a spec named, with what the system said of it before it was read.

    One that is not there is among them, as it may come. Bundled specs are not: they belong to the installation.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.looks: dict[Path, Look | None] = {}

    def locate_own(self, referrer: str, path: str) -> str:
        try:
            self.watch(self.root / resolve_label(referrer, path))
        except SourceError:
            pass  # it is outside of the folder, and will be refused
        label = super().locate_own(referrer, path)
        self.watch(self.root / label)
        return label

    def watch(self, path: Path) -> None:
        """Looks at a file, unless that was done before: what is read later may be newer, and never older."""
        if path not in self.looks:
            self.looks[path] = look_at(path)


class WatchedSpec:
    """A spec on the disk, with the files that its last reading named. `name` is what messages call it."""

    def __init__(self, spec: str) -> None:
        """Raises Failure (usage) where there is no such spec, and for standard input, which cannot be read again."""
        if spec == "-":
            raise Failure("usage", "--watch reads a spec again and again, and standard input can be read once",
                          "give it a file", 2)  # fmt: skip
        found = find_spec(spec)
        self.name, self.bundled = found.name, found.bundled
        assert isinstance(found.files, Folder)
        self.path = found.files.root / found.label if found.bundled else Path(spec).absolute()
        self.looks: Looks = {self.path: None}

    def read(self) -> SpecText:
        """The text as it is now; compiling it collects which files are to be watched. Raises Failure where the file is gone."""
        look = look_at(self.path)
        self.looks = {self.path: look}
        try:
            # to read a pipe could wait for ever
            if not stat.S_ISREG(os.stat(self.path).st_mode):
                raise Failure("not-a-file", f"`{self.name}` is no file any more", exit_code=2)
            text = read_spec_file(self.path.resolve(), self.name)
        except (OSError, RuntimeError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise Failure("file-unreadable", f"`{self.name}` cannot be read: {why}", exit_code=2) from None
        assert isinstance(text.files, Folder)
        files = WatchedFolder(text.files.root)
        files.looks[self.path] = look
        self.looks = files.looks
        return text._replace(files=files, bundled=self.bundled)

    @property
    def has_changed(self) -> bool:
        """Whether a file is not what it was when it was read."""
        return any(look_at(path) != look for path, look in list(self.looks.items()))

    def wait_for_change(self) -> None:
        """Returns when a file has changed, and whoever writes it has come to an end."""
        while not self.has_changed:
            time.sleep(POLL_S)
        deadline = time.monotonic() + PATIENCE_S
        before = look_at_all(self.looks)
        while time.monotonic() < deadline:
            time.sleep(SETTLED_S)
            now = look_at_all(self.looks)
            gone = any(now[path] is None and look is not None for path, look in self.looks.items())
            if now == before and not gone:
                return
            before = now


def look_at_all(paths: Iterable[Path]) -> Looks:
    """What the system says of each file."""
    return {path: look_at(path) for path in paths}
