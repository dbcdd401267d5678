"""Graph → ONNX file, straight from the nodes: nothing is traced, so the names and lines of the YAML stay.

A value is called by its path and a node, too; an op that lowers to several nodes names the helpers `path/OpType`. Opset and
IR version are always written as asked or refused. The file holds no absolute path and no time: two builds are equal bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

from ...content_names import OutputFile, name_by_content
from ...diagnostics import Failure, Reject
from ...hashed_file import HashedFile
from ...ir.dtypes import F16, F64, I64, DType
from ...ir.graph import Graph, Node, Value
from ...memory_map import blocks
from ...ops.onnx_lowering import OnnxLowering
from ...ops.op import op_of
from ...weights.source import WeightSource
from .. import Export
from . import wire
from .data_names import DATA_SUFFIX
from .opsets import IR_OF_OPSET, OPSET, OPSETS
from .seal import encode_seal

ALIGNMENT = 4096
EXTERNAL_OVER = 2_000_000_000


class Emitter(OnnxLowering):
    """What `Op.onnx` writes to (ops.op.OnnxBuilder): gathers the ONNX nodes and tensors of a graph, one graph node at a time.

    `current` is the graph node that is being lowered; `onnx_names` are the names of values that differ from the graph's. The tensors
    `stored_half` are half floats in the file, and a cast behind each gives the type that the graph computes with.
    """

    def __init__(self, graph: Graph, weights: WeightSource, opset: int, stored_half: Collection[str] = ()) -> None:
        super().__init__(graph, opset)
        self.weights, self.stored_half = weights, stored_half
        self.nodes: list[wire.NodeProto] = []
        self.tensors: dict[str, wire.TensorProto] = {}
        self.onnx_names = onnx_names(graph)

    def node(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Adds an ONNX node of the current graph node, and returns the name of its one output."""
        name, doc = self.new_name(op_type), self.current.span.short if self.current.span else ""
        self.nodes.append(wire.NodeProto(op_type, inputs, name, name, attributes, doc))
        return name

    def param(self, name: str) -> str:
        """Adds the current node's parameter `name` as an initializer, and returns what the file calls its value."""
        full = f"{self.current.path}.{name}"
        param = self.current.op.params(*self.current.input_types)[name]
        stored = F16 if full in self.stored_half else param.dtype
        self.tensors[full] = wire.TensorProto(full, param.shape, stored, lambda: self.tensor_bytes(full, stored))
        return full if stored is param.dtype else self.node("Cast", full, to=param.dtype.onnx)

    def tensor_bytes(self, name: str, dtype: DType) -> Iterator[Any]:
        """The bytes of a tensor of the weights, as `dtype`, a block at a time."""
        return map(dtype.encode, blocks(self.weights.get(name)))

    def ints(self, hint: str, values: tuple[int, ...]) -> str:
        """Adds whole numbers as an int64 initializer of one dimension, as `constant` does."""
        return self.constant(hint, values, (len(values),), I64)

    def floats(
        self, hint: str, values: tuple[float, ...], shape: tuple[int, ...] = (), dtype: DType | None = None
    ) -> str:
        """Adds numbers as an initializer, as `constant` does; `dtype` None is that of the node's result."""
        return self.constant(hint, values, shape, dtype or self.current.output.type.dtype)

    def constant(self, hint: str, values: Any, shape: tuple[int, ...], dtype: DType) -> str:
        """Adds a small initializer of the current node, `path/hint`, and returns its name."""
        import numpy as np

        name = f"{self.current.path}/{hint}"
        data = dtype.encode(np.array(values, I64.numpy if dtype.kind == "int" else F64.numpy)).tobytes()
        self.tensors[name] = wire.TensorProto(name, shape, dtype, lambda: (data,))
        return name

    def onnx_name(self, value: Value) -> str:
        """What a value of the graph is called in the file."""
        return self.onnx_names.get(value.name, value.name)

    def emit(self, node: Node) -> None:
        """Lowers one node; the ONNX node that gives its result takes its path."""
        self.current, op = node, op_of(node)
        inputs = [Value(self.onnx_name(value), value.type) for value in node.inputs]
        try:
            result = op.onnx(self, *inputs)
        except NotImplementedError:
            raise Failure("not-in-onnx", f"`{op.name}` ({node.path}) is for training only and has no form in ONNX",
                          "build the inference phase, or export torch") from None  # fmt: skip
        except Reject as reject:
            raise Failure(reject.code, f"{node.path}: {reject}", reject.help, 2) from None
        # the op does nothing here, but the value has a name of its own
        if result in {value.name for value in inputs}:
            result = self.node("Identity", result)
        last = next(i for i in reversed(range(len(self.nodes))) if self.nodes[i].output == result)
        self.nodes[last] = self.nodes[last]._replace(name=node.path, output=self.onnx_name(node.output))


def onnx_names(graph: Graph) -> dict[str, str]:
    """The ONNX names of the values that are not called by their path there.

    An output has its own name; a value whose path is another value's output name becomes `path/result`.
    """
    paths = {node.output.name for node in graph.nodes}
    outputs = named_outputs(graph)
    names: dict[str, str] = {}
    for name, value in outputs:
        if value.name in paths and value.name not in names:
            names[value.name] = name
    for path in paths & {name for name, _ in outputs}:
        names.setdefault(path, f"{path}/result")
    return names


def named_outputs(graph: Graph) -> list[tuple[str, Value]]:
    """All outputs by name; a kept head is an output called by its path."""
    return [(o.name, o.value) for o in graph.outputs] + [(h.path, h.value) for h in graph.heads]


