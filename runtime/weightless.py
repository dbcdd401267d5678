"""A model without its weights: what is left of a file says all that shapes depend on, and is small, however large the file is."""

from __future__ import annotations

from pathlib import Path

from .full_graph import MAX_NESTED
from .onnx_messages import LEADS, TENSOR
from .wire import BYTES, VARINT, WireReader

# a tensor of more bytes is no size that another node's shape depends on
MAX_SIZES = 4096
# fields of messages that say nothing about shapes: texts, functions, notes on training and on quantisation
UNRELATED = {"model": {6, 14, 20, 25}, "graph": {10, 14, 16}, "node": {6, 9, 10}, "attribute": {13}, "tensor": {12, 16}}


def without_weights(path: Path, most: int) -> bytes | None:
    """A model's file without what no shape depends on, weights above all; None where more than `most` bytes are left.

    Raises ValueError where the file is no model.
    """
    with path.open("rb") as file:
        reader = WireReader(file, path.stat().st_size)
        return copy_message(reader, reader.size, "model", Room(most))


class Room:
    """How many bytes may still be kept."""

    def __init__(self, left: int) -> None:
        self.left = left


def copy_message(reader: WireReader, end: int, kind: str, room: Room, depth: int = 0) -> bytes | None:
    """A message without texts, and without the contents of large tensors. None where there is no room for it."""
    if depth > 4 * MAX_NESTED:
        raise ValueError("nested too deep")
    is_large = kind == "tensor" and end - reader.at > MAX_SIZES
    parts: list[bytes] = []
    for field, wire, content in reader.walk(end, TENSOR):
        if field in UNRELATED.get(kind, ()) or (is_large and field not in (1, 2, 8)):
            continue
        if wire != BYTES:
            value = encode_varint(content) if wire == VARINT else reader.read(content)
            parts.append(encode_varint(field << 3 | wire) + value)
            continue
        inner = LEADS.get(kind, {}).get(field)
        if inner:
            copied = copy_message(reader, reader.end(content), inner, room, depth + 1)
        else:
            room.left -= content
            copied = reader.read(content) if room.left >= 0 else None
        if copied is None:
            return None
        parts.append(encode_varint(field << 3 | BYTES) + encode_varint(len(copied)) + copied)
    return b"".join(parts)


def encode_varint(value: int) -> bytes:
    """A number as protobuf writes it, seven bits a byte, the lowest first."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
