"""A float32 ONNX file of ours with 8-bit weights and activations: QuantizeLinear and DequantizeLinear where a value is rounded.

onnxruntime.quantization finds the ranges (ranges.py), decides which values are rounded, and rounds the weights. What it writes is not
taken over: it renames nodes and tensors, drops lines and metadata, and removes activations. Only its numbers are read, and the file is
written from our own nodes again, with a pair of nodes behind each value that is rounded and one before each weight.

Activations are unsigned and weights signed, each output channel with a scale of its own: the kernels with VNNI want this pair. Weights
take 7 of the 8 bits: without VNNI x86 adds two products in 16 bits, and full weights overflow there (docs/reference/precision.md has figures), so
that one file is right on both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from ...compiler.backends.onnx.wire import ModelProto, NodeProto, TensorProto
from ...compiler.ir.dtypes import F32, I8, I32, U8, DType
from ...compiler.weights.names import belongs_to
from .ranges import Ranges, quiet

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
# convolutions and linear layers: what 8 bits make faster, and all that has weights in them
WEIGHTED = ("Conv", "Gemm")
# of computed values alone: a constant per channel needs more than 8 bits for all channels together
ELEMENTWISE = ("Add", "Mul")
# their results are among their inputs' numbers, or between them, and so have the same scale
SAME_SCALE = ("MaxPool", "AveragePool", "Flatten", "Reshape", "Transpose", "Gather", "Resize")
# onnxruntime's integer kernels of these give floats as well, so that what reads floats, a softmax, need not read rounded ones
FLOAT_RESULTS = ("Gemm",)
# All other operators stay in float32: what divides or bends sharply (LRN, softmax, norms, sigmoids) loses its small numbers in 8 bits.
QUANTIZED = (*WEIGHTED, *ELEMENTWISE, *SAME_SCALE, "Relu", "Clip", "LeakyRelu", "GlobalAveragePool", "Concat")
# what the library adds to the name of a weight
RENAMED_WEIGHT = "_quantized"
DTYPE_OF: dict[str, DType] = {dtype.numpy[1:]: dtype for dtype in (F32, I8, I32, U8)}


class Rounding(NamedTuple):
    """How numbers are rounded: to multiples of `scale`, `zero_point` standing for 0. Both are arrays, along `axis` if that is not None."""

    scale: Any
    zero_point: Any
    axis: int | None = None


class RoundedWeight(NamedTuple):
    """A weight as integers."""

    integers: Any
    rounding: Rounding


class Plan(NamedTuple):
    """What of a model is rounded: values by their names, weights by theirs, and for each node the places of its inputs that it reads rounded."""

    values: Mapping[str, Rounding]
    weights: Mapping[str, RoundedWeight]
    reads: Mapping[str, Collection[int]]


def nodes_in_float32(model: ModelProto, keep: Collection[str]) -> set[str]:
    """The names of the nodes that stay in float32: those of the steps and blocks `keep`, and constants' arithmetic."""
    weights = {tensor.name for tensor in model.tensors}
    return {
        node.name
        for node in model.nodes
        if belongs_to(node.name.partition("/")[0], keep)
        or (node.op_type in ELEMENTWISE and not weights.isdisjoint(node.inputs))
    }


def quantize(model: ModelProto, plan: Plan) -> ModelProto:
    """`model`, a lowered float32 net, with the 8-bit weights and activations of `plan`."""
    return Rewriter(model, plan).rewrite()


# -- what is rounded, as onnxruntime.quantization decides ---------------------------------------------------------------


def plan_rounding(proto: Any, ranges: Ranges, excluded: Collection[str], model: ModelProto) -> Plan:
    """Has the library quantise `proto`, and reads from its result what it rounded, and how, by the names of `model`.

    `proto` is `model` as onnx reads it, with the names of `ranges`; it is used up. The nodes `excluded` stay in float32.
    """
    import onnx
    from onnxruntime.quantization import QDQQuantizer, QuantType

    numbers = {name: number for number, name in ranges.nodes.items()}
    with quiet():
        quantizer = QDQQuantizer(
            proto, True, True, QuantType.QInt8, QuantType.QUInt8, ranges.tensors, [],
            [numbers[name] for name in excluded], list(QUANTIZED), {},
        )  # fmt: skip
        result = quantizer.quantize_model().graph
    plan = read_plan(result, {each.name: onnx.numpy_helper.to_array(each) for each in result.initializer}, ranges)
    return share_scales(model, drop_unread(model, plan, excluded))


def read_plan(result: Any, arrays: Mapping[str, Any], ranges: Ranges) -> Plan:
    """What is rounded in a quantised graph of onnx, whose initializers are `arrays`; its names are those of `ranges`, and the library's own."""
    sources = {node.output[0]: node.input[0] for node in result.node if node.op_type == QUANTIZE}
    values: dict[str, Rounding] = {}
    weights: dict[str, RoundedWeight] = {}
    read_as: dict[str, str] = {}
    for node in result.node:
        if node.op_type != DEQUANTIZE:
            continue
        integers, scale, zero_point = node.input
        rounding = Rounding(arrays[scale], arrays[zero_point], next((each.i for each in node.attribute), None))
        if integers in sources:
            # an output of the net has its name behind the pair, and another before it
            known = sources[integers] if sources[integers] in ranges.values else node.output[0]
            values[ranges.values[known]] = rounding
        else:
            known = integers.removesuffix(RENAMED_WEIGHT)
            weights[ranges.values[known]] = RoundedWeight(arrays[integers], rounding)
        read_as[node.output[0]] = ranges.values[known]
    reads: dict[str, Collection[int]] = {}
    for node in result.node:
        if node.op_type not in (QUANTIZE, DEQUANTIZE):
            names = {at: read_as[name] for at, name in enumerate(node.input) if name in read_as}
            reads[ranges.nodes[node.name]] = {
                at for at, name in names.items() if name in values or node.op_type in WEIGHTED
            }
    return Plan(values, weights, reads)


