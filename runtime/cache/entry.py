"""One entry of the cache: its files, what its notes say, and whether it is still what was written and of what it was made.

Whether a file has changed is asked of the system: its number, its size, and when its content and its entry in the disk's table were last
changed. The last of these nobody can set, so a file of the same size and time is told from what it was. The bytes are hashed when an
entry is written, and when `archc cache verify` asks.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Mapping
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, NamedTuple

from ..artifact import Artifact, FileIdentity
from ..devices import PROVIDERS
from ..packages import import_package
from ..processor import describe_processor
from .folder import Unusable
from .outlines import outline_json, parse_outline

# to be raised when an entry's files or notes get another form, and when trust.py lets other models into this process
FORMAT = 1
GRAPH, WEIGHTS, NOTES = "graph.onnx", "weights.bin", "notes.json"
# the only graphs that are kept, and how onnxruntime optimised them
CPU_PROVIDERS, LEVEL = (PROVIDERS["cpu"],), "all"
# a file that is written again so soon may keep the time that it has: the clock of a disk ticks
TICK_NS = 20_000_000
CHUNK = 2**20


class FileStamp(NamedTuple):
    """What the system says of a file, so that it is seen where it was changed, or another is in its place."""

    file: int
    size_bytes: int
    written_ns: int
    changed_ns: int

    @classmethod
    def of(cls, path: str | Path) -> FileStamp:
        """Of the file that a path leads to. Raises OSError."""
        status = os.stat(path)
        return cls(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def wait_for_tick(path: str | Path) -> None:
    """Waits until a change of the file would be seen by its times: a clock's tick from when it was last changed."""
    stamp = FileStamp.of(path)
    age_ns = time.time_ns() - max(stamp.written_ns, stamp.changed_ns)
    if 0 <= age_ns < TICK_NS:
        time.sleep((TICK_NS - age_ns) / 1e9)


class CacheEntry(NamedTuple):
    """What the notes of an entry say.

    `model` is the path of the model without links, `origin` are the model's files with their stamps, the model first, and `sha256` their
    digests. `files` are the entry's own: each one's stamp and CRC-32. `made` is when, in seconds since 1970.
    """

    folder: Path
    model: str
    trusted: bool
    environment: Mapping[str, Any]
    origin: Mapping[str, FileStamp]
    sha256: Mapping[str, str]
    files: Mapping[str, tuple[FileStamp, int]]
    made: float
    metadata: Mapping[str, str]
    outline: Mapping[str, Any]

    @property
    def size_bytes(self) -> int:
        """The bytes of the graph and its weights."""
        return sum(stamp.size_bytes for stamp, _ in self.files.values())

    def is_current(self) -> bool:
        """Whether the model's files are those of which it was made."""
        return self.origin == stamp_files(self.origin)

    def is_whole(self) -> bool:
        """Whether its own files are as they were written. The graph is read for that, the weights are not."""
        wanted = {name: stamp for name, (stamp, _) in self.files.items()}
        found = stamp_files([str(self.folder / name) for name in wanted])
        return [*wanted.values()] == [*found.values()] and self.checksum_holds(GRAPH)

    def checksum_holds(self, name: str) -> bool:
        """Whether the bytes of one of its files are those that were written."""
        try:
            return checksum(self.folder / name) == self.files[name][1]
        except (OSError, KeyError):
            return False

    def open_artifact(self, path: Path) -> Artifact:
        """The model's metadata and outline, as a reader of the file at `path` would find them. Raises OSError where it is gone."""
        return Artifact(path, self.metadata, parse_outline(self.outline), FileIdentity.of(path.stat()))

    def write_notes(self) -> None:
        """Writes the notes into its folder: a line with their digest, and JSON. Raises OSError."""
        facts = {key: value for key, value in self._asdict().items() if key != "folder"}
        text = json.dumps(facts).encode("ascii")
        (self.folder / NOTES).write_bytes(sha256(text).hexdigest().encode("ascii") + b"\n" + text)


def stamp_files(paths: Mapping[str, Any] | list[str]) -> dict[str, FileStamp]:
    """The stamps of the files that are there, by path."""
    found = {}
    for path in paths:
        try:
            found[path] = FileStamp.of(path)
        except (OSError, ValueError):
            continue
    return found


def find_environment() -> dict[str, Any]:
    """All but the model on which an optimised graph depends.

    Raises Unusable where the processor's features are not known, and RuntimeFault `package-missing` where onnxruntime does not import.
    """
    onnxruntime = import_package("onnxruntime")
    processor = describe_processor()
    if not processor:
        raise Unusable("the system does not say what the processor can do")
    return {
        "format": FORMAT,
        "onnxruntime": f"{onnxruntime.__version__} {onnxruntime.get_build_info()}",
        "processor": processor,
        "providers": [*CPU_PROVIDERS],
        "optimization": LEVEL,
    }


def name_model(path: str | Path, trusted: bool) -> str:
    """How the folders of a model's entries begin. One opened with `--trust`, trust=True in Python, has entries of its own: it was not judged.

    The path counts without links, and so does the folder of a link, as a model's data is looked for beside the link.
    """
    real, folder = os.path.realpath(path), os.path.realpath(os.path.dirname(path))
    return shorten_digest(json.dumps([trusted, real, folder]))


def name_entry(path: str | Path, trusted: bool, environment: Mapping[str, Any]) -> str:
    """The name of the folder of a model's entry."""
    return f"{name_model(path, trusted)}-{shorten_digest(json.dumps(environment, sort_keys=True))}"


def shorten_digest(text: str) -> str:
    """The first 16 digits of a text's SHA-256."""
    return sha256(text.encode()).hexdigest()[:16]


def hash_file(path: str | Path) -> str:
    """The SHA-256 of a file. Raises OSError."""
    with open(path, "rb") as file:
        return file_digest(file, "sha256").hexdigest()


def checksum(path: Path) -> int:
    """The CRC-32 of a file, which tells damage, and no attack. Raises OSError."""
    found = 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            found = zlib.crc32(chunk, found)
    return found


def read_notes(folder: Path) -> CacheEntry | None:
    """The entry in a folder; None where its notes are not there, or damaged."""
    try:
        if not (folder / NOTES).is_file():
            # a pipe would be waited for
            return None
        digest, text = (folder / NOTES).read_bytes().split(b"\n", 1)
        if sha256(text).hexdigest() != digest.decode("ascii"):
            return None
        facts = json.loads(text)
        facts["origin"] = {path: FileStamp(*stamp) for path, stamp in facts["origin"].items()}
        facts["files"] = {name: (FileStamp(*stamp), crc) for name, (stamp, crc) in facts["files"].items()}
        return CacheEntry(folder=folder, **facts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def pack_facts(artifact: Artifact) -> dict[str, Any]:
    """What a session must know of a model, beside its graph."""
    return {"metadata": dict(artifact.metadata), "outline": outline_json(artifact.graph)}
