"""The seal of a file: its last entry of metadata, the SHA-256 of all bytes before it.

It finds what damages a file, in its nodes, its tensors or its facts: one flipped bit is enough. It is no signature: who changes a
file on purpose can seal it anew. The digest is known when the bytes are written, so nothing is read for it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from . import wire

KEY = "archc.sha256"


def encode_seal(sha256: str) -> bytes:
    """The entry of a ModelProto's metadata that holds the digest, 64 hexadecimal digits."""
    return wire.metadata_entry(KEY, sha256)


SEAL_BYTES = len(encode_seal("0" * 64))


def has_seal(path: Path) -> bool:
    """Whether a file ends in a seal, whatever digest that holds. Raises OSError where it cannot be read."""
    return read_seal(path)[: -len("0" * 64)] == encode_seal("0" * 64)[: -len("0" * 64)]


def seal_holds(path: Path) -> bool:
    """Whether all bytes before the seal are those that were written. It reads the whole file, a piece at a time."""
    digest, left = hashlib.sha256(), path.stat().st_size - SEAL_BYTES
    with path.open("rb") as file:
        while left > 0 and (piece := file.read(min(left, 2**20))):
            digest.update(piece)
            left -= len(piece)
    return read_seal(path) == encode_seal(digest.hexdigest())


def read_seal(path: Path) -> bytes:
    """The last bytes of a file, as many as a seal has."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - SEAL_BYTES))
        return file.read()
