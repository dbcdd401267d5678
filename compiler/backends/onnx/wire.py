"""ONNX's protobuf messages as bytes, and a writer that streams tensors.

onnx.helper copies every weight about three times, and importing onnx costs more than writing GoogLeNet. The format is small
and stable, so the few messages that a model needs are written here: sizes are summed first, then tensors go from their
source to the file one at a time. Field numbers are those of onnx.proto; onnx's own checker reads the result in the proof.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from math import prod
from typing import Any, NamedTuple

from ...hashed_file import HashedFile
from ...ir.dtypes import DType


def encode_varint(n: int) -> bytes:
    """A number in as few bytes as hold it, seven bits each, the lowest first; a negative one as its two's complement of 64 bits."""
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def integer_field(field: int, value: int) -> bytes:
    """The field number and an integer."""
    return encode_varint(field << 3) + encode_varint(value)


def bytes_field(field: int, data: bytes) -> bytes:
    """The field number, the length, and the bytes: those of a text, of a message, or of packed numbers."""
    return encode_varint(field << 3 | 2) + encode_varint(len(data)) + data


def string_field(field: int, text: str) -> bytes:
    """The field number and a text in UTF-8."""
    # a file's name need not be UTF-8, protobuf's strings must
    return bytes_field(field, text.encode("utf-8", "replace"))


def encode_attribute(name: str, value: Any) -> bytes:
    """AttributeProto of an int, float, string, or a sequence of ints or floats."""
    if isinstance(value, int):
        body = integer_field(3, int(value)) + integer_field(20, 2)
    elif isinstance(value, float):
        body = encode_varint(2 << 3 | 5) + struct.pack("<f", value) + integer_field(20, 1)
    elif isinstance(value, str):
        body = string_field(4, value) + integer_field(20, 3)
    elif all(isinstance(v, int) for v in value):
        body = b"".join(integer_field(8, v) for v in value) + integer_field(20, 7)
    else:
        body = b"".join(encode_varint(7 << 3 | 5) + struct.pack("<f", v) for v in value) + integer_field(20, 6)
    return string_field(1, name) + body


def metadata_entry(key: str, value: str) -> bytes:
    """An entry of a ModelProto's metadata, a StringStringEntryProto."""
    return bytes_field(14, string_field(1, key) + string_field(2, value))


def more_outputs(names: Iterable[str]) -> bytes:
    """What stands behind the end of a model to make it give these values, too.

    protobuf merges what stands in a message twice, so a second graph, of outputs alone, adds them to the first; their types are left to
    onnxruntime.
    """
    return bytes_field(7, b"".join(bytes_field(12, string_field(1, name)) for name in names))


class NodeProto(NamedTuple):
    """A NodeProto with one output; `doc` is its doc_string, the place in the spec that it comes from."""

    op_type: str
    inputs: tuple[str, ...]
    output: str
    name: str
    attributes: dict[str, Any]
    doc: str

    def encode(self) -> bytes:
        """The message's bytes."""
        parts = [string_field(1, name) for name in self.inputs] + [
            string_field(2, self.output),
            string_field(3, self.name),
            string_field(4, self.op_type),
        ]
        parts += [bytes_field(5, encode_attribute(k, v)) for k, v in self.attributes.items()]
        return b"".join(parts) + (string_field(6, self.doc) if self.doc else b"")


class TensorProto(NamedTuple):
    """An initializer. `data` gives its bytes in blocks when they are written; `external` is the (file, offset) of bytes outside the model."""

    name: str
    shape: tuple[int, ...]
    dtype: DType
    data: Callable[[], Iterable[Any]]
    external: tuple[str, int] | None = None

    @property
    def size(self) -> int:
        """How many bytes its numbers have."""
        return self.dtype.size_bytes * prod(self.shape)

    def encode_header(self) -> bytes:
        """The message up to its raw data; all of it where the data is external."""
        dims = b"".join(integer_field(1, d) for d in self.shape)
        head = dims + integer_field(2, self.dtype.onnx) + string_field(8, self.name)
        if self.external is None:
            return head + encode_varint(9 << 3 | 2) + encode_varint(self.size)
        file, offset = self.external
        entries = (("location", file), ("offset", str(offset)), ("length", str(self.size)))
        return (
            head
            + b"".join(bytes_field(13, string_field(1, k) + string_field(2, v)) for k, v in entries)
            + integer_field(14, 1)
        )


def encode_value_info(name: str, shape: Iterable[int | str], dtype: DType) -> bytes:
    """ValueInfoProto of a tensor; a dimension is a number or a name."""
    dims = b"".join(bytes_field(1, string_field(2, d) if isinstance(d, str) else integer_field(1, d)) for d in shape)
    return string_field(1, name) + bytes_field(2, bytes_field(1, integer_field(1, dtype.onnx) + bytes_field(2, dims)))


class ModelProto(NamedTuple):
    """A ModelProto: small parts that are encoded already, and tensors that are streamed when it is written."""

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

    def write(self, file: HashedFile) -> None:
        """Writes the model; tensors without `external` stand inside.

        protobuf wants a message's size before its content, so sizes are added up first and no tensor is read for it.
        """
        before = b"".join(bytes_field(1, node.encode()) for node in self.nodes) + string_field(2, self.name)
        heads = [tensor.encode_header() for tensor in self.tensors]
        inside = [0 if t.external else t.size for t in self.tensors]
        openings = [
            encode_varint(5 << 3 | 2) + encode_varint(len(h) + n) + h for h, n in zip(heads, inside, strict=True)
        ]
        after = b"".join(
            bytes_field(f, v) for f, vs in ((11, self.inputs), (12, self.outputs), (13, self.values)) for v in vs
        )
        size = len(before) + sum(map(len, openings)) + sum(inside) + len(after)
        file.write(integer_field(1, self.ir) + string_field(2, self.producer) + string_field(3, self.version))
        file.write(encode_varint(7 << 3 | 2) + encode_varint(size) + before)
        for tensor, opening in zip(self.tensors, openings, strict=True):
            file.write(opening)
            if tensor.external is None:
                for block in tensor.data():
                    file.write(block)
        file.write(after + bytes_field(8, string_field(1, "") + integer_field(2, self.opset)))
        for key, value in self.metadata.items():
            file.write(metadata_entry(key, value))
