"""A model's metadata and the outline of its graph, read from the file without onnx and without its weights.

The reader walks the protobuf fields of a ModelProto and of its graph and skips what is large, so a model of any size costs little.
A model may come from anywhere: every length is checked against the bytes that are there, every total has a limit, and a file that
does not fit is refused by a RuntimeFault.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from .faults import RuntimeFault
from .formats import SIGNATURES

MAX_METADATA = 64 * 2**20
MAX_FIELDS = 2_000_000
MAX_NODE = 2**20  # a longer node is a Constant with a tensor inside, which is not needed here

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
PASS_THROUGH = ("Identity", "Flatten", "Reshape", "Squeeze", "Cast")
# ONNX's operators that have a weight a class, and those that leave such scores what they are
WEIGHTED = ("Gemm", "MatMul", "Conv", "QLinearMatMul", "QLinearConv", "QGemm", "MatMulInteger", "ConvInteger")
SCORES_STAY = (*PASS_THROUGH, "Dropout", "GlobalAveragePool", "ReduceMean", "DequantizeLinear", "QuantizeLinear", "Add")
POOLS = ("GlobalAveragePool", "ReduceMean")

Shape = tuple[int | str | None, ...]


class Artifact:
    """A model file with its metadata and the outline of its graph; a model that archc did not build has no metadata."""

    def __init__(self, path: Path, metadata: Mapping[str, str], graph: Outline | None = None) -> None:
        self.path = path
        self.metadata = metadata
        self.graph = graph or Outline()

    @property
    def name(self) -> str:
        return self.metadata.get("archc.name", self.path.stem)

    @property
    def version(self) -> str | None:
        """The version of archc that built it; None for a model from elsewhere."""
        return self.metadata.get("archc.version")

    @property
    def graph_text(self) -> str | None:
        """The text of the graph that it was built from; None where it has none. Older models call it `archc.spec`."""
        return self.metadata.get("archc.graph", self.metadata.get("archc.spec"))

    @property
    def spec_sha256(self) -> str | None:
        return self.metadata.get("archc.spec_sha256")

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(str(label) for label in self.read_json("archc.labels", list) or ())

    @property
    def scores(self) -> tuple[str, ...] | None:
        """The outputs that tell classes, as the compiler found; None for a model from elsewhere, and one of an older archc."""
        names = self.read_json("archc.scores", list)
        return None if names is None else tuple(map(str, names))

    @property
    def preprocess(self) -> dict[str, Any]:
        return dict(self.read_json("archc.preprocess", dict) or {})

    @property
    def trained(self) -> bool:
        """Whether its weights came from a checkpoint; a model that archc did not build counts as trained."""
        return bool((self.read_json("archc.weights", dict) or {"trained": True}).get("trained"))

    @property
    def untrained(self) -> tuple[str, ...]:
        """The steps without trained weights, where other steps have them."""
        steps = (self.read_json("archc.weights", dict) or {}).get("untrained")
        return tuple(str(step) for step in steps) if isinstance(steps, list) else ()

    def describe_untrained(self) -> str:
        """What is untrained, for a message; empty where the model is trained."""
        if self.trained:
            return ""
        how = f"with untrained steps ({', '.join(self.untrained)})" if self.untrained else "without trained weights"
        return f"{self.name} was built {how}; its answers mean nothing"

    @property
    def inputs(self) -> dict[str, Shape]:
        """The shapes of the inputs by name, without weights; a dimension is a number, a name, or None where it is open."""
        return {name: shape for name, shape in self.graph.inputs.items() if name not in self.graph.weights}

    @property
    def outputs(self) -> dict[str, Shape]:
        return self.graph.outputs

    def read_json(self, key: str, kind: type) -> Any:
        """A JSON value of the metadata, of the type `kind`; None where it is absent or null. Raises RuntimeFault for any other."""
        try:
            value = json.loads(self.metadata[key]) if key in self.metadata else None
        except (ValueError, RecursionError):
            raise RuntimeFault("model-damaged", f"{self.path}: the metadata `{key}` is no JSON") from None
        if value is not None and not isinstance(value, kind):
            raise RuntimeFault("model-damaged", f"{self.path}: the metadata `{key}` is no JSON {kind.__name__}")
        return value

    def is_distribution(self, output: str) -> bool:
        """Whether the `output` is probabilities already, so that it needs no softmax.

        The metadata says so; for a model from elsewhere a Softmax must have made it.
        """
        if output in (self.read_json("archc.probabilities", list) or ()):
            return True
        for _ in range(16):
            kind, sources = self.graph.computed_from(output)
            if kind not in PASS_THROUGH:
                return kind == "Softmax"
            output = sources[0] if sources else ""
        return False

    def ends_in_scores(self, output: str) -> bool:
        """Whether the graph of a model from elsewhere ends in a softmax, or in a layer with a weight a class.

        Behind that layer nothing may come that makes features of scores; a Relu only where the map is averaged after it, as in
        network in network.
        """
        pooled = False
        for _ in range(16):
            kind, sources = self.graph.computed_from(output)
            if kind in WEIGHTED or kind in ("Softmax", "LogSoftmax"):
                return True
            if not sources or (kind not in SCORES_STAY and not (kind == "Relu" and pooled)):
                return False
            if kind in ("Add", "Relu"):
                return all(self.graph.computed_from(source)[0] in WEIGHTED for source in sources)
            pooled = pooled or kind in POOLS
            output = sources[0]
        return False


class Outline:
    """A graph without its weights: inputs and outputs with their shapes, and the names of the `weights`.

    `producers` has for each value the operator of the node that makes it, and that node's inputs. `unranked` are the inputs and
    outputs of which the file says no shape; in `inputs` and `outputs` theirs is empty, as a single number's.
    """

    def __init__(self) -> None:
        self.inputs: dict[str, Shape] = {}
        self.outputs: dict[str, Shape] = {}
        self.producers: dict[str, tuple[str, tuple[str, ...]]] = {}
        self.weights: set[str] = set()
        self.unranked: set[str] = set()

    def computed_from(self, value: str) -> tuple[str, tuple[str, ...]]:
        """The operator that makes a value, and its inputs but for weights and constants; an empty operator where none does."""
        kind, inputs = self.producers.get(value, ("", ()))
        return kind, tuple(each for each in inputs if each and not self.is_constant(each))

    def is_constant(self, value: str) -> bool:
        """Whether a value is a weight, or a constant, or one of these in another form."""
        for _ in range(16):
            kind, inputs = self.producers.get(value, ("", ()))
            if value in self.weights or kind == "Constant":
                return True
            if kind not in (*PASS_THROUGH, "DequantizeLinear") or not inputs:
                return False
            value = inputs[0]
        return False


class WireReader:
    """Reads protobuf fields of a file, one after the other. It counts them, so that no file takes for ever."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file
        self.size = size
        self.fields = 0

    def varint(self) -> int:
        """The next number, seven bits a byte, the lowest first. Raises ValueError where it is cut off."""
        value = shift = 0
        while True:
            byte = self.file.read(1)
            if not byte or shift > 63:
                raise ValueError("a number is cut off")
            value |= (byte[0] & 127) << shift
            if byte[0] < 128:
                return value
            shift += 7

    def walk(self, end: int) -> Iterator[tuple[int, int, int]]:
        """(field, wire type, value) of each field up to `end`. For a field of bytes the value is the length; the content follows.

        Whatever the caller reads of the content, the walk goes on behind it. Raises ValueError where the file is no message.
        """
        while self.file.tell() < end:
            self.fields += 1
            if self.fields > MAX_FIELDS:
                raise ValueError("too many fields")
            key = self.varint()
            field, wire = key >> 3, key & 7
            if wire == VARINT:
                yield field, wire, self.varint()
                continue
            if wire not in (BYTES, FIXED32, FIXED64) or field == 0:
                raise ValueError("no field of a model")
            length = self.varint() if wire == BYTES else 8 if wire == FIXED64 else 4
            after = self.file.tell() + length
            if after > end:
                raise ValueError("a field reaches past the end")
            yield field, wire, length
            self.file.seek(after)

    def text(self, length: int, limit: int = MAX_NODE) -> str:
        """The next `length` bytes as a text. Raises ValueError where they are over `limit`, or not UTF-8."""
        if length > limit:
            raise ValueError("a text is too long")
        return self.file.read(length).decode()

    def end(self, length: int) -> int:
        """Where a field of `length` bytes ends that begins here."""
        return self.file.tell() + length


