"""Models from elsewhere: what can be served is, and the rest is refused with its reason, never by an error of onnxruntime or of ours."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from archc.runtime import RuntimeFault, Session

from .session_calls import fault, photos


def foreign(path: Path, inputs: dict, outputs: dict, nodes: list, constants=()) -> Session:
    """A model from elsewhere; ports are (element type, shape) by name."""
    ports = [
        [helper.make_tensor_value_info(name, *port) for name, port in which.items()] for which in (inputs, outputs)
    ]
    graph = helper.make_graph(nodes, "g", *ports, list(constants))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return Session(path, device="cpu")


IMAGE = {"x": (TensorProto.FLOAT, ["N", 3, 8, 8])}
POOL = helper.make_node("GlobalAveragePool", ["x"], ["p"])
FLAT = helper.make_node("Flatten", ["p"], ["f"])


def test_a_picture_of_any_size_wants_an_array(tmp_path):
    session = foreign(
        tmp_path / "a.onnx",
        {"x": (TensorProto.FLOAT, ["N", 3, "H", "W"])},
        {"p": (TensorProto.FLOAT, ["N", 3, 1, 1])},
        [POOL],
    )
    found = fault(lambda: next(session.predict(photos(1))))
    assert found.code == "image-unreadable" and "(3, H, W)" in found.message
    Image.fromarray(photos(1)[0]).save(tmp_path / "a.png")
    found = fault(lambda: next(session.predict(tmp_path / "a.png")))
    assert found.code == "not-an-image-model" and "(N, 3, H, W)" in found.message and ".npy" in found.help
    arrays = [np.full((3, h, w), h, np.float32) for h, w in ((4, 5), (9, 2))]
    assert [each.outputs["p"].ravel().tolist() for each in session.predict(arrays, batch=8)] == [[4.0] * 3, [9.0] * 3]
    np.save(tmp_path / "a.npy", arrays[1])
    assert next(session.predict(tmp_path / "a.npy")).outputs["p"][0, 0, 0] == 9
    assert fault(lambda: session.preprocess).code == "not-an-image-model"


@pytest.mark.parametrize("shape", [["N", 10], ["N", 2, 5], ["N", 2, 1, 5], ["N", 1, 2, 1, 5], [4, 10]])
def test_rows_are_given_in_every_way(tmp_path, shape):
    port = {"x": (TensorProto.FLOAT, shape)}
    relu = [helper.make_node("Relu", ["x"], ["y"])]
    session = foreign(tmp_path / "a.onnx", port, {"y": port["x"]}, relu)
    batch = np.arange(20, dtype=np.float32).reshape(2, *shape[1:])
    np.save(tmp_path / "a.npy", batch[1])
    content = (tmp_path / "a.npy").read_bytes()
    for given in (batch, [batch], [*batch], iter(batch)):
        found = [*session.predict(given)]
        assert len(found) == 2 and all((each.outputs["y"] == row).all() for each, row in zip(found, batch, strict=True))
    with (tmp_path / "a.npy").open("rb") as file:
        for given in (
            batch[1],
            tmp_path / "a.npy",
            str(tmp_path / "a.npy"),
            content,
            bytearray(content),
            io.BytesIO(content),
            file,
        ):
            (found,) = session.predict(given)
            assert (found.outputs["y"] == batch[1]).all()


@pytest.mark.parametrize("shape", [[10], ["N"], []])
def test_an_input_without_a_dimension_for_pictures(tmp_path, shape):
    port = {"x": (TensorProto.FLOAT, shape)}
    session = foreign(tmp_path / "a.onnx", port, {"y": port["x"]}, [helper.make_node("Relu", ["x"], ["y"])])
    Image.fromarray(photos(1)[0]).save(tmp_path / "a.png")
    for given in (np.ones(10, np.float32), [np.float32(1)], np.ones((2, 10), np.float32), tmp_path / "a.png"):
        found = fault(lambda given=given: [*session.predict(given)])
        assert found.code == "not-an-image-model" and "no dimension for pictures" in found.message
        assert found.help == "use Session.run"


def test_an_input_of_any_shape_is_no_single_number(tmp_path):
    """onnxruntime says the same of both; the file does not."""
    relu = [helper.make_node("Relu", ["x"], ["y"])]
    session = foreign(tmp_path / "a.onnx", {"x": (TensorProto.FLOAT, None)}, {"y": (TensorProto.FLOAT, None)}, relu)
    for shape in ((), (5,), (2, 3, 4, 4)):
        assert session.run(np.full(shape, 2, np.float32))["y"].shape == shape
    assert "x float32 (any shape)" in repr(session) and fault(session.run, np.zeros(3)).code == "wrong-input"
    arrays = [np.ones((2, 3), np.float32), np.ones(4, np.float32)]
    assert [each.outputs["y"].shape for each in session.predict(arrays)] == [(2, 3), (4,)]
    Image.fromarray(photos(1)[0]).save(tmp_path / "a.png")
    found = fault(lambda: next(session.predict(tmp_path / "a.png")))
    assert found.code == "not-an-image-model" and "any shape" in found.message
    single = foreign(tmp_path / "b.onnx", {"x": (TensorProto.FLOAT, [])}, {"y": (TensorProto.FLOAT, [])}, relu)
    assert single.run(np.float32(3))["y"] == 3
    assert fault(single.run, np.ones(3, np.float32)).code == "wrong-input"


@pytest.mark.parametrize("shape", [["N", 8, 8, 3], ["N", 3, 0, 8], ["N", 5], ["N", 3, 8, 8, 8], [3, 8, 8]])
def test_inputs_that_are_no_pictures(tmp_path, shape):
    session = foreign(
        tmp_path / "a.onnx",
        {"x": (TensorProto.FLOAT, shape)},
        {"y": (TensorProto.FLOAT, shape)},
        [helper.make_node("Relu", ["x"], ["y"])],
    )
    Image.fromarray(photos(1)[0]).save(tmp_path / "a.png")
    assert fault(lambda: next(session.predict(tmp_path / "a.png"))).code == "not-an-image-model"
    if 0 not in shape:
        array = np.ones([1 if d == "N" else d for d in shape], np.float32)
        assert session.run(array)["y"].shape == array.shape


@pytest.mark.parametrize("kind, numpy_kind", [(TensorProto.FLOAT16, "float16"), (TensorProto.DOUBLE, "float64")])
def test_floats_of_other_widths(tmp_path, kind, numpy_kind):
    axes = onnx.numpy_helper.from_array(np.array([2, 3]), "axes")
    mean = helper.make_node("ReduceMean", ["x", "axes"], ["f"], keepdims=0)
    foreign(tmp_path / "a.onnx", {"x": (kind, ["N", 3, 8, 8])}, {"f": (kind, ["N", 3])}, [mean], [axes])
    session = Session(tmp_path / "a.onnx", device="cpu", labels=["a", "b", "c"])
    assert session.inputs["x"].dtype == numpy_kind
    assert sum(found.probability for found in session.classify(photos(1))[0].top) == pytest.approx(1, abs=1e-2)


@pytest.mark.parametrize("kind, nodes", [
    (TensorProto.BOOL, [POOL, FLAT, helper.make_node("Cast", ["f"], ["y"], to=TensorProto.BOOL)]),
    (TensorProto.STRING, [POOL, FLAT, helper.make_node("Cast", ["f"], ["y"], to=TensorProto.STRING)]),
    (TensorProto.INT64, [POOL, FLAT, helper.make_node("Cast", ["f"], ["y"], to=TensorProto.INT64)]),
])  # fmt: skip
def test_outputs_of_other_types_are_no_classes(tmp_path, kind, nodes):
    session = foreign(tmp_path / "a.onnx", IMAGE, {"y": (kind, ["N", 3])}, nodes)
    assert fault(session.classify, photos(1)).code == "not-a-classifier"
    assert fault(session.logits, np.zeros((1, 3, 8, 8), np.float32)).code == "not-a-classifier"
    assert next(session.predict(photos(1))).outputs["y"].shape == (3,)


def test_a_sequence_is_no_array(tmp_path):
    nodes = [helper.make_node("SequenceConstruct", ["x", "x"], ["s"])]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", *IMAGE["x"])],
        [helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), tmp_path / "a.onnx")
    session = Session(tmp_path / "a.onnx", device="cpu")
    assert len(session.run(np.zeros((1, 3, 8, 8), np.float32))["s"]) == 2 and "seq(tensor(float))" in repr(session)
    assert fault(lambda: next(session.predict(photos(1)))).code == "not-an-image-model"
    assert fault(lambda: next(session.predict(photos(1), ["s"]))).code == "not-an-image-model"
    assert fault(session.classify, photos(1)).code == "not-a-classifier"


@pytest.mark.parametrize("axis, count, rows", [(0, 2, "1 row"), (None, 1, "no rows")])
def test_rows_that_are_not_the_pictures(tmp_path, axis, count, rows):
    node = helper.make_node(
        "ReduceSum", ["x", "axes"] if axis is not None else ["x"], ["y"], keepdims=int(axis is not None)
    )
    axes = [onnx.numpy_helper.from_array(np.array([0]), "axes")] if axis is not None else []
    shape = ["M", 3, 8, 8] if axis is not None else []
    session = foreign(tmp_path / "a.onnx", IMAGE, {"y": (TensorProto.FLOAT, shape)}, [node], axes)
    found = fault(lambda: [*session.predict(photos(count))])
    assert found.code == "not-an-image-model" and rows in found.message
    assert "Session.run" in found.help and ("--batch 1" in found.help) == (axis is not None)
    assert len([*session.predict(photos(count), batch=1)]) == count if axis is not None else True


@pytest.mark.parametrize("count", [1, 2])
def test_rows_that_are_always_as_many(tmp_path, count):
    """One picture at a time would not change that, so nobody is told to try it."""
    constant = helper.make_node("Constant", [], ["y"], value=onnx.numpy_helper.from_array(np.ones((4, 3), np.float32)))
    session = foreign(tmp_path / "a.onnx", IMAGE, {"y": (TensorProto.FLOAT, [4, 3])}, [constant])
    found = fault(lambda: [*session.predict(photos(count))])
    assert "4 rows" in found.message and "Session.run" in found.help and "batch" not in found.help


def test_no_classes_at_all(tmp_path):
    empty = onnx.numpy_helper.from_array(np.zeros((3, 0), np.float32), "w")
    session = foreign(
        tmp_path / "a.onnx",
        IMAGE,
        {"y": (TensorProto.FLOAT, ["N", 0])},
        [POOL, FLAT, helper.make_node("MatMul", ["f", "w"], ["y"])],
        [empty],
    )
    assert fault(session.classify, photos(1)).code == "not-a-classifier"
    assert fault(session.logits, np.zeros((1, 3, 8, 8), np.float32)).code == "not-a-classifier"


def test_where_onnxruntime_stops_is_said_in_our_words(tmp_path):
    shape = onnx.numpy_helper.from_array(np.array([7, 7]), "shape")
    session = foreign(
        tmp_path / "a.onnx",
        IMAGE,
        {"y": (TensorProto.FLOAT, [None, None])},
        [helper.make_node("Reshape", ["x", "shape"], ["y"], name="fold")],
        [shape],
    )
    found = fault(session.run, np.zeros((1, 3, 8, 8), np.float32))
    assert found.code == "run-failed" and "`fold` (Reshape)" in found.message and found.__cause__


def test_names_do_not_disturb_a_terminal(tmp_path):
    name = "x\x1b[31m\n"
    node = helper.make_node("Relu", [name], ["y"])
    session = foreign(tmp_path / "a.onnx", {name: IMAGE["x"]}, {"y": IMAGE["x"]}, [node])
    assert "\x1b" not in repr(session) and len(repr(session).splitlines()) == 3


SHAPES = [
    ["N", 3, 8, 8], [1, 3, 8, 8], [4, 3, 8, 8], ["N", 1, 8, 8], ["N", 4, 8, 8], ["N", 3, "H", "W"], [None] * 4, ["N"], [], ["N", 0],
    ["N", 3, 0, 0], ["N", 8, 8, 3], [3, 8, 8], ["N"] * 4, None,
]  # fmt: skip
KINDS = ("FLOAT", "FLOAT16", "DOUBLE", "UINT8", "INT64", "BOOL", "STRING", "BFLOAT16")
METADATA = [
    {"archc.scores": "[1]"}, {"archc.scores": "{}"}, {"archc.labels": "[null]"}, {"archc.probabilities": '["y"]'},
    *({"archc.preprocess": json.dumps(stated)} for stated in (
        {"mean": [10**400]}, {"scale": 10**400}, {"crop": [8, 8], "resize": 1}, {"crop": 10**30}, {"std": [1e-320]}, {"color": ["x"]},
        {"interpolation": {}}, {"resize": True}, {"mean": []}))
]  # fmt: skip


ODD = [*((kind, {}, shape) for kind in KINDS for shape in SHAPES), *(("FLOAT", meta, SHAPES[0]) for meta in METADATA)]


@pytest.mark.parametrize("kind, meta, shape", ODD, ids=str)
def test_nothing_but_a_fault_comes_of_an_odd_model(tmp_path, monkeypatch, kind, meta, shape):
    monkeypatch.chdir(tmp_path)
    ports = [helper.make_tensor_value_info(name, getattr(TensorProto, kind), shape) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", ports[:1], ports[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, meta)
    onnx.save(model, "a.onnx")
    Image.new("RGB", (9, 9)).save("a.png")
    np.save("a.npy", np.zeros((3, 8, 8), np.float32))
    batch = np.zeros((1, 3, 8, 8), np.float32)
    try:
        session = Session("a.onnx", device="cpu", threads=1)
    except RuntimeFault:
        return
    assert "x" in repr(session)
    pictures = ["a.png", "a.npy", np.zeros((9, 9, 3), np.uint8), batch, b"x", {"x": "a.png"}, {"z": "a.png"}]
    calls = [
        (call, picture)
        for picture in pictures
        for call in (session.classify, lambda p: [*session.predict(p, errors="keep")])
    ]
    calls += [
        (call, each)
        for each in (batch, {}, [1.0], batch[:0])
        for call in (session.run, session.logits, session.probabilities)
    ]
    calls += [(lambda _: session.preprocess, None), (lambda _: session.nodes_by_provider(), None)]
    messages = []
    for call, argument in calls:
        try:
            call(argument)
        except RuntimeFault as found:
            messages.append(found.message)
    assert not [each for each in messages if "ONNXRuntimeError" in each]
