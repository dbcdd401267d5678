"""Models that archc does not write, made by onnx's own helper: what tests of the worker and of trust share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

IMAGE = (TensorProto.FLOAT, ["N", 3, 8, 8])
node = helper.make_node


def port(name: str, kind: int = TensorProto.FLOAT, shape: Any = ("N", 3, 8, 8)) -> Any:
    """A tensor's name, element type and shape."""
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name: str, values: Any, kind: Any = np.int64) -> TensorProto:
    """A weight."""
    return numpy_helper.from_array(np.array(values, kind), name)


def make(nodes: Iterable[NodeProto], inputs: Sequence[Any] = (port("x"),), outputs: Sequence[Any] = (port("y"),),
         weights: Sequence[Any] = (), opset: int = 20, imports: Sequence[Any] = (), **more: Any) -> ModelProto:  # fmt: skip
    """A model of `nodes` from `x` to `y`, two batches of small images."""
    graph = helper.make_graph(
        [*nodes], "g", [*inputs], [*outputs], [*weights], sparse_initializer=more.pop("sparse", [])
    )
    opsets = [helper.make_opsetid("", opset), *imports]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10, **more)


def save(model: ModelProto, path: Path) -> Path:
    """Writes a model as it is: onnx.save would look after its tensors."""
    path.write_bytes(model.SerializeToString())
    return path


def endless_loop() -> ModelProto:
    """It takes any picture, and never answers."""
    body = helper.make_graph(
        [node("Identity", ["go"], ["on"]), node("Identity", ["v"], ["w"])],
        "body",
        [port("i", TensorProto.INT64, []), port("go", TensorProto.BOOL, []), port("v")],
        [port("on", TensorProto.BOOL, []), port("w")],
    )
    return make([node("Loop", ["", "yes", "x"], ["y"], body=body)], weights=[constant("yes", True, np.bool_)])


def nested_functions(count: int) -> ModelProto:
    """Functions that call one another, `count` deep."""
    own = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    functions = [
        helper.make_function("own", f"f{at}", ["a"], ["b"], [node(f"f{at + 1}", ["a"], ["b"], domain="own")], own)
        for at in range(count)
    ]
    functions.append(helper.make_function("own", f"f{count}", ["a"], ["b"], [node("Relu", ["a"], ["b"])], own))
    return make([node("f0", ["x"], ["y"], domain="own")], imports=own[1:], functions=functions)


def filled(elements: int) -> ModelProto:
    """It makes a tensor of so many ones each time that it runs, from a file of a few bytes."""
    one = helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])
    nodes = [
        node("ConstantOfShape", ["s"], ["c"], value=one),
        node("ReduceSum", ["c"], ["t"], keepdims=0),
        node("Add", ["x", "t"], ["y"]),
    ]
    return make(nodes, weights=[constant("s", [elements])])


def sparse_weight(elements: int) -> ModelProto:
    """A weight of so many elements, of which the file holds one."""
    values, places = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0]), constant("wi", [0])
    return make([node("ReduceSum", ["w"], ["t"], keepdims=0), node("Add", ["x", "t"], ["y"])],
                sparse=[helper.make_sparse_tensor(values, places, [elements])])  # fmt: skip


# an operator that archc does not write
HARMLESS = make([node("Exp", ["x"], ["y"])])
KINDS = {
    "numbers": ([node("Cast", ["x"], ["y"], to=TensorProto.INT8)], port("y", TensorProto.INT8)),
    "booleans": ([node("IsNaN", ["x"], ["y"])], port("y", TensorProto.BOOL)),
    "texts": ([node("Cast", ["x"], ["y"], to=TensorProto.STRING)], port("y", TensorProto.STRING)),
    "halves": ([node("Cast", ["x"], ["y"], to=TensorProto.FLOAT16)], port("y", TensorProto.FLOAT16)),
    "nothing in it": ([node("Slice", ["x", "zero", "zero"], ["y"])], port("y")),
    "a number": ([node("ReduceLogSum", ["x"], ["y"], keepdims=0)], port("y", TensorProto.FLOAT, [])),
    "a sequence": ([node("SequenceConstruct", ["x", "x"], ["y"])], helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)),
    "no value": (
        [node("Optional", [], ["y"], type=helper.make_tensor_type_proto(TensorProto.FLOAT, ["N"]))],
        helper.make_value_info("y", helper.make_optional_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, ["N"]))),
    ),
    "mappings": (
        [node("Flatten", ["x"], ["f"]), node("ZipMap", ["f"], ["y"], domain="ai.onnx.ml", classlabels_int64s=[*range(192)])],
        helper.make_value_info("y", helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, [])))),
    ),
}  # fmt: skip
