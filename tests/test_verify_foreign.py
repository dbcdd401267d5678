"""`archc verify A B` of models from elsewhere: whatever element types, shapes and values they have, and where the first difference is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from archc.build.proof.agreement import difference

from .program import program

F, I64, BOOL, TEXT = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING
node, port = helper.make_node, helper.make_tensor_value_info
ROW = [port("x", F, ["N", 4])]
DOUBLED = helper.make_graph([node("Add", ["a", "a"], ["t"])], "then", [], [port("t", F, None)])
NEGATED = helper.make_graph([node("Neg", ["a"], ["t"])], "else", [], [port("t", F, None)])
# a constant k is 1 in one model and 2 in the other: the nodes, what they take and give, and the first value that differs;
# "" where the two agree, or words of why they cannot be compared
MODELS = {
    "one number": ([node("Mul", ["x", "k"], ["a"]), node("ReduceSum", ["a"], ["y"], keepdims=0)], ROW, [port("y", F, [])], "a"),
    "true and false": ([node("Greater", ["k", "one"], ["a"]), node("Greater", ["x", "x"], ["b"]), node("Or", ["a", "b"], ["y"])],
                       ROW, [port("y", BOOL, ["N", 4])], "a"),
    "places": ([node("Cast", ["k"], ["a"], to=I64), node("ArgMax", ["x"], ["b"], axis=1), node("Mul", ["a", "b"], ["y"])],
               ROW, [port("y", I64, ["N", 1])], "a"),
    "no row": ([node("Mul", ["x", "x"], ["a"]), node("Neg", ["k"], ["b"]), node("Less", ["a", "b"], ["c"]), node("NonZero", ["c"], ["d"]),
                node("Transpose", ["d"], ["y"])], ROW, [port("y", I64, ["M", 2])], ""),
    "not a number in both": ([node("Neg", ["k"], ["a"]), node("Log", ["a"], ["b"]), node("Add", ["x", "b"], ["y"])], ROW, [port("y", F, ["N", 4])], ""),
    "infinite in one": ([node("Greater", ["k", "one"], ["a"]), node("Cast", ["a"], ["b"], to=F), node("Div", ["one", "b"], ["c"]),
                         node("Add", ["x", "c"], ["y"])], ROW, [port("y", F, ["N", 4])], "a"),
    "a table": ([node("Gather", ["table", "i"], ["a"]), node("Mul", ["a", "k"], ["y"])], [port("i", I64, ["N", 3])], [port("y", F, ["N", 3, 2])], "y"),
    "one number a row": ([node("Mul", ["x", "k"], ["y"])], [port("x", F, ["N"])], [port("y", F, ["N"])], "y"),
    "a number alone": ([node("Mul", ["x", "k"], ["y"])], [port("x", F, [])], [port("y", F, [])], "y"),
    "first sizes of their own": ([node("MatMul", ["u", "v"], ["a"]), node("Mul", ["a", "k"], ["y"])],
                                 [port("u", F, [2, 4]), port("v", F, [4, 3])], [port("y", F, [2, 3])], "y"),
    "a graph inside a node": ([node("Mul", ["x", "k"], ["a"]), node("If", ["yes"], ["b"], then_branch=DOUBLED, else_branch=NEGATED),
                               node("Neg", ["b"], ["y"])], ROW, [port("y", F, ["N", 4])], "a"),
    "an output before another that agrees": ([node("Neg", ["x"], ["a"]), node("Mul", ["a", "k"], ["left"]), *(node("Neg", [f"b{at}" if at else "a"], [f"b{at + 1}"])
                               for at in range(6))], ROW, [port("left", F, ["N", 4]), port("b6", F, ["N", 4])], "left"),
    "a list": ([node("SplitToSequence", ["x"], ["y"], axis=1)], ROW, [helper.make_tensor_sequence_value_info("y", F, None)], "no array of numbers"),
    "texts": ([node("Identity", ["s"], ["y"])], [port("s", TEXT, ["N", 3])], [port("y", TEXT, ["N", 3])], "cannot be drawn"),
    "an open size": ([node("Mul", ["x", "k"], ["y"])], [port("x", F, ["N", "M"])], [port("y", F, ["N", "M"])], "cannot be drawn"),
    "numbers that it does not take": ([node("Cast", ["x"], ["a"], to=I64), node("Gather", ["table", "a"], ["y"])], ROW, [port("y", F, None)], "stopped while it ran"),
}  # fmt: skip


def write(path: Path, name: str, k: float) -> str:
    nodes, inputs, outputs, _ = MODELS[name]
    arrays = {"k": np.float32(k), "one": np.float32(1), "yes": np.array(True), "table": np.eye(2, dtype=np.float32)}
    read = {each for n in nodes for each in n.input}
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items() if name in read]
    graph = helper.make_graph(nodes, "g", inputs, outputs, tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return str(path)


@pytest.mark.parametrize("name", MODELS)
def test_models_from_elsewhere_are_compared(name, capsys, tmp_path):
    run, first = program(capsys), MODELS[name][-1]
    paths = [write(tmp_path / f"{k}.onnx", name, k) for k in (1, 2)]
    ran = run("verify", *paths, "--trust", "--format", "json")
    document = json.loads(ran.out)
    if " " in first:
        assert ran.code == 1 and first in document["error"]["message"], ran.err
        return
    assert document["ok"] is (first == "") and ran.code == (0 if first == "" else 1)
    assert (document["first"] or {"value": ""})["value"] == first


@pytest.mark.parametrize("place", ["data.bin", "below/data.bin"])
def test_data_beside_a_model(place, capsys, tmp_path):
    run = program(capsys)
    paths = [write(tmp_path / f"{k}.onnx", "a table", k) for k in (1, 2)]
    (tmp_path / place).parent.mkdir(exist_ok=True)
    onnx.save(onnx.load(paths[1]), paths[1], save_as_external_data=True, location=place, size_threshold=0)
    ran = run("verify", *paths, "--trust", "--format", "json")
    assert ran.code == 1 and json.loads(ran.out)["first"]["value"] == "y", ran.err
    (tmp_path / place).unlink()
    ran = run("verify", *paths, "--trust")
    assert ran.code == 1 and "data.bin" in ran.err and "os-error" not in ran.err


@pytest.mark.parametrize(
    ("found", "reference", "gap"),
    [
        (np.array([3, 0], np.uint8), np.array([5, 9], np.uint8), 9),
        (np.array([-128], np.int8), np.array([127], np.int8), 255),
        (np.array([True]), np.array([False]), 1),
        (np.array([6e4], np.float16), np.array([-6e4], np.float16), 120_000),
        (np.array([np.inf, np.nan]), np.array([np.inf, np.nan]), 0),
        (np.array([np.inf, 1.0]), np.array([-np.inf, 1.0]), np.inf),
        (np.array([1.0, np.nan]), np.array([1.0, 2.0]), np.inf),
        (np.array([1.0, 2.0]), np.array([1.0, np.inf]), np.inf),
    ],
)
def test_the_difference_of_numbers_of_any_type(found, reference, gap):
    absolute, relative = difference(found, reference)
    assert absolute == pytest.approx(gap) and (relative > 0) is (gap > 0)
