"""One node from all sides: where it comes from, its shapes and costs with their arithmetic, its receptive field, its torch module, the
ONNX nodes that it becomes, and what each pass did to it.

`Explainer(graph, stages, opset)` explains nodes of a training graph. `stages` are the passes' graphs, as driver.pass_stages(graph)
gives them, and `opset` is the one that ONNX nodes are shown for; `archc.explanations.make_explainer(graph)` takes those of a plain
build. Nothing here imports torch, onnx or numpy.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

from ..diagnostics import Span
from ..ir.graph import Graph, Node
from ..ir.operation import Param
from ..ir.provenance import Frame
from ..ir.types import TensorType
from ..ops.lowerings import module_call
from ..ops.op import Op, op_of
from ..ops.working import Working, product
from .changes import Change, Stages, changes_of
from .cost import Layer, cost, op_cost
from .onnx_nodes import OnnxNode, onnx_nodes
from .receptive_field import ReceptiveField, receptive_fields


class OnnxCall(NamedTuple):
    """An ONNX node that a step becomes.

    `name` is what stands behind the step's path in the file, empty for the node that gives the result. `inputs` are `x`, or `x0`,
    `x1`, …, where several tensors arrive, and the step's own tensors, constants and nodes without its path: `.weight`, `/pads`.
    """

    name: str
    op_type: str
    inputs: tuple[str, ...]
    attributes: tuple[tuple[str, Any], ...]


class OwnTensor(NamedTuple):
    """A tensor of a node: its name behind the node's path, what it is, and how many numbers it has."""

    name: str
    param: Param
    working: Working


