"""Graph → ONNX file, straight from the nodes: nothing is traced, so the names and lines of the YAML stay.

A value is called by its path and a node, too; an op that lowers to several nodes names the helpers `path/OpType`. Opset and
IR version are always written as asked or refused. The file holds no absolute path and no time: two builds are equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...diagnostics import Failure, Reject
from ...files import atomic_write
from ...ir.dtypes import F64, I64, DType
from ...ir.graph import Graph, Node, Value
from ...ops.op import op_of
from ...weights.source import WeightSource
from .. import Export
from . import wire

OPSET = 20
OPSETS = range(13, 27)
IR_OF_OPSET = {23: 11, 24: 12, 25: 13, 26: 13}  # older opsets: IR 10, which runs widely
ALIGNMENT = 4096
EXTERNAL_OVER = 2_000_000_000


class Emitter:
    """What `Op.onnx` writes to (ops.op.OnnxBuilder), one graph node at a time."""

    def __init__(self, graph: Graph, weights: WeightSource, opset: int) -> None:
        self.graph, self.weights, self.opset = graph, weights, opset
        self.nodes: list[wire.NodeProto] = []
        self.tensors: dict[str, wire.TensorProto] = {}
        self.current: Node
        self.names = result_names(graph)
        self.taken: set[str] = set()

    def node(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Adds an ONNX node of the current graph node, and gives the name of its one output."""
        path, doc = self.current.path, self.current.span.short if self.current.span else ""
        name, count = f"{path}/{op_type}", 1
        while name in self.taken:
            count += 1
            name = f"{path}/{op_type}_{count}"
        self.taken.add(name)
        self.nodes.append(wire.NodeProto(op_type, inputs, name, name, attributes, doc))
        return name

    def param(self, name: str) -> str:
        full = f"{self.current.path}.{name}"
        param = self.current.op.params(*self.current.input_types)[name]
        self.tensors[full] = wire.TensorProto(full, param.shape, param.dtype, lambda: self.read(full, param.dtype))
        return full

    def read(self, name: str, dtype: DType) -> Any:
        """The bytes of a tensor of the weights, as `dtype`."""
        array = dtype.encode(self.weights.get(name))
        return memoryview(array.reshape(-1)).cast("B") if array.size else b""

    def ints(self, hint: str, values: tuple[int, ...]) -> str:
        return self.constant(hint, values, (len(values),), I64)

    def floats(
        self, hint: str, values: tuple[float, ...], shape: tuple[int, ...] = (), dtype: DType | None = None
    ) -> str:
        return self.constant(hint, values, shape, dtype or self.current.output.type.dtype)

    def constant(self, hint: str, values: Any, shape: tuple[int, ...], dtype: DType) -> str:
        """A small initializer of the node's own."""
        import numpy as np

        name = f"{self.current.path}/{hint}"
        data = dtype.encode(np.array(values, I64.numpy if dtype.kind == "int" else F64.numpy)).tobytes()
        self.tensors[name] = wire.TensorProto(name, shape, dtype, lambda: data)
        return name

    def emit(self, node: Node) -> None:
        """Lowers one node; the ONNX node that gives its result takes its path."""
        self.current, op = node, op_of(node)
        inputs = [Value(self.names.get(v.name, v.name), v.type) for v in node.inputs]
        try:
            if op.since_opset > self.opset:
                since = f"`{op.name}` has a form in ONNX from opset {op.since_opset}, not in {self.opset}"
                raise Reject("opset-unsupported", since, f"choose opset {op.since_opset} or a later one")
            made = op.onnx(self, *inputs)
        except NotImplementedError:
            raise Failure("not-in-onnx", f"`{op.name}` ({node.path}) is for training only and has no form in ONNX",
                          "build the inference phase, or export torch") from None  # fmt: skip
        except Reject as reject:
            raise Failure(reject.code, f"{node.path}: {reject}", reject.help, 2) from None
        if made in {v.name for v in inputs}:  # nothing to do for this input, but the value has a name of its own
            made = self.node("Identity", made)
        last = next(i for i in reversed(range(len(self.nodes))) if self.nodes[i].output == made)
        result = self.names.get(node.output.name, node.output.name)
        self.nodes[last] = self.nodes[last]._replace(name=node.path, output=result)


def result_names(graph: Graph) -> dict[str, str]:
    """The ONNX name of each value that is not simply its path: outputs carry their own names."""
    made = {node.output.name for node in graph.nodes}
    names: dict[str, str] = {}
    outputs = {name for name, _ in results(graph)}
    for name, value in results(graph):
        if value.name in made and value.name not in names:
            names[value.name] = name
    for path in made & outputs:
        names.setdefault(path, f"{path}/result")
    return names


