"""A model's graph with all that a picture of it tells: every node with its attributes, and what the file says of shapes.

The outline (outline.py) is what archc needs to run a model, and leaves the rest of a model from elsewhere unread. Both read by
the same walk over the file, without onnx and without weights. Here nothing that is strange in a file is a reason to refuse it, as long as
it can be read.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .faults import RuntimeFault
from .onnx_messages import ATTRIBUTE, GRAPH, NODE, TENSOR
from .outline import MAX_PARTS, Shape, read_notes, read_pair, read_port, signed
from .refusals import describe_other_file
from .wire import BYTES, FIXED32, VARINT, WireReader

# characters of a name that are kept; a longer one is cut in its middle
MAX_NAME = 400
MAX_ATTRIBUTES = 100
# numbers of an attribute; more are a table, and no picture shows it
MAX_NUMBERS = 64
# of graphs in nodes: what deeper ones read is not followed
MAX_NESTED = 20
# torch's exporter says there which modules a node is in
SCOPES = "pkg.torch.onnx.name_scopes"


class WeightHeader(NamedTuple):
    """What is known of a constant: ONNX's number of its element type, and its shape."""

    dtype: int
    shape: tuple[int, ...]


class FullNode(NamedTuple):
    """A node. `attributes` are the numbers, texts and tuples of numbers; `captured` are the values that graphs inside it read from
    around it, `graphs` how many nodes each of them has. `scopes` is the text in which torch's exporter tells modules; empty where there
    is none.
    """

    name: str
    kind: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    captured: tuple[str, ...] = ()
    graphs: tuple[int, ...] = ()
    scopes: str = ""


class FullGraph:
    """A graph: its inputs without weights, its outputs, its nodes in the order of the file, and its constants.

    `shapes` has the shape of each value of which the file says one, `dtypes` ONNX's number of its element type.
    """

    def __init__(self) -> None:
        self.producer = ""
        self.metadata: dict[str, str] = {}
        self.opsets: dict[str, int] = {}
        self.inputs: list[str] = []
        self.outputs: list[str] = []
        self.nodes: list[FullNode] = []
        self.constants: dict[str, WeightHeader] = {}
        self.shapes: dict[str, Shape] = {}
        self.dtypes: dict[str, int] = {}


class Inside(NamedTuple):
    """What a graph inside a node reads from around it, and how many nodes it has."""

    captured: tuple[str, ...]
    nodes: int


def read_model(path: Path) -> FullGraph:
    """The graph of a model's file. Raises RuntimeFault `not-a-model` for what is none, `no-such-model` where it cannot be read."""
    try:
        with path.open("rb") as file:
            return read_full_graph(WireReader(file, path.stat().st_size))
    except OSError as error:
        raise RuntimeFault("no-such-model", f"`{path}` cannot be read: {error.strerror}", exit_code=2) from None
    except ValueError as error:
        why = "a text in it is no UTF-8" if isinstance(error, UnicodeError) else str(error)
        raise describe_other_file(path, why) from None


def read_full_graph(reader: WireReader) -> FullGraph:
    """The graph of a ModelProto. Raises ValueError where the file is no model."""
    found = FullGraph()
    notes = read_notes(reader, lambda end: read_graph(reader, end, found))
    found.producer, found.opsets, found.metadata = notes
    found.inputs = [name for name in dict.fromkeys(found.inputs) if name not in found.constants]
    return found


def read_graph(reader: WireReader, end: int, found: FullGraph) -> None:
    """Reads a GraphProto into `found`: field 1 is a node, 5 a weight, 15 a sparse one, 11 an input, 12 an output, 13 a value between."""
    parts = 0
    for field, wire, length in reader.walk(end, GRAPH):
        if wire != BYTES:
            continue
        parts += field in (1, 5, 11, 12, 13)
        if parts > 2 * MAX_PARTS:
            raise ValueError("too many nodes and weights")
        inside = reader.end(length)
        if field == 1:
            node, constant = read_node(reader, inside, 0)
            if constant is not None and node.outputs:
                found.constants[node.outputs[0]] = constant
            else:
                found.nodes.append(node)
        elif field in (5, 15):
            name, header = read_tensor(reader, inside) if field == 5 else read_sparse(reader, inside)
            found.constants[name] = header
        elif field in (11, 12, 13):
            name, dtype, shape = read_port(reader, inside)
            found.inputs += [name] * (field == 11)
            found.outputs += [name] * (field == 12)
            found.dtypes[name] = dtype
            if shape is not None:
                found.shapes[name] = shape


def read_node(reader: WireReader, end: int, depth: int) -> tuple[FullNode, WeightHeader | None]:
    """Reads a NodeProto, and what it holds if it is a constant: field 1 is an input, 2 an output, 3 the name, 4 the operator, 5 an
    attribute, 7 the domain, 9 a note.
    """
    inputs: list[str] = []
    outputs: list[str] = []
    attributes: dict[str, Any] = {}
    texts = {3: "", 4: "", 7: ""}
    scopes = ""
    for field, wire, length in reader.walk(end, NODE):
        if wire != BYTES:
            continue
        if field in (1, 2):
            (inputs if field == 1 else outputs).append(reader.text(length))
        elif field in texts:
            texts[field] = reader.text(length)
        elif field == 5 and len(attributes) < MAX_ATTRIBUTES:
            key, value = read_attribute(reader, reader.end(length), depth)
            attributes[key] = value
        elif field == 9:
            scopes = read_scopes(reader, length) or scopes
    constant = find_constant(texts[4], attributes)
    inner = [each for each in attributes.values() if isinstance(each, Inside)]
    captured = tuple(dict.fromkeys(name for each in inner for name in each.captured))
    plain = {
        key: value for key, value in attributes.items() if not isinstance(value, (Inside, WeightHeader, type(None)))
    }
    node = FullNode(texts[3], texts[4], texts[7], tuple(inputs), tuple(outputs), plain, captured, tuple(each.nodes for each in inner),
                    scopes)  # fmt: skip
    return node, constant