def drop_unread(model: ModelProto, plan: Plan, excluded: Collection[str]) -> Plan:
    """The plan without what need not be rounded: the outputs of the net, and what only nodes of floats read that may have it as it is."""
    made_as_floats = {node.output for node in model.nodes if node.op_type in FLOAT_RESULTS}
    reads: dict[str, Collection[int]] = {}
    for node in model.nodes:
        found = plan.reads.get(node.name, ())
        if node.op_type not in QUANTIZED or node.name in excluded:
            found = {at for at in found if node.inputs[at] not in made_as_floats}
        reads[node.name] = found
    read = {node.inputs[at] for node in model.nodes for at in reads[node.name]}
    return plan._replace(values={name: each for name, each in plan.values.items() if name in read}, reads=reads)


def share_scales(model: ModelProto, plan: Plan) -> Plan:
    """The plan with the results of SAME_SCALE rounded as what they are made of: only then do these nodes work on integers."""
    values = dict(plan.values)
    for node in model.nodes:
        source = node.inputs[0]
        if node.op_type in SAME_SCALE and node.output in values and 0 in plan.reads.get(node.name, ()):
            values[node.output] = values[source]
    return plan._replace(values=values)


# -- how it is written --------------------------------------------------------------------------------------------------


class Rewriter:
    """Writes a model again with what `plan` rounds: all of its nodes, names, lines and metadata, and the nodes that round.

    A node that rounds is called by the path of the step that it belongs to: `conv1/QuantizeLinear` behind `conv1`, and
    `conv1/weight/DequantizeLinear` for its weight. Its numbers are called `conv1/QuantizeLinear/scale`, and `…/zero_point`.
    """

    def __init__(self, model: ModelProto, plan: Plan) -> None:
        self.model, self.plan = model, plan
        self.given = {tensor.name: tensor for tensor in model.tensors}
        self.nodes: list[NodeProto] = []
        self.tensors: dict[str, TensorProto] = {}
        # the names of rounded values, by those of what they were
        self.rounded: dict[str, str] = {}

    def rewrite(self) -> ModelProto:
        """The whole model."""
        made = {node.output for node in self.model.nodes}
        for name in dict.fromkeys(each for node in self.model.nodes for each in node.inputs):
            if name and name not in made and name not in self.given:
                self.round_value(name, name, "")
        for node in self.model.nodes:
            self.add_node(node)
        return self.model._replace(nodes=self.nodes, tensors=list(self.tensors.values()))

    def add_node(self, node: NodeProto) -> None:
        """Adds a node of the model, with what it reads rounded before it and its own result rounded behind it."""
        inputs = list(node.inputs)
        for at in sorted(self.plan.reads.get(node.name, ())):
            inputs[at] = self.rounded[inputs[at]] if inputs[at] in self.rounded else self.round_weight(inputs[at], node)
        self.tensors |= {name: self.given[name] for name in inputs if name in self.given}
        self.nodes.append(node._replace(inputs=tuple(inputs)))
        self.round_value(node.output, node.name, node.doc)

    def round_value(self, value: str, path: str, doc: str) -> None:
        """Adds the pair of nodes that rounds a value, if it is rounded; `path` is that of the node that makes it, `doc` its line."""
        if value not in self.plan.values:
            return
        down, up = f"{path}/{QUANTIZE}", f"{path}/{DEQUANTIZE}"
        names, attributes = self.add_rounding(down, self.plan.values[value])
        self.nodes.append(NodeProto(QUANTIZE, (value, *names), down, down, attributes, doc))
        self.nodes.append(NodeProto(DEQUANTIZE, (down, *names), up, up, attributes, doc))
        self.rounded[value] = up

    def round_weight(self, weight: str, node: NodeProto) -> str:
        """Adds a weight of `node` as integers, and the node that makes floats of them; gives the name of these."""
        integers, rounding = self.plan.weights[weight]
        path = node.name.partition("/")[0]
        name = f"{path}/{weight.removeprefix(path)[1:]}/{DEQUANTIZE}"
        names, attributes = self.add_rounding(name, rounding)
        inputs = self.add_tensor(weight, integers), *names
        self.nodes.append(NodeProto(DEQUANTIZE, inputs, name, name, attributes, node.doc))
        self.rounded[weight] = name
        return name

    def add_rounding(self, node: str, rounding: Rounding) -> tuple[tuple[str, str], dict[str, Any]]:
        """Adds the scale and the zero point of the node called `node`; gives their names, and the node's attributes."""
        # the library gives the one number of a bias of one channel as an array
        shape = () if rounding.axis is None else rounding.scale.shape
        arrays = {"scale": rounding.scale, "zero_point": rounding.zero_point}
        scale, zero_point = (self.add_tensor(f"{node}/{name}", array.reshape(shape)) for name, array in arrays.items())
        return (scale, zero_point), {} if rounding.axis is None else {"axis": rounding.axis}

    def add_tensor(self, name: str, array: Any) -> str:
        """Adds an array as an initializer, and gives its name."""
        self.tensors[name] = TensorProto(name, array.shape, DTYPE_OF[array.dtype.str[1:]], lambda: [array.tobytes()])
        return name