class Facts(NamedTuple):
    """What is true of a node wherever it stands: equal steps on equal inputs share it.

    `shape` says how the axes of the output come about; those that it leaves out are the first input's. `costs` are params, MACs,
    activations and bytes of the output, each where there are any. `module` is the call that makes the torch module; what arrives is
    flattened before it if `flattens`. `onnx` are the nodes in the file of an inference build, none where that has none.
    """

    op: Op
    inputs: tuple[TensorType, ...]
    output: TensorType
    shape: tuple[Working, ...]
    tensors: tuple[OwnTensor, ...]
    costs: tuple[Working, ...]
    module: str
    flattens: bool
    onnx: tuple[OnnxCall, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON says it: {"op", "fields", "inputs", "output", "shape", "tensors", "costs", "torch", "flattens", "onnx"}.

        `fields` are those that differ from their defaults, `inputs` and `output` sizes without the batch.
        A working is [name, terms, result] or [name, terms, result, note]; a tensor [name, shape, terms, elements] or, of a buffer,
        with "buffer" behind them; an ONNX node [name behind the path, op type, inputs, attributes].
        """
        return {
            "op": self.op.name,
            "fields": {k: v for k, v in self.op.field_values().items() if v != self.op.fields[k].default},
            "inputs": [x.sizes for x in self.inputs],
            "output": self.output.sizes,
            "shape": [working_json(each) for each in self.shape],
            "tensors": [
                [t.name, t.param.shape, t.working.terms, t.working.result, *["buffer"] * t.param.buffer]
                for t in self.tensors
            ],
            "costs": [working_json(each) for each in self.costs],
            "torch": self.module,
            "flattens": self.flattens,
            "onnx": [[each.name, each.op_type, each.inputs, dict(each.attributes)] for each in self.onnx],
        }


class Explanation(NamedTuple):
    """One node. `names` are those of its inputs. `layer` has its costs; those of an auxiliary head's node,
    too, which inference does without. `shares` are the parts of the whole net, by `params`, `macs` and `activations`, each from 0 to 1."""

    path: str
    place: Span | None
    frames: tuple[Frame, ...]
    names: tuple[str, ...]
    facts: Facts
    layer: Layer
    shares: Mapping[str, float]
    field: ReceptiveField | None
    changes: tuple[Change, ...]

    def to_json(self) -> dict[str, Any]:
        """The whole of it as one JSON object: what `Facts.to_json` has, and the node's own."""
        return {
            "path": self.path,
            "source": self.place.short if self.place else None,
            "frames": [frame_json(each) for each in self.frames],
            "aux": self.layer.aux,
            "input_names": self.names,
            **self.facts.to_json(),
            "shares": dict(self.shares),
            "receptive_field": self.field._asdict() if self.field else None,
            "passes": [[each.by, each.text] for each in self.changes],
        }


class Explainer:
    """Explains nodes of one training graph. What equal steps share is worked out once."""

    def __init__(self, graph: Graph, stages: Stages, opset: int) -> None:
        self.graph, self.opset = graph, opset
        self.stages = tuple(stages)
        self.costs = cost(graph)
        self.layers = {
            node.path: own_layer(node, layer) for node, layer in zip(graph.nodes, self.costs.layers, strict=True)
        }
        self.changes = changes_of(graph, self.stages)
        self.built_graph = self.stages[-1][1] if self.stages else graph
        self.known: dict[Hashable, Facts] = {}

    @cached_property
    def fields(self) -> dict[str, ReceptiveField]:
        """The receptive field of each node by its path."""
        return receptive_fields(self.graph)

    @cached_property
    def totals(self) -> dict[str, int]:
        """What shares are shares of: the whole net, with its auxiliary heads in the parameters alone."""
        return {
            "params": self.costs.params.total,
            "macs": self.costs.macs,
            "activations": self.costs.activations,
        }

    @cached_property
    def calls(self) -> dict[str, tuple[OnnxCall, ...]]:
        """The ONNX nodes of each node of the built graph by its path; none where it is no inference graph."""
        if self.built_graph.phase != "inference":
            return {}
        built = {node.path: node for node in self.built_graph.nodes}
        found: dict[str, list[OnnxCall]] = {}
        for each in onnx_nodes(self.built_graph, self.opset):
            if each.path in built:  # a second name for a value is no step
                found.setdefault(each.path, []).append(onnx_call(each, built[each.path]))
        return {path: tuple(calls) for path, calls in found.items()}

    def explain(self, node: Node) -> Explanation:
        """The explanation of a node of the graph."""
        layer = self.layers[node.path]
        shares = {key: getattr(layer, key) / whole if whole else 0.0 for key, whole in self.totals.items()}
        if layer.aux:
            shares |= {"macs": 0.0, "activations": 0.0}
        names = tuple([value.name for value in node.inputs])
        changes = self.changes.get(node.path, ())
        return Explanation(
            node.path,
            node.span,
            node.frames,
            names,
            self.facts_of(node),
            layer,
            shares,
            self.fields.get(node.path),
            changes,
        )

    def facts_of(self, node: Node) -> Facts:
        """What is true of the node and of all that are equal to it."""
        onnx = self.calls.get(node.path, ())
        key = (node.op, node.input_types, onnx)
        if key not in self.known:
            self.known[key] = state_facts(node, onnx)
        return self.known[key]


def own_layer(node: Node, layer: Layer) -> Layer:
    """The costs of a node by itself, which a net's counts leave out of an auxiliary head's nodes."""
    if not layer.aux:
        return layer
    costs = op_cost(op_of(node), node.output.type, *node.input_types)
    return layer._replace(macs=costs.macs, activations=costs.activations)


def onnx_call(each: OnnxNode, node: Node) -> OnnxCall:
    """An ONNX node of a node, as it is wherever that stands."""
    arriving = [value.name for value in node.inputs]
    names = {name: f"x{at}" if arriving[1:] else "x" for at, name in enumerate(arriving)}
    inputs = tuple(names.get(name, name.removeprefix(node.path)) for name in each.inputs)
    return OnnxCall(each.name.removeprefix(node.path), each.type, inputs, tuple(each.attributes.items()))


def state_facts(node: Node, onnx: tuple[OnnxCall, ...]) -> Facts:
    """The facts of a node of the training graph, of which `onnx` are the nodes in the built file."""
    op, x, y = op_of(node), node.input_types, node.output.type
    params = op.params(*x)
    tensors = tuple([OwnTensor(each.name, params[each.name], each) for each in op.param_working(*x)])
    return Facts(
        op,
        x,
        y,
        tuple(join_axes(op.shape_working(*x))),
        tensors,
        tuple(cost_working(op, y, x, tensors)),
        module_call(op, x),
        op.takes_vector and not x[0].is_vector,
        onnx,
    )


def join_axes(workings: tuple[Working, ...]) -> Iterator[Working]:
    """The workings of axes, neighbours with the same one as one: `H, W`."""
    for _, alike in groupby(workings, key=lambda each: each[1:]):
        first, *others = alike
        yield first._replace(name=", ".join([first.name, *(each.name for each in others)]))


def cost_working(op: Op, y: TensorType, x: tuple[TensorType, ...], tensors: tuple[OwnTensor, ...]) -> Iterator[Working]:
    """How the costs of a node come about: parameters, MACs, activations, and the bytes of its output."""
    learned = [each.working for each in tensors if not each.param.buffer]
    if learned:
        terms = learned[0].terms if len(learned) == 1 else " + ".join(f"{each.result:,}" for each in learned)
        yield Working("params", terms, sum(each.result for each in learned))
    yield from op.mac_working(y, *x)
    if op_cost(op, y, *x).activations:
        yield Working("activations", product(y.sizes), y.elements)
    if not y.is_control:
        size = y.dtype.size_bytes
        yield Working("bytes", f"{product(y.sizes)} · {size}", y.elements * size, f"of the output in {y.dtype}")


def working_json(working: Working) -> list[Any]:
    """[name, terms, result], and the note if there is one."""
    return [working.name, working.terms, working.result, *[working.note] * bool(working.note)]


def frame_json(frame: Frame) -> dict[str, Any]:
    """{"kind", "name", "bindings", "source"}."""
    return {
        "kind": frame.kind,
        "name": frame.name,
        "bindings": dict(frame.bindings),
        "source": frame.span.short,
    }
