"""A model that does not load: the advice fits who made the file, and a file of another kind is called by its name."""

from __future__ import annotations

import onnx
import onnxruntime
import pytest
from onnx import helper

from archc.runtime import Session

from .foreign_models import make, node, save
from .session_calls import fault

RELU = [node("Relu", ["x"], ["y"])]
HERE = f"onnxruntime ({onnxruntime.__version__})"


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize(("nodes", "opset", "ir", "said", "advised"), [
    (RELU, 9999, 10, f"its opset 9999 of ai.onnx is newer than this {HERE}", f"{HERE} reads opset "),
    (RELU, 20, 999, f"its IR version 999 is newer than this {HERE}", f"{HERE} reads IR version "),
    ([node("Frobnicate", ["x"], ["y"])], 20, 10, "Frobnicate", "no such operator"),
    ([node("Bar", ["x"], ["y"], domain="com.x")], 20, 10, "com.x", "no such operator"),
    ([*RELU, node("Tanh", ["x"], ["y"])], 20, 10, "Duplicate", "export it again"),
], ids=["opset", "ir version", "operator", "domain", "twice"])  # fmt: skip
def test_the_advice_is_for_a_model_from_elsewhere(tmp_path, nodes, opset, ir, said, advised, trust):
    model = make(nodes, opset=opset, producer_name="py\x1b[2Jtorch", producer_version="2.4.0")
    model.ir_version = ir
    found = fault(Session, save(model, tmp_path / "a.onnx"), device="cpu", trust=trust)
    assert (found.code, found.exit_code) == ("model-refused", 1)
    assert said in found.message and advised in found.help
    assert r"with what made it (`py\x1b[2Jtorch 2.4.0`, as the file says)" in found.help
    assert "archc build" not in found.help


@pytest.mark.parametrize("who", [{"producer_name": "archc"}, {}])
def test_the_advice_is_for_a_model_of_archc(tmp_path, who):
    model = make(RELU, opset=9999, **who)
    if not who:
        helper.set_model_props(model, {"archc.version": "9.0"})
    found = fault(Session, save(model, tmp_path / "a.onnx"), device="cpu")
    assert "archc build SPEC" in found.help and "--opset" in found.help and "reads opset" in found.help


def test_the_advice_without_a_producer(tmp_path):
    found = fault(Session, save(make(RELU, opset=9999), tmp_path / "a.onnx"), device="cpu")
    assert found.help.endswith("archc did not build it: get it again from where it came, or export it again")


@pytest.mark.parametrize(("nodes", "strange"), [
    ([node("Relu", ["x"], ["y"], domain="mine")], "a node of a domain of its own, such as a call of a function"),
    ([node("Strange", ["x"], ["y"], name="a" * 500)], f"the node '{'a' * 100}"),
], ids=["domain", "long name"])  # fmt: skip
def test_the_advice_says_what_is_strange(tmp_path, nodes, strange):
    path = save(make(nodes), tmp_path / "a.onnx")
    found = fault(Session, path, device="cpu")
    assert f"the first thing in it that archc does not write is {strange}" in found.help and len(found.help) < 500
    assert strange not in fault(Session, path, device="cpu", trust=True).help


def test_a_long_producer_is_cut_and_a_strange_one_is_no_reason(tmp_path):
    path = save(make(RELU, opset=9999, producer_name="é" * 10_000), tmp_path / "a.onnx")
    assert len(fault(Session, path, device="cpu").help) < 400
    content = make(RELU, producer_name="abc").SerializeToString()
    (tmp_path / "b.onnx").write_bytes(content.replace(b"abc", b"\xff\xfe\xff"))
    assert Session(tmp_path / "b.onnx", device="cpu", trust=True).artifact.producer


@pytest.mark.parametrize(("content", "what", "advised"), [
    (b"PK\x03\x04" + b"\0" * 60, "zip", "--weights FILE"),
    (b"\x80\x02\x8a\x0al\xfc", "pickle", "--weights FILE"),
    (b"\x40\0\0\0\0\0\0\0" + b'{"a":{"dtype":"F32"}}', "safetensors", "--weights FILE"),
    (b"\x89HDF\r\n\x1a\n" + b"\0" * 60, "HDF5", "export it as ONNX"),
    (b"\x1c\0\0\0TFL3" + b"\0" * 60, "TensorFlow Lite", "export it as ONNX"),
    (b"\x1c\0\0\0ORTM" + b"\0" * 60, ".ort", "the ONNX file"),
    (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS", "git lfs pull"),
    (b"<!DOCTYPE html><html>", "web page", "download"),
    (b"<HTML><body>", "web page", "download"),
    (b"hello", "cut off", "get it again"),
])  # fmt: skip
def test_a_file_of_another_kind_is_called_by_its_name(tmp_path, content, what, advised):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    found = fault(Session, path, device="cpu")
    assert found.code == "not-a-model" and what in found.message and advised in found.help


def test_a_model_that_is_not_there(tmp_path):
    found = fault(Session, tmp_path / "net.onnx")
    assert found.exit_code == 2 and "check the path" in found.help and "archc build SPEC" in found.help


def test_metadata_that_was_changed(tmp_path):
    model = make(RELU)
    helper.set_model_props(model, {"archc.labels": "{"})
    onnx.save(model, tmp_path / "a.onnx")
    assert "build the model again" in fault(Session, tmp_path / "a.onnx", device="cpu").help
