"""Which models are opened in this process: those that hold nothing but what archc writes."""

from __future__ import annotations

import contextlib
import os
import shutil

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, ModelProto, TensorProto, helper

import archc
from archc.runtime import Session, outline, trust, wire
from archc.runtime.artifact import open_artifact
from archc.runtime.inference import Engine
from archc.runtime.remote import RemoteEngine

from .foreign_models import constant, make, node, port, save
from .session_calls import fault

SPEC = """
archspec: 1
name: small
input: {image: [3, 8, 8]}
graph:
  - {conv: {out: 4, kernel: 3, padding: 1}, name: c}
  - relu
  - {max_pool: {kernel: 2}, name: p}
  - global_avg_pool
  - {linear: 2, name: fc}
"""
PICTURE = np.ones((1, 3, 8, 8), np.float32)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> bytes:
    folder = tmp_path_factory.mktemp("built")
    (folder / "small.yaml").write_text(SPEC, "utf-8")
    archc.load(folder / "small.yaml").export_onnx(folder / "small.onnx")
    return (folder / "small.onnx").read_bytes()


def node_of(model: ModelProto, kind: str) -> onnx.NodeProto:
    return next(each for each in model.graph.node if each.op_type == kind)


def attribute(model: ModelProto, kind: str, name: str, value: object) -> None:
    """Sets an attribute of the first node of a kind."""
    changed = node_of(model, kind)
    kept = [each for each in changed.attribute if each.name != name]
    del changed.attribute[:]
    changed.attribute.extend([*kept, helper.make_attribute(name, value)])


def relu(model: ModelProto, *inputs: str, kind: str = "Relu", **attributes: object) -> None:
    """Puts another node in the place of the relu."""
    old = node_of(model, "Relu")
    old.CopyFrom(helper.make_node(kind, inputs or old.input, old.output, **attributes))


def weight(model: ModelProto, values: object, kind: type = np.float32, name: str = "new") -> str:
    model.graph.initializer.append(constant(name, values, kind))
    return name


def functions(model: ModelProto) -> None:
    model.functions.append(
        helper.make_function("own", "f", ["a"], ["b"], [node("Relu", ["a"], ["b"])], [helper.make_opsetid("", 20)])
    )


def subgraph(model: ModelProto) -> None:
    body = helper.make_graph([node("Relu", ["a"], ["b"])], "b", [port("a")], [port("b")])
    attribute(model, "Relu", "body", body)


def other_numbers(model: ModelProto) -> None:
    """The same weight in the field for floats."""
    tensor = model.graph.initializer[0]
    tensor.float_data.extend(onnx.numpy_helper.to_array(tensor).ravel().tolist())
    tensor.ClearField("raw_data")


def twice(model: ModelProto) -> None:
    node_of(model, "Conv").attribute.append(helper.make_attribute("group", 3))


def without_value(model: ModelProto) -> None:
    node_of(model, "Conv").attribute.append(AttributeProto(name="group", type=AttributeProto.INT))


def batch_squared(model: ModelProto) -> None:
    """(N, 1) times (1, N): of one image it is one number."""
    flat, sizes = weight(model, [-1, 1], np.int64, "column"), weight(model, [1, -1], np.int64, "row")
    model.graph.node.extend([
        node("ReduceSum", ["image", weight(model, [3], np.int64, "a3")], ["r3"], keepdims=0),
        node("ReduceSum", ["r3", weight(model, [2], np.int64, "a2")], ["r2"], keepdims=0),
        node("ReduceSum", ["r2", weight(model, [1], np.int64, "a1")], ["r1"], keepdims=0),
        node("Reshape", ["r1", flat], ["n1"]), node("Reshape", ["r1", sizes], ["1n"]), node("Mul", ["n1", "1n"], ["nn"]),
    ])  # fmt: skip


