"""The outline of a model: its nodes, ports and the headers of its weights, read in one walk over the file without onnx.

The walk knows the fields that archc writes, and says which is the first that it does not (`Outline.surprise`): trust.py asks for it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .onnx_messages import (
    ATTRIBUTE,
    DIMENSION,
    GRAPH,
    LEADS,
    MODEL,
    NODE,
    OPSET,
    PAIR,
    PORT,
    SHAPE,
    TENSOR,
    TENSOR_TYPE,
    TYPE,
)
from .wire import BYTES, FIXED32, VARINT, WireReader

MAX_METADATA = 64 * 2**20
MAX_PAIRS = 10_000
# a longer node is a Constant with a tensor inside, which is not needed here
MAX_NODE = 2**20
# nodes, weights and ports together: a file of a few bytes each would fill the memory
MAX_PARTS = 500_000
# bytes of a weight that are kept: sizes, pads and scales have less
MAX_CONTENT = 256
# other exporters write whole stack traces where archc writes a place in a spec
MAX_PLACE = 1000
PLACE = re.compile(r"[^\n]+:\d+")
# bytes of a producer's name that are kept, as people read it
MAX_PRODUCER = 80
PASS_THROUGH = ("Identity", "Flatten", "Reshape", "Squeeze", "Cast")

Dimension = int | str | None
Shape = tuple[Dimension, ...]


class OutlineNode(NamedTuple):
    """A node: its name, operator, inputs, outputs, and the attributes that are numbers, texts or tuples of numbers.

    `place` is where in a spec it comes from, `file:line`, as archc writes it; empty where the file says none.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    place: str = ""


class Tensor(NamedTuple):
    """The header of a weight: ONNX's number of its element type, and its shape.

    `size_bytes` is how many bytes it has in the model; `content` are these, where they are few. `external` has where they lie, if not
    in the model: the strings `location`, `offset` and `length`.
    """

    dtype: int
    shape: tuple[int, ...]
    size_bytes: int
    content: bytes
    external: Mapping[str, str]


class Outline:
    """A graph without its weights: inputs and outputs with their shapes, the `nodes` in their order, and the headers of the `weights`.

    `producers` has for each value the node that makes it. `unranked` are the inputs and outputs of which the file says no shape; in
    `inputs` and `outputs` theirs is empty, as a single number's; `port_types` are ONNX's numbers of their element types, `input_types` those of
    the inputs by name. `opsets` are the versions by domain. `producer` is what
    made the file and its version, as the file says; empty where it says nothing. `surprise` is the first thing in the file that archc
    does not write, empty where there is none.
    """

    def __init__(self) -> None:
        self.inputs: dict[str, Shape] = {}
        self.outputs: dict[str, Shape] = {}
        self.nodes: list[OutlineNode] = []
        self.producers: dict[str, OutlineNode] = {}
        self.weights: dict[str, Tensor] = {}
        self.unranked: set[str] = set()
        self.port_types: set[int] = set()
        self.input_types: dict[str, int] = {}
        self.opsets: dict[str, int] = {}
        self.producer = ""
        self.surprise = ""

    def computed_from(self, value: str) -> tuple[str, tuple[str, ...]]:
        """The operator that makes a value, and its inputs but for weights and constants; an empty operator where none does."""
        node = self.producers.get(value)
        if node is None:
            return "", ()
        return node.kind, tuple(each for each in node.inputs if each and not self.is_constant(each))

    def is_constant(self, value: str) -> bool:
        """Whether a value is a weight, or a constant, or one of these in another form."""
        for _ in range(16):
            node = self.producers.get(value)
            if value in self.weights or (node and node.kind == "Constant"):
                return True
            if node is None or node.kind not in (*PASS_THROUGH, "DequantizeLinear") or not node.inputs:
                return False
            value = node.inputs[0]
        return False


class ModelNotes(NamedTuple):
    """What a ModelProto says beside its graph: what made it, the opsets by domain, and its metadata."""

    producer: str
    opsets: dict[str, int]
    metadata: dict[str, str]


def read_outline(reader: WireReader) -> tuple[Outline, dict[str, str]]:
    """The outline of a ModelProto, and its metadata. Raises ValueError where the file is no model."""
    outline = Outline()
    notes = read_notes(reader, lambda end: read_graph(reader, end, outline))
    outline.producer, outline.opsets = notes.producer, notes.opsets
    outline.surprise = outline.surprise or reader.surprise
    return outline, notes.metadata


