"""The runtime on small models made here: what a file says of itself, where it runs, and what it answers."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from archc.runtime import RuntimeFault, Session
from archc.runtime.artifact import open_artifact
from archc.runtime.devices import PROVIDERS, DeviceChoice, nvidia
from archc.runtime.inference import create_cpu_session, create_device_session

CLASSES = 4
META = {
    "archc.name": "tiny", "archc.version": "0.1.0", "archc.graph": "a graph", "archc.spec_sha256": "ab12",
    "archc.labels": json.dumps(["ant", "bee", "cat", "dog"]), "archc.weights": json.dumps({"source": "seed 0", "trained": False}),
    "archc.preprocess": json.dumps({"resize": 8, "crop": 8, "mean": [0.0], "std": [1.0]}),
}  # fmt: skip


def weight(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((CLASSES, 3)).astype(np.float32)


def tiny(path, *, batch="N", tail=(), meta=META, kernel=None, shape=(3, 8, 8)):
    """Global average, then a linear layer to `logits`, then the kinds of `tail` one after another."""
    kernel = weight() if kernel is None else kernel
    nodes = [helper.make_node("GlobalAveragePool", ["image"], ["pooled"]), helper.make_node("Flatten", ["pooled"], ["flat"]),
             helper.make_node("Gemm", ["flat", "w"], ["logits"], transB=1)]  # fmt: skip
    value = "logits"
    for kind in tail:
        nodes.append(helper.make_node(kind, [value], [kind.lower()]))
        value = kind.lower()
    graph = helper.make_graph(
        nodes, "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, *shape])],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, [batch, CLASSES])],
        [numpy_helper.from_array(kernel, "w")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, dict(meta))
    onnx.save(model, path)
    return path


@pytest.fixture
def model(tmp_path):
    return tiny(tmp_path / "tiny.onnx")


def images(count: int, seed: int = 1) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), np.uint8))


def answers(pictures) -> np.ndarray:
    """The probabilities, worked out by hand."""
    means = np.stack([p.astype(np.float64).mean((0, 1)) / 255 for p in pictures])
    exponent = np.exp(means @ weight().astype(np.float64).T)
    return exponent / exponent.sum(1, keepdims=True)


def fault(call, *arguments, **options) -> RuntimeFault:
    with pytest.raises(RuntimeFault) as caught:
        call(*arguments, **options)
    return caught.value


# -- the file ----------------------------------------------------------------------------------------------------------


def test_what_a_model_says_of_itself(model):
    found = open_artifact(model)
    assert (found.name, found.version, found.graph_text, found.spec_sha256) == ("tiny", "0.1.0", "a graph", "ab12")
    assert found.labels == ("ant", "bee", "cat", "dog") and found.preprocess["crop"] == 8 and not found.trained
    assert found.inputs == {"image": ("N", 3, 8, 8)} and found.outputs == {"logits": ("N", 4)}


def test_a_foreign_model_has_no_metadata(tmp_path):
    found = open_artifact(tiny(tmp_path / "other.onnx", meta={}, batch=2))
    assert (found.name, found.labels, found.preprocess, found.trained) == ("other", (), {}, True)
    assert found.version is None and found.inputs == {"image": (2, 3, 8, 8)}


def test_reading_needs_neither_onnx_nor_onnxruntime(model):
    code = ("import sys; from archc.runtime.artifact import open_artifact; print(open_artifact(sys.argv[1]).name);"
            "print(sorted({'onnx', 'onnxruntime', 'numpy', 'PIL'} & set(sys.modules)))")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, str(model)], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["tiny", "[]"]


@pytest.mark.parametrize("key, value", [
    ("archc.labels", "5"), ("archc.labels", "{"), ("archc.preprocess", "[1]"), ("archc.weights", '"x"'), ("archc.labels", "[" * 99999),
])  # fmt: skip
def test_metadata_that_is_damaged(tmp_path, key, value):
    found = open_artifact(tiny(tmp_path / "a.onnx", meta={key: value}))
    assert fault(lambda: (found.labels, found.preprocess, found.trained)).code == "model-damaged"


@pytest.mark.parametrize("name, content, code, said", [
    ("net.yaml", b"archspec: 1\n", "not-a-model", "spec"),
    ("empty.onnx", b"", "not-a-model", "empty"),
    ("text.onnx", b"hello, this is no model", "not-a-model", "no ONNX model"),
    ("photo.jpg", b"\xff\xd8\xff\xe0" + b"\0" * 99, "not-a-model", "image"),
    ("photo.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "not-a-model", "image"),
    ("huge.onnx", b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "not-a-model", "no ONNX model"),
    ("endless.onnx", b"\xff" * 99, "not-a-model", "no ONNX model"),
    ("zero.onnx", b"\0" * 99, "not-a-model", "no ONNX model"),
])  # fmt: skip
def test_what_is_no_model(tmp_path, name, content, code, said):
    (tmp_path / name).write_bytes(content)
    found = fault(open_artifact, tmp_path / name)
    assert found.code == code and found.exit_code == 1 and said in found.message
    assert name != "net.yaml" or "archc build" in found.help


def test_models_that_are_not_there(tmp_path):
    for path in (tmp_path / "none.onnx", tmp_path):
        found = fault(open_artifact, path)
        assert (found.code, found.exit_code) == ("no-such-model", 2)


def test_every_cut_and_every_changed_byte_is_a_fault_or_a_model(model, tmp_path):
    whole, path = model.read_bytes(), tmp_path / "changed.onnx"
    rng = np.random.default_rng(0)
    for at in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[at] = int(rng.integers(256))
        for content in (whole[:at], bytes(changed)):
            path.write_bytes(content)
            try:
                found = open_artifact(path)
                _ = (
                    found.labels,
                    found.preprocess,
                    found.trained,
                    found.inputs,
                    found.outputs,
                    found.is_distribution("logits"),
                )
            except RuntimeFault:
                pass


# -- the device --------------------------------------------------------------------------------------------------------


@pytest.fixture
def without_driver(monkeypatch):
    """A machine without a GPU, whichever machine this is."""
    monkeypatch.setattr(nvidia, "DRIVER", "libnothing-of-that-name.so.1")


@pytest.fixture
def with_cuda_wheel(monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(PROVIDERS.values()))


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_no_driver_is_an_error_with_its_cause(model, without_driver, with_cuda_wheel, device):
    found = fault(Session, model, device=device)
    assert (found.code, found.exit_code) == ("device-unavailable", 3)
    assert f"the device {device} cannot be used" in found.message and "driver" in found.message
    assert "the device cpu" in found.help


def test_a_wheel_without_cuda_is_an_error_with_its_cause(model, monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    found = fault(Session, model, device="cuda")
    assert found.exit_code == 3 and "built without" in found.message and "onnxruntime-gpu" in found.help


def test_libraries_that_do_not_load_are_named(model, with_cuda_wheel, monkeypatch):
    monkeypatch.setattr(nvidia, "driver_trouble", lambda: nvidia.Trouble())
    monkeypatch.setattr(nvidia, "missing_libraries", lambda: ["libcudnn.so.9"])
    found = fault(Session, model, device="cuda")
    assert found.exit_code == 3 and "libcudnn.so.9" in found.message and "pip install" in found.help


def test_auto_goes_on_to_the_cpu_and_says_why(model, without_driver, with_cuda_wheel):
    session = Session(model)
    assert session.device == "cpu" and "driver" in session.reason and session.providers == ("CPUExecutionProvider",)


def unloadable(monkeypatch):
    """CUDA as it looks in order beforehand, and fails when a session opens."""
    cuda = DeviceChoice("cuda", (("CUDAExecutionProvider", {"device_id": "nonsense"}),), "a CUDA device works")
    monkeypatch.setattr("archc.runtime.inference.choose_device", lambda *asked: cuda)


def test_cuda_that_fails_only_at_the_session(model, monkeypatch, capfd):
    unloadable(monkeypatch)
    found = fault(Session, model, device="cuda")
    # onnxruntime would fall back to the CPU, and print that
    assert capfd.readouterr().out == ""
    assert (found.code, found.exit_code) == ("device-unavailable", 3)
    session, choice = create_device_session(model, "auto", 1)
    assert choice.device == "cpu" and choice.reason.startswith("cuda cannot be used") and session.get_providers()
    assert choice.gpu_unusable


def test_a_model_that_no_device_loads_is_the_models_fault(tmp_path, monkeypatch):
    unloadable(monkeypatch)
    path = tiny(tmp_path / "a.onnx", tail=["NoSuchOperator"])
    assert fault(Session, path, device="cuda", trust=True).code == "model-refused"


def test_an_unknown_device(model):
    assert fault(Session, model, device="abacus").exit_code == 2


def test_the_cpu_runs_every_node(model):
    assert set(Session(model, device="cpu").nodes_by_provider()) == {"CPUExecutionProvider"}


# -- the answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch, count", [("N", 5), (1, 3), (4, 5), (4, 4)])
def test_answers_whatever_the_batch(tmp_path, batch, count):
    session = Session(tiny(tmp_path / "a.onnx", batch=batch), device="cpu", threads=1)
    done: list[int] = []
    results = session.classify(images(count), top=2, batch=2, progress=done.append)
    assert done[-1] == count and [r.input for r in results] == [f"image {i}" for i in range(count)]
    for result, row in zip(results, answers(images(count)), strict=True):
        assert [p.index for p in result.top] == np.argsort(-row)[:2].tolist()
        assert result.top[0].label == ("ant", "bee", "cat", "dog")[result.top[0].index]
        np.testing.assert_allclose([p.probability for p in result.top], np.sort(row)[::-1][:2], atol=1e-5)


@pytest.mark.parametrize("tail", [["Softmax"], ["Softmax", "Identity"], []])
def test_a_softmax_is_taken_once(tmp_path, tail):
    session = Session(tiny(tmp_path / "a.onnx", tail=tail), device="cpu")
    result = session.classify(images(1), top=CLASSES)[0]
    assert sorted(p.probability for p in result.top) == pytest.approx(np.sort(answers(images(1))[0]), abs=1e-5)


def test_logits_that_look_like_probabilities_get_their_softmax(tmp_path):
    kernel = np.zeros((CLASSES, 3), np.float32)
    kernel[0] = 1 / 3
    session = Session(tiny(tmp_path / "a.onnx", kernel=kernel), device="cpu")
    best = session.classify([np.full((8, 8, 3), 255, np.uint8)], top=1)[0].top[0]
    assert best.probability == pytest.approx(np.e / (np.e + 3), abs=1e-5)


def test_run_and_logits_are_as_the_model_gives_them(model):
    session = Session(model, device="cpu", threads=2)
    batch = np.random.default_rng(3).standard_normal((2, 3, 8, 8)).astype(np.float32)
    wanted = batch.mean((2, 3)) @ weight().T
    np.testing.assert_allclose(session.run(batch)["logits"], wanted, atol=1e-5)
    np.testing.assert_allclose(session.logits(batch), wanted, atol=1e-5)
    np.testing.assert_allclose(create_cpu_session(model.read_bytes()).run(None, {"image": batch})[0], wanted, atol=1e-5)


def test_photos_by_their_paths(model, tmp_path):
    Image.fromarray(images(1)[0]).save(tmp_path / "a.png")
    result = Session(model, device="cpu").classify([tmp_path / "a.png"], top=1)[0]
    assert result.input == str(tmp_path / "a.png") and result.top[0].index == answers(images(1))[0].argmax()


def test_without_preprocessing_the_session_says_that_it_guesses(tmp_path):
    session = Session(tiny(tmp_path / "a.onnx", meta={}), device="cpu")
    assert not session.preprocess.stated and session.classify(images(1))[0].top[0].label is None


def test_answers_that_are_not_finite_are_a_fault(tmp_path):
    session = Session(tiny(tmp_path / "a.onnx", kernel=np.full((CLASSES, 3), np.nan, np.float32)), device="cpu")
    assert fault(session.classify, images(1)).code == "run-failed"


def test_a_wrong_shape_is_a_fault(model):
    assert fault(Session(model, device="cpu").run, np.zeros((1, 5, 8, 8), np.float32)).code == "wrong-input"


@pytest.mark.parametrize("inputs", [[], ["image", "mask"]])
def test_a_picture_wants_one_input_and_names_for_several(tmp_path, inputs):
    known = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3, 8, 8]) for name in inputs]
    nodes = [helper.make_node("Constant", [], ["logits"], value=numpy_helper.from_array(weight(), "w"))]
    graph = helper.make_graph(nodes, "g", known, [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [4, 3])])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), tmp_path / "a.onnx")
    session = Session(tmp_path / "a.onnx", device="cpu", labels=["a", "b", "c"])
    found = fault(session.classify, images(1))
    assert found.code == "wrong-input" and all(name in found.message for name in inputs)


def test_a_damaged_model_is_refused(model, tmp_path):
    path = tmp_path / "cut.onnx"
    path.write_bytes(model.read_bytes()[:-40])
    assert fault(Session, path, device="cpu").code in ("not-a-model", "model-refused")