def results(graph: Graph) -> list[tuple[str, Value]]:
    """All outputs by name; a kept head is an output called by its path."""
    return [(o.name, o.value) for o in graph.outputs] + [(h.path, h.value) for h in graph.heads]


def batched(value: Value, batch: int | None) -> tuple[int | str, ...]:
    shape = value.type.shape
    return (batch, *shape[1:]) if batch is not None else shape


def lower(
    graph: Graph, weights: WeightSource, opset: int, batch: int | None, metadata: Mapping[str, str]
) -> wire.ModelProto:
    """The ONNX model of a graph. Its tensors are not read yet: each is asked of `weights` when the model is written.

    Raises Failure for an op that has no form in ONNX, or none in this opset.
    """
    emitter = Emitter(graph, weights, opset)
    for node in graph.nodes:
        emitter.emit(node)
    outputs = []
    for name, value in results(graph):
        if emitter.names.get(value.name) != name:  # an input as an output, or a second name for one value
            source = emitter.names.get(value.name, value.name)
            emitter.nodes.append(wire.NodeProto("Identity", (source,), name, f"{name}/Identity", {}, ""))
        outputs.append(wire.value_info(name, batched(value, batch), value.type.dtype))
    called = {name for name, _ in results(graph)}
    inner = [(emitter.names.get(n.output.name, n.output.name), n.output) for n in graph.nodes]
    values = [wire.value_info(name, batched(v, batch), v.type.dtype) for name, v in inner if name not in called]
    inputs = [wire.value_info(v.name, batched(v, batch), v.type.dtype) for v in graph.inputs]
    facts = dict(metadata)
    return wire.ModelProto(graph.name, emitter.nodes, list(emitter.tensors.values()), inputs, outputs, values,
                      IR_OF_OPSET.get(opset, 10), opset, "archc", facts.get("archc.version", ""), facts)  # fmt: skip


def write(export: Export) -> list[Path]:
    """Writes an ONNX file as `export` asks; see export_onnx."""
    return export_onnx(export.graph, export.weights, export.path, opset=export.opset, batch=export.batch,
                       metadata=export.metadata, proof=export.prove)  # fmt: skip


def export_onnx(graph: Graph, weights: WeightSource, path: Path, *, opset: int | None = None, batch: int | None = None,
                metadata: Mapping[str, str] | None = None, external_over: int = EXTERNAL_OVER,
                proof: Callable[[Path], None] = lambda path: None) -> list[Path]:  # fmt: skip
    """Writes an inference graph (or one with kept heads) to `path`; returns the files made.

    `batch` None leaves the batch open, as the dimension `N`. Tensors of over `external_over` bytes together go to
    `<name>.data` beside. `proof` sees the finished file before it takes its place, and may raise. Raises Failure for an
    opset that is unknown or cannot say an op, and where the disk is full.
    """
    opset = OPSET if opset is None else opset
    if opset not in OPSETS:
        raise Failure(
            "opset-unsupported", f"opset {opset} is not one that archc writes", f"choose {OPSETS[0]} to {OPSETS[-1]}", 2
        )
    model = lower(graph, weights, opset, batch, metadata or {})
    if sum(t.size for t in model.tensors) <= external_over:
        with atomic_write(path) as partial:
            written(model, partial)
            proof(partial)
        return [path]
    beside = path.with_name(path.name + ".data")
    with atomic_write(beside) as data, atomic_write(path) as partial:
        with data.open("wb") as file:
            tensors = [place(tensor, data.name, file) for tensor in model.tensors]
        written(model._replace(tensors=tensors), partial)
        proof(partial)  # it reads the tensors where they still are; only then does the model name their last place
        written(model._replace(tensors=[moved(t, beside.name) for t in tensors]), partial)
    return [path, beside]


def written(model: wire.ModelProto, path: Path) -> None:
    with path.open("wb") as file:
        model.write(file)


def moved(tensor: wire.TensorProto, name: str) -> wire.TensorProto:
    """The tensor with its external file called `name`."""
    return tensor if tensor.external is None else tensor._replace(external=(name, tensor.external[1]))


def place(tensor: wire.TensorProto, name: str, file: Any) -> wire.TensorProto:
    """Writes a tensor to the external file at an aligned offset; small ones stay inside, where shape inference reads them."""
    if tensor.size < ALIGNMENT:
        return tensor
    file.write(b"\0" * (-file.tell() % ALIGNMENT))
    offset = file.tell()
    file.write(tensor.data())
    return tensor._replace(external=(name, offset))
