"""Which models are classifiers: read off specs, off built files, and off graphs from elsewhere; a vector of features never is."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import archc
from archc.compiler.analysis.distributions import class_scores
from archc.compiler.driver import check
from archc.compiler.ops import OPS, op
from archc.compiler.sources import Memory, SpecText, zoo
from archc.runtime import RuntimeFault, Session
from archc.runtime.classifier import read_labels


def scores(steps: str, head: str = "") -> list[str]:
    text = f"archspec: 1\nname: net\ninput: {{image: [3, 16, 16]}}\n{head}graph: {steps}\n"
    found = check(SpecText(Memory({}), "net.yaml", text.encode(), "net.yaml"))
    assert found.graph is not None, found.diagnostics
    return class_scores(found.graph)


TELLS = {
    "a linear layer": "[global_avg_pool, {linear: 5}]",
    "a linear layer, thinned out": "[global_avg_pool, {linear: 5}, {dropout: 0.1}]",
    "softmax": "[global_avg_pool, {linear: 5}, softmax]",
    "softmax under another name": "[global_avg_pool, {linear: 5}, {softmax: null, output: probabilities}]",
    "its logarithm": "[global_avg_pool, {linear: 5}, log_softmax]",
    "distances": "[global_avg_pool, {rbf: {out: 5}}, {scale: -1}]",
    "a convolution and a mean": "[{conv: 5}, global_avg_pool, flatten]",
    "network in network": "[{conv: 5}, relu, global_avg_pool, flatten]",
    "network in network with a window of the whole map": "[{conv: 5}, relu, {avg_pool: 16}, flatten]",
    "the largest of a map": "[{conv: 5}, global_max_pool, flatten]",
    "without flatten": "[{conv: 5}, global_avg_pool]",
    "a mean of two": "[global_avg_pool, {mean: [{linear: 5}, {linear: 5}]}]",
    "features beside it": "[{name: f, global_avg_pool: null, output: features}, {linear: 5}]",
}
TELLS_NOT = {
    "pixels": "[{adaptive_avg_pool: 2}, flatten]",
    "a normalised map": "[{conv: 5}, batch_norm, relu, global_avg_pool, flatten]",
    "a sum": "[{residual: {body: {conv: {out: 3}}}}, relu, global_avg_pool, flatten]",
    "a concatenation": "[{concat: [{conv: 2}, {conv: 3}]}, global_avg_pool, flatten]",
    "pooled windows": "[{conv: 5}, relu, {max_pool: 2}, flatten]",
    "behind a linear layer": "[global_avg_pool, {linear: 5}, relu, {dropout: 0.5}]",
    "a map": "[{conv: 5}]",
    "a map of probabilities": "[{conv: 5}, softmax]",
    "flattened positions": "[{conv: 5}, flatten]",
    "independent classes": "[global_avg_pool, {linear: 5}, sigmoid]",
    "one number": "[global_avg_pool, {linear: 1}]",
    "another name": "[global_avg_pool, {linear: 5, output: embedding}]",
}


@pytest.mark.parametrize("case", TELLS)
def test_what_tells_classes(case: str) -> None:
    assert len(scores(TELLS[case])) == 1


@pytest.mark.parametrize("case", TELLS_NOT)
def test_what_tells_none(case: str) -> None:
    assert scores(TELLS_NOT[case]) == []


def test_every_net_of_the_zoo_but_the_lectures_pieces_is_a_classifier() -> None:
    graphs = {name: found.graph for name in zoo() if (found := check(name)).graph is not None}
    maps = {n for n, g in graphs.items() if any(o.value.type.elements != o.value.type.channels for o in g.outputs)}
    assert len(graphs) > 100 and {name for name, graph in graphs.items() if not class_scores(graph)} == maps
    assert {zoo()[name].parent.name for name in maps} == {"lecture"}


def test_a_new_op_makes_features_until_it_says_otherwise() -> None:
    plain = [name for name, kind in OPS.items() if kind.gives_scores is op.Op.gives_scores and kind.counts != "weight"]
    assert {"batch_norm", "add", "concat", "max_pool"} <= set(plain)


# -- built files ---------------------------------------------------------------------------------------------------------


def built(tmp_path, steps: str, head: str = "") -> Session:
    path = tmp_path / "net.yaml"
    path.write_text(f"archspec: 1\nname: net\ninput: {{image: [3, 16, 16]}}\n{head}graph: {steps}\n", "utf-8")
    archc.load(path).export_onnx(tmp_path / "net.onnx", proof="none")
    return Session(tmp_path / "net.onnx", device="cpu")


@pytest.mark.parametrize("steps, head, output", [
    (TELLS["a linear layer"], "", "logits"),
    (TELLS["without flatten"], "", "logits"),
    (TELLS["features beside it"], "", "logits"),
    (TELLS["softmax under another name"], "", "probabilities"),
    (TELLS_NOT["a normalised map"], "", None),
    (TELLS_NOT["a normalised map"], "labels: [a, b, c, d, e]\n", "logits"),
    (TELLS_NOT["another name"], "labels: [a, b, c, d, e]\n", "embedding"),
    (TELLS_NOT["a map"], "", None),
])  # fmt: skip
def test_a_built_file_says_it(tmp_path, steps, head, output):
    session = built(tmp_path, steps, head)
    assert session.verdict.output == output
    picture = np.zeros((16, 16, 3), np.uint8)
    if output:
        assert sum(found.probability for found in session.classify(picture)[0].top) == pytest.approx(1, abs=1e-5)
        return
    with pytest.raises(RuntimeFault) as caught:
        session.classify(picture)
    assert caught.value.code == "not-a-classifier" and "net is no classifier" in caught.value.message
    with pytest.raises(RuntimeFault):
        session.probabilities(np.zeros((1, 3, 16, 16), np.float32))
    assert next(session.predict(picture)).outputs["logits"].shape[0] == 5


def test_labels_say_that_it_is_one(tmp_path):
    built(tmp_path, TELLS_NOT["a normalised map"])
    (tmp_path / "names.txt").write_text("ant\nbee\n\ncat\ndog\neel\n", "utf-8")
    session = Session(tmp_path / "net.onnx", device="cpu", labels=tmp_path / "names.txt")
    assert {found.label for found in session.classify(np.zeros((16, 16, 3), np.uint8))[0].top} == {
        "ant",
        "bee",
        "cat",
        "dog",
        "eel",
    }
    with pytest.raises(RuntimeFault) as caught:
        Session(tmp_path / "net.onnx", device="cpu", labels=["ant"])
    assert caught.value.code == "not-a-classifier"


@pytest.mark.parametrize(("content", "code"), [(None, "file-missing"), (b"", "empty"), (b"\xff\xfe\0", "not-utf8")])
def test_files_that_hold_no_labels(tmp_path, content, code):
    if content is not None:
        (tmp_path / "names.txt").write_bytes(content)
    with pytest.raises(RuntimeFault) as caught:
        read_labels(tmp_path / "names.txt")
    assert (caught.value.code, caught.value.exit_code) == (code, 2)
    with pytest.raises(RuntimeFault) as caught:
        read_labels("a\0b")
    assert caught.value.code == "file-unreadable"


# -- models from elsewhere -----------------------------------------------------------------------------------------------


def foreign(path, kinds: list[str], shape=("N", 8), meta: dict[str, str] | None = None) -> Session:
    """A model with the operators `kinds` in a chain, and the output `y` of `shape`."""
    weights = {"Gemm": np.ones((3, 8), np.float32), "MatMul": np.ones((3, 8), np.float32), "Conv": np.ones((8, 3, 1, 1), np.float32),
               "Add": np.ones(8, np.float32)}  # fmt: skip
    nodes, value = [], "x"
    for at, kind in enumerate(kinds):
        more = [kind] if kind in weights else []
        options = {"BatchNormalization": ["s", "s", "s", "v"]}.get(kind, [])
        nodes.append(helper.make_node(kind, [value, *more, *options], [f"v{at}"]))
        value = f"v{at}"
    nodes.append(helper.make_node("Identity", [value], ["y"]))
    constants = [numpy_helper.from_array(w, name) for name, w in weights.items()]
    constants += [numpy_helper.from_array(np.ones(8, np.float32), name) for name in ("s", "v")]
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 4, 4])
    graph = helper.make_graph(
        nodes, "g", [image], [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)], constants
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, meta or {})
    onnx.save(model, path)
    return Session(path, device="cpu")


@pytest.mark.parametrize("kinds, is_one", [
    (["GlobalAveragePool", "Flatten", "Gemm"], True),
    (["GlobalAveragePool", "Flatten", "MatMul", "Add"], True),
    (["GlobalAveragePool", "Flatten", "MatMul", "Add", "Softmax"], True),
    (["Conv", "GlobalAveragePool", "Flatten"], True),
    (["Conv", "Relu", "GlobalAveragePool", "Flatten"], True),
    (["Conv", "Relu", "GlobalAveragePool", "Flatten", "Softmax"], True),
    (["GlobalAveragePool", "Flatten", "Gemm", "Relu"], False),
    (["GlobalAveragePool", "Flatten", "Gemm", "Sigmoid"], False),
    (["Conv", "BatchNormalization", "Relu", "GlobalAveragePool", "Flatten"], False),
    (["Conv", "Sigmoid", "GlobalAveragePool", "Flatten"], False),
])  # fmt: skip
def test_a_graph_from_elsewhere(tmp_path, kinds, is_one):
    session = foreign(tmp_path / "a.onnx", kinds)
    assert (session.verdict.output == "y") == is_one


def gemm(value: str) -> onnx.NodeProto:
    return helper.make_node("MatMul", ["f", "w"], [value])


WEIGHT = [helper.make_node("Identity", ["b"], ["again"])]
CONSTANT = [helper.make_node("Constant", [], ["again"], value=numpy_helper.from_array(np.ones(3, np.float32)))]


@pytest.mark.parametrize("nodes, is_one", [
    ([gemm("m"), helper.make_node("Add", ["m", "b"], ["y"])], True),
    ([gemm("m"), helper.make_node("Add", ["b", "m"], ["y"])], True),
    ([gemm("m"), *WEIGHT, helper.make_node("Add", ["again", "m"], ["y"])], True),
    ([gemm("m"), *CONSTANT, helper.make_node("Add", ["again", "m"], ["y"])], True),
    ([gemm("m"), gemm("n"), helper.make_node("Add", ["m", "n"], ["y"])], True),
    ([gemm("m"), helper.make_node("Add", ["m", "f"], ["y"])], False),
    ([gemm("m"), helper.make_node("Add", ["f", "m"], ["y"])], False),
    ([helper.make_node("Add", ["b", "f"], ["y"])], False),
    ([helper.make_node("Add", ["f", "b"], ["y"])], False),
    ([*WEIGHT, helper.make_node("Add", ["b", "again"], ["y"])], False),
])  # fmt: skip
def test_a_sum_counts_in_either_order(tmp_path, nodes, is_one):
    means = [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["f"])]
    constants = [
        numpy_helper.from_array(np.ones(size, np.float32), name) for name, size in (("w", (3, 3)), ("b", (1, 3)))
    ]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", ["N", 3, 4, 4]), ("y", ["N", 3]))]  # fmt: skip
    graph = helper.make_graph([*means, *nodes], "g", ports[:1], ports[1:], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), tmp_path / "a.onnx")
    assert (Session(tmp_path / "a.onnx", device="cpu").verdict.output == "y") == is_one


def test_metadata_decide_before_the_graph(tmp_path):
    gemm = ["GlobalAveragePool", "Flatten", "Gemm"]
    assert foreign(tmp_path / "a.onnx", gemm, meta={"archc.scores": "[]"}).verdict.output is None
    assert foreign(tmp_path / "a.onnx", gemm, meta={"archc.scores": '["y"]'}).verdict.output == "y"
    labels = {"archc.scores": "[]", "archc.labels": json.dumps([*"abcdefgh"])}
    assert foreign(tmp_path / "a.onnx", gemm, meta=labels).verdict.output == "y"
    assert foreign(tmp_path / "a.onnx", gemm, shape=("N", None)).verdict.output == "y"