def open_artifact(path: str | Path) -> Artifact:
    """Reads a model's metadata and the outline of its graph. Raises RuntimeFault for what is no ONNX model."""
    path = Path(path)
    if not path.exists():
        raise RuntimeFault("no-such-model", f"there is no model `{path}`", "archc build makes one", 2)
    if not path.is_file():
        kind = "folder" if path.is_dir() else "device or a pipe"
        raise RuntimeFault("no-such-model", f"`{path}` is a {kind}; a model is a file", exit_code=2)
    if path.suffix in (".yaml", ".yml"):
        raise RuntimeFault(
            "not-a-model", f"`{path}` is a spec; a model is built from it first", f"archc build {path} --export onnx"
        )
    try:
        with path.open("rb") as file:
            return read_model(path, file)
    except OSError as error:
        raise RuntimeFault("no-such-model", f"`{path}` cannot be read: {error.strerror}", exit_code=2) from None
    except (ValueError, OverflowError):
        raise describe_refusal(path) from None


def describe_refusal(path: Path) -> RuntimeFault:
    """The fault for a file that is no model. An image is the likely mistake, because `archc run` takes both."""
    with path.open("rb") as file:
        start = file.read(8)
    if not start:
        return RuntimeFault("not-a-model", f"`{path}` is empty; a model was expected")
    if start.startswith(SIGNATURES):
        return RuntimeFault("not-a-model", f"`{path}` is an image; the model comes first", "archc run MODEL IMAGE...")
    return RuntimeFault("not-a-model", f"`{path}` is no ONNX model, or is cut off", "archc build makes one")