def read_scopes(reader: WireReader, length: int) -> str:
    """The text in which torch tells a node's modules, if this note is it; else an empty one."""
    after = reader.end(length)
    if length > MAX_NAME * 40:
        return ""
    try:
        key, value = read_pair(reader, after, length)
    except UnicodeError:
        return ""
    return value if key == SCOPES else ""


def find_constant(kind: str, attributes: Mapping[str, Any]) -> WeightHeader | None:
    """What a Constant node holds; None for any other node."""
    if kind != "Constant":
        return None
    for value in attributes.values():
        if isinstance(value, WeightHeader):
            return value
        if isinstance(value, tuple):
            return WeightHeader(0, (len(value),))
    return WeightHeader(0, ())


def read_attribute(reader: WireReader, end: int, depth: int) -> tuple[str, Any]:
    """The name and the value of an AttributeProto: a number, a text, a tuple of numbers, the header of a tensor, what a graph reads;
    None for any other, and for a tuple that is too long.

    Field 2 is a float, 3 an int, 4 a text, 5 a tensor, 6 a graph, 7 floats, 8 ints.
    """
    name = ""
    value: Any = None
    numbers: list[Any] = []
    for field, wire, content in reader.walk(end, ATTRIBUTE):
        if field == 1 and wire == BYTES:
            name = reader.text(content)
        elif field == 3 and wire == VARINT:
            value = signed(content)
        elif field == 2 and wire == FIXED32:
            value = struct.unpack("<f", reader.read(4))[0]
        elif field == 4 and wire == BYTES and content <= MAX_NAME:
            value = reader.read(content).decode("utf-8", "replace")
        elif field == 5 and wire == BYTES:
            value = read_tensor(reader, reader.end(content))[1]
        elif field == 6 and wire == BYTES:
            value = read_inside(reader, reader.end(content), depth + 1)
        elif field == 8:
            numbers += read_integers(reader, wire, content)
        elif field == 7 and wire == FIXED32:
            numbers.append(struct.unpack("<f", reader.read(4))[0])
        elif field == 7 and wire == BYTES and content <= 4 * MAX_NUMBERS:
            numbers += struct.unpack(f"<{content // 4}f", reader.read(content // 4 * 4))
        del numbers[MAX_NUMBERS + 1 :]
    if numbers:
        value = tuple(numbers) if len(numbers) <= MAX_NUMBERS else None
    return name, value


def read_integers(reader: WireReader, wire: int, content: int) -> list[int]:
    """One integer of a repeated field, or all of them where they are packed into one; none where these are very many."""
    if wire == VARINT:
        return [signed(content)]
    if wire != BYTES or content > 10 * MAX_NUMBERS:
        return []
    end, found = reader.end(content), []
    while reader.at < end:
        found.append(signed(reader.varint()))
    return found


def read_inside(reader: WireReader, end: int, depth: int) -> Inside:
    """What a GraphProto in a node reads from around it. Raises ValueError where graphs nest too deep."""
    if depth > MAX_NESTED:
        raise ValueError("graphs in graphs, nested too deep")
    known: set[str] = set()
    read: dict[str, None] = {}
    nodes = 0
    for field, wire, length in reader.walk(end, GRAPH):
        if wire != BYTES:
            continue
        inside = reader.end(length)
        if field == 1:
            node, _ = read_node(reader, inside, depth)
            nodes += 1
            known.update(node.outputs)
            read.update(dict.fromkeys((*node.inputs, *node.captured)))
        elif field in (5, 15):
            known.add((read_tensor if field == 5 else read_sparse)(reader, inside)[0])
        elif field == 11:
            known.add(read_port(reader, inside)[0])
        elif field == 12:
            # a graph may give on what is around it
            read[read_port(reader, inside)[0]] = None
    return Inside(tuple(name for name in read if name and name not in known), nodes)


def read_tensor(reader: WireReader, end: int) -> tuple[str, WeightHeader]:
    """The name and the header of a TensorProto: field 1 is a size, 2 the element type, 8 the name."""
    name, dtype = "", 0
    shape: list[int] = []
    for field, wire, content in reader.walk(end, TENSOR):
        if field == 1:
            shape += read_integers(reader, wire, content)
        elif field == 2 and wire == VARINT:
            dtype = content
        elif field == 8 and wire == BYTES:
            name = reader.text(content)
    return name, WeightHeader(dtype, tuple(shape))


def read_sparse(reader: WireReader, end: int) -> tuple[str, WeightHeader]:
    """The name of a SparseTensorProto, which is that of its values (field 1), with the sizes of the whole (field 3)."""
    name, dtype = "", 0
    shape: list[int] = []
    for field, wire, content in reader.walk(end, TENSOR):
        if field == 1 and wire == BYTES:
            name, (dtype, _) = read_tensor(reader, reader.end(content))
        elif field == 3:
            shape += read_integers(reader, wire, content)
    return name, WeightHeader(dtype, tuple(shape))


def shorten_name(name: str) -> str:
    """A name, without its middle where it is very long."""
    half = MAX_NAME // 2
    return name if len(name) <= MAX_NAME else f"{name[:half]}…{name[-half:]}"