def read_notes(reader: WireReader, read_graph_to: Callable[[int], None]) -> ModelNotes:
    """Reads a ModelProto; `read_graph_to` reads its graph up to an end. Raises ValueError where the file is no model."""
    producer = ""
    opsets: dict[str, int] = {}
    metadata: dict[str, str] = {}
    graphs = read = 0
    for field, wire, length in reader.walk(reader.size, MODEL):
        if wire != BYTES:
            continue
        if field in (2, 3):
            made_by = reader.read(min(length, MAX_PRODUCER)).decode(errors="replace")
            producer = f"{producer} {made_by}".strip()[:MAX_PRODUCER]
        elif field == 7:
            graphs += 1
            read_graph_to(reader.end(length))
        elif field == 8:
            domain, version = read_opset(reader, reader.end(length))
            opsets[domain] = version
        elif field == 14:
            read += length
            if read > MAX_METADATA or len(metadata) > MAX_PAIRS:
                raise ValueError("too much metadata")
            key, value = read_pair(reader, reader.end(length), MAX_METADATA)
            metadata[key] = value
    if not graphs:
        raise ValueError("no graph")
    return ModelNotes(producer, opsets, metadata)


# protobuf's own
MAX_DEPTH = 100


def find_external(reader: WireReader, end: int, message: str = "model", depth: int = 0) -> set[str]:
    """The names of all files outside a model that it names, wherever in it that is. Raises ValueError where it is no model."""
    found: set[str] = set()
    if depth > MAX_DEPTH:
        raise ValueError("nested too deep")
    for field, wire, length in reader.walk(end, TENSOR):
        if wire != BYTES:
            continue
        if message == "tensor" and field == 13:
            key, value = read_pair(reader, reader.end(length), MAX_NODE)
            found |= {value} if key == "location" else set()
        elif field in LEADS.get(message, {}):
            found |= find_external(reader, reader.end(length), LEADS[message][field], depth + 1)
    return found


def read_graph(reader: WireReader, end: int, outline: Outline) -> None:
    """Reads a GraphProto into `outline`: field 1 is a node, 5 a weight, 11 an input, 12 an output, 13 a value between."""
    parts = 0
    for field, wire, length in reader.walk(end, GRAPH):
        if wire != BYTES:
            continue
        parts += field in (1, 5, 11, 12)
        if parts > MAX_PARTS:
            raise ValueError("too many nodes and weights")
        inside = reader.end(length)
        if field == 1 and length <= MAX_NODE:
            node = read_node(reader, inside)
            outline.nodes.append(node)
            for name in node.outputs:
                outline.surprise = outline.surprise or repeated_name(name, outline)
                outline.producers[name] = node
        elif field == 1:
            outline.surprise = outline.surprise or f"a node of {length} bytes"
        elif field == 5:
            name, tensor = read_tensor(reader, inside)
            outline.surprise = outline.surprise or repeated_name(name, outline)
            outline.weights[name] = tensor
        elif field in (11, 12, 13):
            name, dtype, shape = read_port(reader, inside)
            if field == 13:
                continue
            outline.port_types.add(dtype)
            if field == 11:
                outline.input_types[name] = dtype
            ports = outline.inputs if field == 11 else outline.outputs
            if name in ports or (field == 11 and name in outline.producers):
                outline.surprise = outline.surprise or f"two values called {name!r}"
            ports[name] = shape or ()
            if shape is None:
                outline.unranked.add(name)


def repeated_name(name: str, outline: Outline) -> str:
    """What is surprising in the name of a new value: that another has it; empty where none has."""
    taken = name in outline.producers or name in outline.weights or name in outline.inputs
    return f"two values called {name!r}" if taken else ""


def read_opset(reader: WireReader, end: int) -> tuple[str, int]:
    """The domain and the version of an OperatorSetIdProto."""
    domain, version = "", 0
    for field, wire, value in reader.walk(end, OPSET):
        if field == 1 and wire == BYTES:
            domain = reader.text(value)
        elif field == 2 and wire == VARINT:
            version = value
    return domain, version


def read_pair(reader: WireReader, end: int, limit: int) -> tuple[str, str]:
    """The key and the value of a StringStringEntryProto."""
    key = value = ""
    for field, wire, length in reader.walk(end, PAIR):
        if wire == BYTES and field == 1:
            key = reader.text(length, limit)
        elif wire == BYTES and field == 2:
            value = reader.text(length, limit)
    return key, value


def read_node(reader: WireReader, end: int) -> OutlineNode:
    """Reads a NodeProto: field 1 is an input, 2 an output, 3 the name, 4 the operator, 5 an attribute, 6 a text.

    The attributes are read only while nothing in the file surprises: nobody asks for those of a model from elsewhere.
    """
    inputs: list[str] = []
    outputs: list[str] = []
    attributes: dict[str, Any] = {}
    name = kind = place = ""
    for field, wire, length in reader.walk(end, NODE):
        if wire != BYTES:
            continue
        if field == 1:
            inputs.append(reader.text(length))
        elif field == 2:
            outputs.append(reader.text(length))
        elif field == 3:
            name = reader.text(length)
        elif field == 4:
            kind = reader.text(length)
        elif field == 6 and length <= MAX_PLACE:
            place = reader.read(length).decode("utf-8", "replace")
        elif field == 5 and not reader.surprise:
            key, value = read_attribute(reader, reader.end(length))
            if key in attributes:
                reader.surprise = f"an attribute {key!r} that stands there twice"
            attributes[key] = value
    place = place if PLACE.fullmatch(place) else ""
    return OutlineNode(name, kind, tuple(inputs), tuple(outputs), attributes, place)