def require_opset(graph: Graph, opset: int) -> None:
    """Raises Failure `opset-unsupported` for an opset that is not written, and for one that is older than the form of an op in the graph."""
    if opset not in OPSETS:
        raise Failure(
            "opset-unsupported", f"opset {opset} is not one that archc writes", f"choose {OPSETS[0]} to {OPSETS[-1]}", 2
        )
    for node in graph.nodes:
        op = op_of(node)
        if op.since_opset > opset:
            since = f"{node.path}: `{op.name}` has a form in ONNX from opset {op.since_opset}, not in {opset}"
            raise Failure("opset-unsupported", since, f"choose opset {op.since_opset} or a later one", 2)


def lower_graph(
    graph: Graph,
    weights: WeightSource,
    opset: int,
    batch: int | None,
    metadata: Mapping[str, str],
    stored_half: Collection[str] = (),
) -> wire.ModelProto:
    """The ONNX model of a graph. Its tensors are not read yet: each is asked of `weights` when the model is written.

    Those in `stored_half` are half floats in the file. `batch` None leaves the batch open, as the dimension `N`.
    Raises Failure for an op that has no form in ONNX, or none in this opset.
    """
    require_opset(graph, opset)
    emitter = Emitter(graph, weights, opset, stored_half)
    for node in graph.nodes:
        emitter.emit(node)
    outputs = named_outputs(graph)
    for name, value in outputs:
        # an input as an output, or a second name for one value
        if emitter.onnx_names.get(value.name) != name:
            source = emitter.onnx_name(value)
            emitter.nodes.append(wire.NodeProto("Identity", (source,), name, f"{name}/Identity", {}, ""))
    output_names = {name for name, _ in outputs}
    inner = [(emitter.onnx_name(node.output), node.output) for node in graph.nodes]
    inner = [(name, value) for name, value in inner if name not in output_names]
    inputs, output_infos, values = (
        [value_info(name, value, batch) for name, value in named]
        for named in ([(value.name, value) for value in graph.inputs], outputs, inner)
    )
    facts = dict(metadata)
    return wire.ModelProto(graph.name, emitter.nodes, list(emitter.tensors.values()), inputs, output_infos, values,
                      IR_OF_OPSET[opset], opset, "archc", facts.get("archc.version", ""), facts)  # fmt: skip


def value_info(name: str, value: Value, batch: int | None) -> bytes:
    """The encoded type of a value; `batch` None leaves the batch open, as the dimension `N`."""
    shape = value.type.shape if batch is None else (batch, *value.type.shape[1:])
    return wire.encode_value_info(name, shape, value.type.dtype)


def has_data(graph: Graph) -> bool:
    """Whether the tensors of a graph are so large that they go to a second file."""
    return sum(param.dtype.size_bytes * prod(param.shape) for param in graph.params().values()) > EXTERNAL_OVER


def write(export: Export) -> list[OutputFile]:
    """Writes the ONNX file that `export` asks for; see export_onnx."""
    return export_onnx(
        export.graph,
        export.weights,
        export.path,
        opset=export.opset,
        batch=export.batch,
        metadata=export.metadata,
        stored_half=export.stored_half,
    )


def export_onnx(graph: Graph, weights: WeightSource, path: Path, *, opset: int | None = None, batch: int | None = None,
                metadata: Mapping[str, str] | None = None, stored_half: Collection[str] = (),
                external_over: int = EXTERNAL_OVER) -> list[OutputFile]:  # fmt: skip
    """Writes an inference graph (with its heads, if they were kept) to `path`, and gives the files that it wrote, the model first.

    `batch` None leaves the batch open, as the dimension `N`. The tensors `stored_half` are half floats in the file. Tensors that have over
    `external_over` bytes together go to a second file, `<stem>-<digest>.onnx.data`, which the model names.
    Raises Failure for an opset that is unknown or has no form of an op, OSError where the disk is full.
    """
    opset = OPSET if opset is None else opset
    model = lower_graph(graph, weights, opset, batch, metadata or {}, stored_half)
    beside: list[OutputFile] = []
    if sum(t.size for t in model.tensors) > external_over:
        partial = path.with_name("data")
        with HashedFile(partial) as file:
            tensors = [write_external(tensor, file) for tensor in model.tensors]
        data = name_by_content(file.written, path.name.removesuffix(".onnx"), DATA_SUFFIX)
        if data.bytes:
            beside.append(data)
            model = model._replace(tensors=[with_external_file(tensor, data.path.name) for tensor in tensors])
        else:
            # all tensors are small, and stand inside
            data.path.unlink()
    return [write_model(model, path), *beside]


def write_model(model: wire.ModelProto, path: Path) -> OutputFile:
    """Writes a model to `path`, with its seal at the end."""
    with HashedFile(path) as file:
        model.write(file)
        file.write(encode_seal(file.sha256_so_far()))
    return file.written


def with_external_file(tensor: wire.TensorProto, name: str) -> wire.TensorProto:
    """The tensor with its external file called `name`."""
    return tensor if tensor.external is None else tensor._replace(external=(name, tensor.external[1]))


def write_external(tensor: wire.TensorProto, file: HashedFile) -> wire.TensorProto:
    """Writes a tensor to the external file at an aligned offset, and gives the tensor with its place; the file has no name yet.

    A small tensor stays inside the model, where onnx's shape inference reads it.
    """
    if tensor.size < ALIGNMENT:
        return tensor
    file.write(b"\0" * (-file.tell() % ALIGNMENT))
    offset = file.tell()
    for block in tensor.data():
        file.write(block)
    return tensor._replace(external=("", offset))
