"""`archc profile`: onnxruntime's kernels are told by the steps and lines of the spec, and their arithmetic is the net's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from archc.runtime.outline import Outline, OutlineNode
from archc.runtime.profile import ceilings
from archc.runtime.profile.attribute import attribute_kernels
from archc.runtime.profile.record import KernelTime, count_macs, read_recording

from .program import program

SPEC = """archspec: 1
name: small
input: {image: [3, 16, 16]}
graph:
  - {name: stem, conv: {out: 8, kernel: 3, padding: 1}}
  - batch_norm:
  - relu:
  - name: join
    concat:
      - [{conv: {out: 8, kernel: 1}}, relu: ]
      - [{max_pool: {kernel: 3, stride: 1, padding: 1}}]
  - global_avg_pool:
  - {name: hidden, linear: 12}
  - tanh:
  - {name: head, linear: 5}
"""


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(
        SPEC.replace("[{conv: {out: 8, kernel: 1}}, relu: ]", "[{conv: {out: 8, kernel: 1}}, {relu: }]"), "utf-8"
    )
    return program(capsys)


def profile(run, model: str, *options: str) -> dict:
    ran = run("profile", model, "--runs", "2", "--format", "json", *options)
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def test_the_arithmetic_is_the_nets_and_every_node_is_covered_once(run):
    assert run("build", "small.yaml", "-o", "small.onnx", "--proof", "none").code == 0
    macs = json.loads(run("cost", "small.yaml", "--format", "json").out)["macs"]
    document = profile(run, "small.onnx", "--batch", "3", "--threads", "1")
    assert sum(row["macs"] for row in document["rows"]) == 3 * macs
    steps = {row["step"]: row for row in document["rows"]}
    assert steps["stem"]["line"] == "small.yaml:5" and steps["stem"]["covers"][0] == "stem"
    covered = [name for row in document["rows"] if row["step"] for name in row["covers"]]
    nodes = [node.name for node in onnx.load("small.onnx").graph.node]
    # a flatten may be left out of the optimised graph altogether
    assert set(covered) == set(nodes)
    assert document["run_ms"] > 0 and abs(sum(row["share"] for row in document["rows"]) - 1) < 1e-6


@pytest.mark.parametrize(("by", "keys"), [("block", {"stem", "join", "hidden", "head"}), ("op", {"Conv", "MaxPool"})])
def test_rows_are_added_up(run, by, keys):
    assert run("build", "small.yaml", "-o", "small.onnx", "--proof", "none").code == 0
    single, added = profile(run, "small.onnx"), profile(run, "small.onnx", "--by", by)
    assert keys <= {row[by] for row in added["rows"]}
    assert sum(row["macs"] for row in added["rows"]) == sum(row["macs"] for row in single["rows"])
    ran = run("profile", "small.onnx", "--by", by, "--runs", "1", "--top", "2")
    assert ran.code == 0 and "more take" in ran.out and "GFLOP/s" in ran.out
    assert ("Lines are those of small.yaml." in ran.out) == (by != "op")


ADDED = {
    "int8": ("--precision", "int8", "--calibrate", "inputs.npz"),
    "fp16": ("--precision", "fp16"),
}


@pytest.mark.parametrize("precision", ADDED)
def test_what_a_build_adds_is_told_by_the_step_that_it_is_for(run, precision):
    """The rounding behind a step, the flatten before one: none is a step or a block of its own."""
    np.savez("inputs.npz", image=np.random.default_rng(0).normal(size=(12, 3, 16, 16)).astype(np.float32))
    assert run("build", "small.yaml", "-o", "small.onnx", "--proof", "none", *ADDED[precision]).code == 0
    paths = {row["path"] for row in json.loads(run("cost", "small.yaml", "--format", "json").out)["layers"]}
    single, blocks = profile(run, "small.onnx"), profile(run, "small.onnx", "--by", "block")
    assert {row["step"] for row in single["rows"]} <= paths | {"", "image"}
    assert {row["block"] for row in blocks["rows"]} <= {path.partition(".")[0] for path in paths} | {"", "image"}
    (hidden,) = (row for row in single["rows"] if row["step"] == "hidden")
    assert "hidden/Flatten" in hidden["covers"] and hidden["line"] == "small.yaml:13"
    assert sum(row["share"] for row in blocks["rows"]) == pytest.approx(1)
    deeper = profile(run, "small.onnx", "--by", "block", "--depth", "2")
    assert {row["block"] for row in deeper["rows"]} <= {".".join(path.split(".")[:2]) for path in paths} | {"", "image"}
    assert len(deeper["rows"]) > len(blocks["rows"])
    assert run("profile", "small.onnx", "--depth", "2").code == 2


def test_a_model_from_elsewhere_is_profiled_in_a_process_of_its_own(run):
    assert run("build", "small.yaml", "-o", "small.onnx", "--proof", "none").code == 0
    model = onnx.load("small.onnx")
    del model.metadata_props[:]
    model.graph.doc_string = "from elsewhere"
    onnx.save(model, "other.onnx")
    assert {row["step"] for row in profile(run, "other.onnx")["rows"]} >= {"stem", "head"}


@pytest.mark.parametrize(
    ("op", "inputs", "output", "macs"),
    [
        ("Conv", [[1, 4, 8, 8], [6, 2, 3, 3], [6]], [1, 6, 8, 8], 6 * 64 * 2 * 9),
        ("QLinearConv", [[1, 4, 8, 8], [1], [1], [6, 4, 1, 1], [1]], [1, 6, 8, 8], 6 * 64 * 4),
        # the weight is packed, and its scales are in its place
        ("QLinearConv", [[1, 8, 8, 4], [], [], [6], [6], [], [], [6]], [1, 8, 8, 6], 0),
        ("Gemm", [[2, 7], [5, 7], [5]], [2, 5], 70),
        ("Gemm", [[2, 7], [7, 5], [5]], [2, 5], 70),
        ("MatMul", [[3, 2, 7], [3, 7, 5]], [3, 2, 5], 210),
        ("Relu", [[1, 4]], [1, 4], 0),
        ("Conv", [], [1, 4], 0),
    ],
)
def test_multiply_accumulates(op, inputs, output, macs):
    facts = {"input_type_shape": [{"float": each} for each in inputs], "output_type_shape": [{"float": output}]}
    assert count_macs(op, facts) == macs


def test_the_first_runs_are_left_out():
    def node(at: int, duration: int) -> dict:
        return {
            "cat": "Node",
            "name": "a_kernel_time",
            "ts": at,
            "dur": duration,
            "args": {"op_name": "Relu", "node_index": "0"},
        }

    runs = [
        {"cat": "Session", "name": "model_run", "ts": at, "dur": dur} for at, dur in ((10, 900), (1000, 30), (2000, 50))
    ]
    found = read_recording([*runs, node(11, 800), node(1001, 20), node(2001, 40)], {"a": ("a",)}, 1)
    assert found.run_seconds == pytest.approx(40e-6) and found.kernels[0].seconds == pytest.approx(30e-6)


def outline_of(*nodes: tuple[str, str, list[str], str]) -> Outline:
    """An outline of nodes, each a name, an operator, inputs and one output."""
    found = Outline()
    for name, kind, inputs, output in nodes:
        node = OutlineNode(name, kind, tuple(inputs), (output,), {}, f"net.yaml:{len(found.nodes) + 1}")
        found.nodes.append(node)
        found.producers[output] = node
    return found


CHAIN = outline_of(("conv", "Conv", ["x", "w"], "conv"), ("bn", "BatchNormalization", ["conv"], "bn"), ("relu", "Relu", ["bn"], "relu"),
                   ("pool", "MaxPool", ["relu"], "pool"))  # fmt: skip


@pytest.mark.parametrize(
    ("kernels", "told"),
    [
        # a fusion is told by its convolution, with all that it covers
        ([("relu_nchwc", "Conv", ("relu",)), ("pool", "MaxPool", ("pool",))], [("conv", ("conv", "bn", "relu")), ("pool", ("pool",))]),
        # a change of layout has no node of its own: it is told by who made the value
        ([("relu_nchwc", "Conv", ("relu",)), ("r", "ReorderOutput", ("relu",)), ("pool", "MaxPool", ("pool",))],
         [("conv", ("conv", "bn", "relu")), ("conv", ("conv",)), ("pool", ("pool",))]),
        # what makes a value that the file does not know is told by its own name, or not at all
        ([("relu", "Relu", ("token",)), ("in", "ReorderInput", ("token2",)), ("pool", "MaxPool", ("pool",))],
         [("relu", ("conv", "bn", "relu")), ("", ()), ("pool", ("pool",))]),
        # names that onnxruntime makes of those of the file: in float32 instead of half floats, and with channels last
        ([("InsertedPrecisionFreeCast_relu_nchwc", "Conv", ("InsertedPrecisionFreeCast_relu",)), ("pool_token_9", "NhwcMaxPool", ("pool_token_8",))],
         [("conv", ("conv", "bn", "relu")), ("pool", ("pool",))]),
        ([("conv_token_2", "QLinearConv", ("conv_token_1",)), ("pool", "NhwcMaxPool", ("odd_token_1",)), ("_token_3", "Transpose", ("_token_4",))],
         [("conv", ("conv",)), ("pool", ("bn", "relu", "pool")), ("", ())]),
    ],
)  # fmt: skip
def test_kernels_are_told_by_steps(kernels, told):
    found = attribute_kernels([KernelTime(name, op, "", 1.0, values, 0, 0) for name, op, values in kernels], CHAIN)
    assert [(each.step, each.covers) for each in found][: len(told)] == [*told]


@pytest.mark.parametrize(("name", "op", "inputs"), [("MATMUL", "MatMul", ["a", "b"]), ("NEGATE", "Neg", ["a"])])
def test_the_models_of_the_ceilings_are_what_they_say(name, op, inputs):
    values = [helper.make_tensor_value_info(each, TensorProto.FLOAT, None) for each in (*inputs, "c")]
    graph = helper.make_graph([helper.make_node(op, inputs, ["c"])], op, values[:-1], values[-1:])
    wanted = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    assert onnx.load_from_string(getattr(ceilings, name)) == wanted


def test_bad_requests(run):
    assert run("build", "small.yaml", "-o", "small.onnx", "--proof", "none").code == 0
    assert run("profile", "nothing.onnx").code == 2
    ran = run("profile", "small.onnx", "--runs", "0")
    assert ran.code == 2 and "--runs" in ran.err


@pytest.mark.parametrize(("device", "shown"), [("cuda", "cuda"), ("gpu", "cuda"), ("tensorrt", "tensorrt")])
def test_a_profile_on_a_gpu_is_refused_with_what_to_do_instead(run, device, shown):
    ran = run("profile", "small.onnx", "--device", device)
    assert ran.code == 2 and "launched" in ran.err
    assert f"archc bench small.onnx --device {shown}" in ran.err and "nsys profile" in ran.err