def read_model(path: Path, file: BinaryIO) -> Artifact:
    """Reads a ModelProto: field 7 is the graph, 14 a pair of metadata. Raises ValueError where the file is no model."""
    size = path.stat().st_size
    reader, outline, metadata = WireReader(file, size), Outline(), {}
    graphs = read = 0
    for field, wire, length in reader.walk(size):
        if wire != BYTES:
            continue
        if field == 7:
            graphs += 1
            read_graph(reader, reader.end(length), outline)
        elif field == 14:
            read += length
            if read > MAX_METADATA:
                raise ValueError("too much metadata")
            pair = read_strings(reader, reader.end(length), MAX_METADATA)
            metadata[pair.get(1, "")] = pair.get(2, "")
    if not graphs:
        raise ValueError("no graph")
    return Artifact(path, metadata, outline)


def read_graph(reader: WireReader, end: int, outline: Outline) -> None:
    """Reads a GraphProto into `outline`: field 1 is a node, 5 a weight, 11 an input, 12 an output."""
    for field, wire, length in reader.walk(end):
        if wire != BYTES:
            continue
        inside = reader.end(length)
        if field == 1 and length <= MAX_NODE:
            read_node(reader, inside, outline)
        elif field == 5:
            outline.weights.add(read_tensor_name(reader, inside))
        elif field in (11, 12):
            name, shape = read_value_info(reader, inside)
            (outline.inputs if field == 11 else outline.outputs)[name] = shape or ()
            if shape is None:
                outline.unranked.add(name)


def read_strings(reader: WireReader, end: int, limit: int = MAX_NODE) -> dict[int, str]:
    """The first texts of the fields 1 and 2, by their numbers."""
    found: dict[int, str] = {}
    for field, wire, length in reader.walk(end):
        if wire == BYTES and field in (1, 2):
            found.setdefault(field, reader.text(length, limit))
    return found


def read_node(reader: WireReader, end: int, outline: Outline) -> None:
    """Reads a NodeProto into `outline`: field 1 is an input, 2 an output, 4 the operator."""
    inputs: list[str] = []
    outputs: list[str] = []
    kind = ""
    for field, wire, length in reader.walk(end):
        if wire == BYTES and field in (1, 2):
            (inputs if field == 1 else outputs).append(reader.text(length))
        elif wire == BYTES and field == 4:
            kind = reader.text(length)
    for name in outputs:
        outline.producers[name] = kind, tuple(inputs)


def read_tensor_name(reader: WireReader, end: int) -> str:
    """The name of a TensorProto, its field 8."""
    name = ""
    for field, wire, length in reader.walk(end):
        if wire == BYTES and field == 8:
            name = reader.text(length)
    return name


def read_value_info(reader: WireReader, end: int) -> tuple[str, Shape | None]:
    """The name and shape of a ValueInfoProto; None where it has no shape, so that any number of dimensions may come.

    Field 1 is the name, 2 the type; in the type field 1 is a tensor's; in that field 2 is the shape; in that field 1 is a
    dimension.
    """
    name = ""
    shape: Shape | None = None
    for field, wire, length in reader.walk(end):
        if wire == BYTES and field == 1:
            name = reader.text(length)
        elif wire == BYTES and field == 2:
            shape = read_dimensions(reader, reader.end(length), (1, 2))
    return name, shape


def read_dimensions(reader: WireReader, end: int, path: tuple[int, ...]) -> Shape | None:
    """The dimensions of a shape inside a message, None where there is no shape.

    `path` are the numbers of the fields that lead from the message to the shape.
    """
    found: Shape | None = None if path else ()
    for field, wire, length in reader.walk(end):
        if wire != BYTES or field != (path[0] if path else 1):
            continue
        inside = reader.end(length)
        inner = read_dimensions(reader, inside, path[1:]) if path else (read_dimension(reader, inside),)
        found = found if inner is None else (*(found or ()), *inner)
    return found


def read_dimension(reader: WireReader, end: int) -> int | str | None:
    """A dimension: field 1 is a number, 2 a name; None where it has neither."""
    found: int | str | None = None
    for field, wire, content in reader.walk(end):
        if field == 1 and wire == VARINT:
            found = content
        elif field == 2 and wire == BYTES:
            found = reader.text(content)
    return found