CHANGES = {
    "a function": functions, "a subgraph": subgraph, "numbers in another field": other_numbers, "an attribute twice": twice,
    "an attribute without a value": without_value,
    "a domain": lambda m: setattr(node_of(m, "Relu"), "domain", "com.microsoft"),
    "an overload": lambda m: setattr(node_of(m, "Relu"), "overload", "x"),
    "a sparse weight": lambda m: m.graph.sparse_initializer.append(helper.make_sparse_tensor(constant("w", [1.0], np.float32), constant("wi", [0]), [9])),
    "a training graph": lambda m: m.training_info.add(),
    "a quantized value": lambda m: m.graph.quantization_annotation.add(),
    "facts of a node": lambda m: node_of(m, "Relu").metadata_props.add(),
    "a text of the graph": lambda m: setattr(m.graph, "doc_string", "x"),
    "a domain of the model": lambda m: setattr(m, "domain", "x"),
    "another operator": lambda m: relu(m, kind="Exp"),
    "another attribute": lambda m: attribute(m, "Conv", "auto_pad", "SAME_UPPER"),
    "an attribute of another type": lambda m: attribute(m, "Conv", "group", 1.0),
    "a tensor as an attribute": lambda m: attribute(m, "Conv", "group", constant("t", [1])),
    "two opsets": lambda m: m.opset_import.append(helper.make_opsetid("own", 1)),
    "a later opset": lambda m: setattr(m.opset_import[0], "version", 9999),
    "an older opset": lambda m: setattr(m.opset_import[0], "version", 9),
    "no opset": lambda m: m.opset_import.pop(),
    "a weight of another type": lambda m: weight(m, [1.0], np.float64),
    "a weight that is a text": lambda m: m.graph.initializer.append(helper.make_tensor("s", TensorProto.STRING, [1], [b"x"])),
    "a weight with too few bytes": lambda m: m.graph.initializer[0].dims.append(2),
    "a negative size": lambda m: m.graph.initializer[0].dims.extend([-1, -1]),
    "a weight called as a value": lambda m: weight(m, [1.0], name=node_of(m, "Relu").output[0]),
    "a weight that is an input": lambda m: m.graph.input.append(port(m.graph.initializer[0].name)),
    "two values of one name": lambda m: m.graph.node.append(node("Relu", [m.graph.node[0].output[0]], [m.graph.node[1].output[0]])),
    "two outputs of a node": lambda m: node_of(m, "Relu").output.append("more"),
    "an input that nothing makes": lambda m: relu(m, "nowhere"),
    "an output that nothing makes": lambda m: m.graph.output.append(port("nowhere")),
    "a value before its node": lambda m: m.graph.node.insert(0, node("Relu", [m.graph.node[1].output[0]], ["early"])),
    "an input too many": lambda m: node_of(m, "Relu").input.append("image"),
    "an input too few": lambda m: node_of(m, "MaxPool").input.pop(),
    "an input that is no tensor": lambda m: m.graph.input.append(helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None)),
    "an input of no size": lambda m: m.graph.input.append(port("z", shape=[1, 0])),
    "no group": lambda m: attribute(m, "Conv", "group", 0),
    "other groups": lambda m: attribute(m, "Conv", "group", 2),
    "no stride": lambda m: attribute(m, "Conv", "strides", [0, 1]),
    "a negative pad": lambda m: attribute(m, "Conv", "pads", [-1, 0, 0, 0]),
    "another kernel than the weight's": lambda m: attribute(m, "Conv", "kernel_shape", [1, 1]),
    "one stride": lambda m: attribute(m, "Conv", "strides", [1]),
    "no kernel": lambda m: node_of(m, "MaxPool").ClearField("attribute"),
    "a kernel of nothing": lambda m: attribute(m, "MaxPool", "kernel_shape", [0, 0]),
    "a window larger than the map": lambda m: attribute(m, "MaxPool", "kernel_shape", [99, 99]),
    "pads that fill the window": lambda m: attribute(m, "MaxPool", "pads", [2, 2, 2, 2]),
    "huge pads of a convolution": lambda m: attribute(m, "Conv", "pads", [2**20] * 4),
    "huge strides": lambda m: attribute(m, "Conv", "pads", [2**62] * 4),
    "an axis that is not there": lambda m: relu(m, kind="Softmax", axis=7),
    "dimensions that are not there": lambda m: relu(m, kind="Transpose", perm=[0, 1, 2, 7]),
    "a reshape to more": lambda m: relu(m, "image", weight(m, [1, 4, 999, 999], np.int64), kind="Reshape"),
    "a reshape to a computed shape": lambda m: relu(m, "image", "image", kind="Reshape"),
    "a pad without end": lambda m: relu(m, "image", weight(m, [0, 0, 0, 0, 0, 0, 2**20, 2**20], np.int64), kind="Pad"),
    "an enlargement without end": lambda m: relu(m, "image", "", weight(m, [1, 1, 60000, 60000]), kind="Resize"),
    "an outer product": lambda m: relu(m, weight(m, np.ones((40000, 1))), weight(m, np.ones((1, 40000)), name="b"), kind="Mul"),
    "an outer product of matrices": lambda m: relu(m, weight(m, np.ones((40000, 1))), weight(m, np.ones((1, 40000)), name="b"), kind="MatMul"),
    "a doubling": lambda m: m.graph.node.extend(node("Concat", [f"d{i}" if i else "image"] * 2, [f"d{i + 1}"], axis=1) for i in range(40)),
    "much work": lambda m: m.graph.node.append(node("LRN", ["image"], ["lrn"], size=2**40 + 1, alpha=1.0, beta=1.0, bias=1.0)),
    "an integer input": lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", TensorProto.INT64),
    "an integer output": lambda m: setattr(m.graph.output[0].type.tensor_type, "elem_type", TensorProto.INT64),
    "an output of no type": lambda m: m.graph.output[0].type.tensor_type.ClearField("elem_type"),
    "a quotient of integers": lambda m: relu(m, weight(m, [-(2**63)], np.int64), weight(m, [-1], np.int64, "b"), kind="Div"),
    "an activation of integers": lambda m: relu(m, weight(m, [1], np.int64), kind="Identity"),
    "a reshape to floats": lambda m: relu(m, "image", weight(m, [0, -1]), kind="Reshape"),
    "a choice by floats": lambda m: relu(m, "image", weight(m, [0.0]), kind="Gather", axis=1),
    "an enlargement by integers": lambda m: relu(m, "image", "", weight(m, [1, 1, 2, 2], np.int64), kind="Resize"),
    "an open height": lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[2], "dim_param", "H"),
    "a batch in two dimensions": lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[2], "dim_param", m.graph.input[0].type.tensor_type.shape.dim[0].dim_param),
    "a batch of another name": lambda m: m.graph.input.append(port("z", shape=["M", 3])),
    "a batch without a name": lambda m: m.graph.input[0].type.tensor_type.shape.dim[0].Clear(),
    "a batch that is moved": lambda m: relu(m, "image", kind="Transpose", perm=[1, 0, 2, 3]),
    "a batch beside itself": batch_squared,
    "a batch that is a part of a size": lambda m: relu(m, "image", weight(m, [-1, 8], np.int64), kind="Reshape"),
    "a batch that must be 1": lambda m: relu(m, "image", weight(m, [1, 3, 8, 8], np.int64), kind="Reshape"),
    "a batch behind a dimension": lambda m: relu(m, "image", weight(m, [0], np.int64), kind="Unsqueeze"),
    "a batch that is padded": lambda m: relu(m, "image", weight(m, [0, 0, 0, 0, 1, 0, 0, 0], np.int64), kind="Pad"),
    "a slice of nothing": lambda m: relu(m, "image", *(weight(m, [at], np.int64, f"s{at}") for at in (9, 10, 2, 1)), kind="Slice"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_archc_does_not_write_is_not_opened_here(built, tmp_path, change):
    assert trust.find_doubt(open_artifact(save(ModelProto.FromString(built), tmp_path / "a.onnx"))) == ""
    model = ModelProto.FromString(built)
    CHANGES[change](model)
    assert trust.find_doubt(open_artifact(save(model, tmp_path / "a.onnx")))


@pytest.mark.parametrize(
    ("change", "said"),
    [(functions, "functions"), (subgraph, "a graph inside a node"), (other_numbers, "the field for floats")],
)
def test_what_is_doubted_is_said_in_words(built, tmp_path, change, said):
    model = ModelProto.FromString(built)
    change(model)
    assert said in trust.find_doubt(open_artifact(save(model, tmp_path / "a.onnx")))


@pytest.mark.parametrize(
    "again", [b"\x08\x09", b"\x12\x01x", b"\xa2\x01\x00", b"\xca\x01\x00", b"\xf8\x07\x01", b"\x42\x02\x10\x11"]
)
def test_fields_that_stand_there_again_or_are_not_known(built, tmp_path, again):
    """Protobuf takes the last, or lays both over one another; a reader that takes the first would be led astray."""
    (tmp_path / "a.onnx").write_bytes(built + again)
    assert trust.find_doubt(open_artifact(tmp_path / "a.onnx"))


def test_a_second_graph_is_laid_over_the_first(built, tmp_path):
    evil = make([node("Exp", ["x"], ["y"])])
    (tmp_path / "a.onnx").write_bytes(built + ModelProto(graph=evil.graph).SerializeToString())
    assert trust.find_doubt(open_artifact(tmp_path / "a.onnx"))


def test_every_changed_byte_is_a_fault_a_doubt_or_a_model_that_loads(built, tmp_path):
    """What is opened in this process neither ends it nor takes long, whatever is in it."""
    rng, path = np.random.default_rng(0), tmp_path / "a.onnx"
    opened = 0
    for at in range(0, len(built), 2):
        changed = bytearray(built)
        changed[at] = int(rng.integers(256))
        path.write_bytes(bytes(changed))
        try:
            found = open_artifact(path)
            trust.measure_files(found)
        except archc.runtime.RuntimeFault:
            continue
        if not trust.find_doubt(found):
            opened += 1
            with contextlib.suppress(Exception):  # onnxruntime's own share no root but this
                Engine(path, "cpu", 1).run(["logits"], {"image": PICTURE})
    assert opened > 100


def test_a_session_takes_the_way_that_the_rule_says(built, tmp_path):
    assert isinstance(Session(save(ModelProto.FromString(built), tmp_path / "a.onnx"), device="cpu").session, Engine)
    (tmp_path / "a.onnx").write_bytes(built)
    assert isinstance(Session(tmp_path / "a.onnx", device="cpu").session, Engine)
    foreign = save(make([node("Exp", ["x"], ["y"])]), tmp_path / "b.onnx")
    assert isinstance(Session(foreign, device="cpu").session, RemoteEngine)
    assert isinstance(Session(foreign, device="cpu", trust=True).session, Engine)


@pytest.mark.parametrize("doubtful", [False, True])
def test_a_file_that_changes_while_it_is_opened(built, tmp_path, monkeypatch, doubtful):
    path = tmp_path / "a.onnx"
    path.write_bytes(make([node("Exp", ["x"], ["y"])]).SerializeToString() if doubtful else built)
    rule = trust.find_doubt

    def change(artifact):
        found = rule(artifact)
        other = tmp_path / "b.onnx"
        shutil.copy(path, other)
        os.replace(other, path)
        return found

    monkeypatch.setattr(trust, "find_doubt", change)
    found = fault(Session, path, device="cpu")
    assert found.code == "model-refused" and "changed while it was opened" in found.message


@pytest.mark.parametrize(("limit", "most"), [("MAX_NODES", 20), ("MAX_NODE_INPUTS", 24)])
def test_more_nodes_than_archc_writes_are_not_opened_here(tmp_path, monkeypatch, limit, most):
    """onnxruntime takes a minute for some 100,000 of the smallest."""
    monkeypatch.setattr(trust, limit, most)
    for count in (20, 21):
        chain = [node("Sum", [f"v{at}" if at else "x"] * (1 + (at < 4)), [f"v{at + 1}"]) for at in range(count)]
        model = make(chain, outputs=[port(f"v{count}")])
        assert bool(trust.find_doubt(open_artifact(save(model, tmp_path / "a.onnx")))) == (count == 21)


def field(number: int, content: bytes) -> bytes:
    """A protobuf field of bytes."""
    out, length = bytearray(), len(content)
    while length > 127:
        out.append(length & 127 | 128)
        length >>= 7
    return bytes([number << 3 | 2, *out, length]) + content


def nested(depth: int) -> bytes:
    """Graphs in attributes of nodes of graphs."""
    content = b""
    for _ in range(depth):
        content = field(1, field(5, field(6, content)))
    return content


BOMBS = {
    "fields": b"\x08\x00" * 30_000, "nodes": field(7, b"\x0a\x00" * 6_000), "metadata": field(7, b"") + field(14, field(2, b"v" * 2**26)),
    "pairs": field(7, b"") + b"".join(field(14, field(1, b"%x" % at)) for at in range(10_002)), "nests": field(7, nested(3000)),
    "weights": field(7, b"".join(field(5, field(8, b"%x" % at)) for at in range(6_000))),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_file_that_takes_long_to_read_is_refused(tmp_path, monkeypatch, bomb):
    monkeypatch.setattr(wire, "MAX_FIELDS", 20_000)
    monkeypatch.setattr(outline, "MAX_PARTS", 5_000)
    (tmp_path / "a.onnx").write_bytes(BOMBS[bomb])
    found = fault(Session, tmp_path / "a.onnx", device="cpu")
    assert found.code == "not-a-model" and any(word in found.message for word in ("too many", "too much", "too deep"))


def test_many_sizes_take_no_longer_than_few(tmp_path):
    """Not by their square."""
    sizes = field(2, field(1, field(2, field(1, b"\x08\x01") * 100_000)))
    (tmp_path / "a.onnx").write_bytes(field(7, field(11, field(1, b"x") + sizes)))
    assert len(open_artifact(tmp_path / "a.onnx").inputs["x"]) == 100_000