def read_attribute(reader: WireReader, end: int) -> tuple[str, Any]:
    """The name and the value of an AttributeProto: field 2 is a float, 3 an int, 4 a text, 7 floats, 8 ints, 20 which of them it is."""
    name, kind = "", 0
    found: dict[int, Any] = {}
    for field, wire, value in reader.walk(end, ATTRIBUTE):
        if field == 1 and wire == BYTES:
            name = reader.text(value)
        elif field == 20 and wire == VARINT:
            kind = value
        elif field == 3 and wire == VARINT:
            found[2] = signed(value)
        elif field == 8 and wire == VARINT:
            found.setdefault(7, []).append(signed(value))
        elif field == 2 and wire == FIXED32:
            found[1] = struct.unpack("<f", reader.read(4))[0]
        elif field == 7 and wire == FIXED32:
            found.setdefault(6, []).append(struct.unpack("<f", reader.read(4))[0])
        elif field == 4 and wire == BYTES:
            found[3] = reader.text(value)
    if [*found] != [kind]:
        reader.surprise = reader.surprise or f"an attribute {name!r} without its one value"
    told = found.get(kind)
    return name, tuple(told) if isinstance(told, list) else told


def signed(value: int) -> int:
    """A varint as the number of 64 bits with a sign that it stands for."""
    return value - (value >> 63 << 64)


def read_tensor(reader: WireReader, end: int) -> tuple[str, Tensor]:
    """The name and the header of a TensorProto: field 1 is a size, 2 the element type, 9 the bytes, 13 an entry of where they lie."""
    name, dtype, size, content = "", 0, 0, b""
    shape: list[int] = []
    external: dict[str, str] = {}
    for field, wire, value in reader.walk(end, TENSOR):
        if field == 1 and wire == VARINT:
            shape.append(signed(value))
        elif field == 2 and wire == VARINT:
            dtype = value
        elif field == 8 and wire == BYTES:
            name = reader.text(value)
        elif field == 9 and wire == BYTES:
            size, content = value, reader.read(value) if value <= MAX_CONTENT else b""
        elif field == 13 and wire == BYTES:
            key, told = read_pair(reader, reader.end(value), MAX_NODE)
            external[key] = told
    return name, Tensor(dtype, tuple(shape), size, content, external)


def read_port(reader: WireReader, end: int) -> tuple[str, int, Shape | None]:
    """The name, element type and shape of a ValueInfoProto; None where it has no shape, so that any number of dimensions may come.

    Field 1 is the name, 2 the type; in the type field 1 is a tensor's; in that field 1 is the element type, 2 the shape.
    """
    name, dtype, sizes = "", 0, None
    for field, wire, length in reader.walk(end, PORT):
        if wire == BYTES and field == 1:
            name = reader.text(length)
        elif wire == BYTES and field == 2:
            for inner, inner_wire, size in reader.walk(reader.end(length), TYPE):
                if inner_wire == BYTES and inner == 1:
                    dtype, sizes = read_tensor_type(reader, reader.end(size), sizes)
    return name, dtype, None if sizes is None else tuple(sizes)


def read_tensor_type(reader: WireReader, end: int, sizes: list[Dimension] | None) -> tuple[int, list[Dimension] | None]:
    """The element type in a tensor's type, and the sizes behind those that are known, `sizes`; None where it has no shape."""
    dtype = 0
    for field, wire, length in reader.walk(end, TENSOR_TYPE):
        if wire == VARINT and field == 1:
            dtype = length
        elif wire == BYTES and field == 2:
            sizes = [] if sizes is None else sizes
            for inner, inner_wire, size in reader.walk(reader.end(length), SHAPE):
                if inner_wire == BYTES and inner == 1:
                    sizes.append(read_dimension(reader, reader.end(size)))
    return dtype, sizes


def read_dimension(reader: WireReader, end: int) -> Dimension:
    """A dimension: field 1 is a number, 2 a name; None where it has neither."""
    found: Dimension = None
    for field, wire, content in reader.walk(end, DIMENSION):
        if field == 1 and wire == VARINT:
            found = signed(content)
        elif field == 2 and wire == BYTES:
            found = reader.text(content)
    return found
