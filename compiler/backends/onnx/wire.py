"""ONNX's protobuf messages as bytes, and a writer that streams tensors.

onnx.helper copies every weight about three times, and importing onnx costs more than writing GoogLeNet. The format is small
and stable, so the few messages that a model needs are written here: sizes are summed first, then tensors go from their
source to the file one at a time. Field numbers are those of onnx.proto; onnx's own checker reads the result in the proof.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from math import prod
from typing import Any, BinaryIO, NamedTuple

from ...ir.dtypes import DType


def varint(n: int) -> bytes:
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def integer(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def block(field: int, data: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(data)) + data


def string(field: int, text: str) -> bytes:
    return block(field, text.encode("utf-8", "replace"))  # a file's name need not be UTF-8, protobuf's strings must


def attribute(name: str, value: Any) -> bytes:
    """AttributeProto of an int, float, string, or a sequence of ints or floats."""
    if isinstance(value, int):
        body = integer(3, int(value)) + integer(20, 2)
    elif isinstance(value, float):
        body = varint(2 << 3 | 5) + struct.pack("<f", value) + integer(20, 1)
    elif isinstance(value, str):
        body = string(4, value) + integer(20, 3)
    elif all(isinstance(v, int) for v in value):
        body = b"".join(integer(8, v) for v in value) + integer(20, 7)
    else:
        body = b"".join(varint(7 << 3 | 5) + struct.pack("<f", v) for v in value) + integer(20, 6)
    return string(1, name) + body


class NodeProto(NamedTuple):
    """One node of the file, with one output."""

    op_type: str
    inputs: tuple[str, ...]
    output: str
    name: str
    attributes: dict[str, Any]
    doc: str

    def encode(self) -> bytes:
        parts = [string(1, name) for name in self.inputs] + [
            string(2, self.output),
            string(3, self.name),
            string(4, self.op_type),
        ]
        parts += [block(5, attribute(k, v)) for k, v in self.attributes.items()]
        return b"".join(parts) + (string(6, self.doc) if self.doc else b"")


class TensorProto(NamedTuple):
    """An initializer whose bytes are asked for when they are written. `external`: (file, offset) instead of inside."""

    name: str
    shape: tuple[int, ...]
    dtype: DType
    data: Callable[[], Any]
    external: tuple[str, int] | None = None

    @property
    def size(self) -> int:
        return self.dtype.size_bytes * prod(self.shape)

    def head(self) -> bytes:
        """TensorProto up to its raw data."""
        dims = b"".join(integer(1, d) for d in self.shape)
        head = dims + integer(2, self.dtype.onnx) + string(8, self.name)
        if self.external is None:
            return head + varint(9 << 3 | 2) + varint(self.size)
        file, offset = self.external
        entries = (("location", file), ("offset", str(offset)), ("length", str(self.size)))
        return head + b"".join(block(13, string(1, k) + string(2, v)) for k, v in entries) + integer(14, 1)


def value_info(name: str, shape: Iterable[int | str], dtype: DType) -> bytes:
    dims = b"".join(block(1, string(2, d) if isinstance(d, str) else integer(1, d)) for d in shape)
    return string(1, name) + block(2, block(1, integer(1, dtype.onnx) + block(2, dims)))


class ModelProto(NamedTuple):
    """A ModelProto: encoded small parts, and tensors that are streamed."""

    name: str
    nodes: list[NodeProto]
    tensors: list[TensorProto]
    inputs: list[bytes]
    outputs: list[bytes]
    values: list[bytes]
    ir: int
    opset: int
    producer: str
    version: str
    metadata: dict[str, str]

    def write(self, file: BinaryIO) -> None:
        """Writes the model; tensors without `external` stand inside."""
        before = b"".join(block(1, node.encode()) for node in self.nodes) + string(2, self.name)
        heads = [tensor.head() for tensor in self.tensors]
        inside = [0 if t.external else t.size for t in self.tensors]
        openings = [varint(5 << 3 | 2) + varint(len(h) + n) + h for h, n in zip(heads, inside, strict=True)]
        after = b"".join(
            block(f, v) for f, vs in ((11, self.inputs), (12, self.outputs), (13, self.values)) for v in vs
        )
        size = len(before) + sum(map(len, openings)) + sum(inside) + len(after)
        file.write(integer(1, self.ir) + string(2, self.producer) + string(3, self.version))
        file.write(varint(7 << 3 | 2) + varint(size) + before)
        for tensor, opening in zip(self.tensors, openings, strict=True):
            file.write(opening)
            if tensor.external is None:
                file.write(tensor.data())
        file.write(after + block(8, string(1, "") + integer(2, self.opset)))
        for key, value in self.metadata.items():
            file.write(block(14, string(1, key) + string(2, value)))
