"""What a model says of itself: its metadata, read from the file without onnx and without its weights.

The reader walks the outer protobuf fields of a ModelProto and skips the graph, so a model of any size costs a few reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from .faults import RuntimeFault

MAX_METADATA = 64 * 2**20


class Artifact(NamedTuple):
    """A model file with its metadata; a model that archc did not build has none."""

    path: Path
    metadata: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.metadata.get("archc.name", self.path.stem)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.read("archc.labels") or ())

    @property
    def preprocess(self) -> dict[str, Any]:
        return dict(self.read("archc.preprocess") or {})

    @property
    def trained(self) -> bool:
        """Whether the weights came from a checkpoint; a foreign model is taken at its word."""
        return bool((self.read("archc.weights") or {"trained": True}).get("trained"))

    def read(self, key: str) -> Any:
        try:
            return json.loads(self.metadata[key]) if key in self.metadata else None
        except ValueError:
            raise RuntimeFault("model-damaged", f"{self.path}: the metadata `{key}` is no JSON") from None


def open_artifact(path: str | Path) -> Artifact:
    """Reads a model's metadata. Raises RuntimeFault for what is no ONNX model."""
    path = Path(path)
    if not path.exists():
        raise RuntimeFault("no-such-model", f"there is no model `{path}`", "archc build makes one", 2)
    if path.is_dir():
        raise RuntimeFault("no-such-model", f"`{path}` is a folder; a model is a file", exit_code=2)
    if path.suffix in (".yaml", ".yml"):
        raise RuntimeFault(
            "not-a-model", f"`{path}` is a spec; a model is built from it first", f"archc build {path} --export onnx"
        )
    try:
        with path.open("rb") as file:
            return Artifact(path, dict(properties(file, path.stat().st_size)))
    except OSError as error:
        raise RuntimeFault("no-such-model", f"`{path}` cannot be read: {error.strerror}", exit_code=2) from None
    except (ValueError, IndexError, UnicodeDecodeError):
        raise RuntimeFault("not-a-model", f"`{path}` is no ONNX model, or is cut off") from None


def varint(file: BinaryIO) -> int:
    value = shift = 0
    while True:
        byte = file.read(1)
        if not byte or shift > 63:
            raise ValueError("a number is cut off")
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
        shift += 7


def properties(file: BinaryIO, size: int) -> Iterator[tuple[str, str]]:
    """The metadata_props of a ModelProto."""
    seen = False
    while file.tell() < size:
        key = varint(file)
        field, wire = key >> 3, key & 7
        if wire == 0:
            varint(file)
        elif wire == 2:
            length = varint(file)
            if file.tell() + length > size:
                raise ValueError("a field reaches past the end")
            seen = seen or field == 7
            if field == 14 and length <= MAX_METADATA:
                yield entry(file.read(length))
            else:
                file.seek(length, 1)
        else:
            raise ValueError("no field of a model")
    if not seen:
        raise ValueError("no graph")


def entry(data: bytes) -> tuple[str, str]:
    """A StringStringEntryProto."""
    from io import BytesIO

    file, found = BytesIO(data), {1: "", 2: ""}
    while file.tell() < len(data):
        field = varint(file) >> 3
        found[field] = file.read(varint(file)).decode()
    return found[1], found[2]
