"""The devices: what a row of the registry promises, what is refused and why, and that what was asked for is what runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import EPFail
from PIL import Image

import archc
from archc.runtime import Session
from archc.runtime.devices import DEVICES, Trouble, choose_device, nvidia, plugins, refuse_precision
from archc.runtime.devices.placement import describe_elsewhere, describe_placement

from .foreign_models import make, node, save
from .openvino import openvino as openvino
from .program import Run, program
from .session_calls import fault

ROOT = Path(__file__).parent.parent
NAMES = [device.name for device in DEVICES]
PLUGINS = [device for device in DEVICES if device.package]
SPEC = """archspec: 1
name: net
input: {image: [3, 8, 8]}
graph: [conv: 4, relu, local_response_norm: {size: 3}, max_pool: 2, global_avg_pool, {name: fc, linear: 5}]
"""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A net, in a folder with a picture."""
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(SPEC, "utf-8")
    archc.load("net.yaml").export_onnx("net.onnx", proof="none")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)).save("a.png")
    return Path("net.onnx")


@pytest.fixture
def run(model: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return program(capsys)


# -- the registry ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES, ids=NAMES)
def test_a_row_is_whole(device: Any) -> None:
    assert device.provider.endswith("ExecutionProvider") and device.runs_on and device.needs
    settings = device.read_options({})
    assert all(settings[option.name] == option.default and option.reason for option in device.options)
    first = device.list_providers(settings, 2)[0]
    assert first == device.provider or first[0] == device.provider
    assert isinstance(device.name_precision(settings), str)
    page = (ROOT / "docs" / "reference/devices.md").read_text("utf-8")
    assert all(f"`{word}`" in page for word in (device.name, *(option.name for option in device.options)))


@pytest.mark.parametrize(
    ("device", "options", "code", "words"),
    [
        ("openvno", {}, "device-unavailable", ["no device `openvno`", "did you mean openvino?"]),
        ("CUDA", {}, "device-unavailable", ["did you mean cuda?"]),
        (
            "gpu",
            {},
            "device-unavailable",
            ["did you mean cuda?", "auto, cpu, cuda, tensorrt, openvino", "archc doctor"],
        ),
        (None, {}, "device-unavailable", ["there is no device `None`"]),
        ("cpu", {"tf32": "on"}, "usage", ["cpu has no option `tf32`", "none"]),
        ("cuda", {"tf32": "maybe"}, "usage", ["`maybe`", "off or on"]),
        ("cuda", {"index": "-1"}, "usage", ["a whole number"]),
        ("cuda", {"index": "²"}, "usage", ["a whole number"]),
        ("openvino", {"precision": "fp8"}, "usage", ["f32 or bf16 or f16"]),
        ("auto", {"tf32": "on"}, "usage", ["`auto` leaves that open", "one that has it: cuda"]),
        ("auto", {"colour": "red"}, "usage", ["no device has such an option"]),
    ],
)
def test_what_is_no_device_or_no_option(model: Path, device: Any, options: Any, code: str, words: list[str]) -> None:
    found = fault(Session, model, device=device, options=options)
    assert (found.code, found.exit_code) == (code, 2)
    assert all(word in found.message + found.help for word in words), (found.message, found.help)


@pytest.mark.parametrize("options", ["tf32=on", [("tf32", "on")], {1: "on"}, 3])
def test_options_are_a_mapping_of_names(model: Path, options: Any) -> None:
    assert (found := fault(Session, model, device="cuda", options=options)).code == "usage" and found.exit_code == 2


def test_options_from_the_shell(run: Run) -> None:
    for words, message in (
        (["--device-option", "tf32"], "it is NAME=VALUE"),
        (["--device-option", "=on"], "it is NAME=VALUE"),
        (["--device-option", "tf32=on", "--device-option", "tf32=off"], "given twice"),
        (["--device-option", "tf32=maybe"], "off or on"),
    ):
        ran = run("run", "net.onnx", "a.png", "--device", "cuda", *words)
        assert ran.code == 2 and message in ran.err and not ran.out


def test_cuda_is_asked_for_as_documented() -> None:
    assert dict(nvidia.CUDA_OPTIONS) == {
        "device_id": "0",
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": "0",
        "prefer_nhwc": "0",
    }
    settings = nvidia.CUDA.read_options({"tf32": "on", "nhwc": "on", "search": "exhaustive", "index": "3"})
    ((name, options),) = nvidia.CUDA.list_providers(settings, None)
    assert name == "CUDAExecutionProvider" and nvidia.CUDA.name_precision(settings) == "tf32"
    assert options == {"device_id": "3", "cudnn_conv_algo_search": "EXHAUSTIVE", "use_tf32": "1", "prefer_nhwc": "1"}
    first, second = nvidia.TENSORRT.list_providers(
        nvidia.TENSORRT.read_options({"precision": "f16", "index": "1"}), None
    )
    assert (
        first == ("TensorrtExecutionProvider", {"device_id": "1", "trt_fp16_enable": "1"})
        and second[1]["device_id"] == "1"
    )


def test_what_tensorrt_computes_in(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = nvidia.TENSORRT.read_options({})
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    assert nvidia.TENSORRT.name_precision(settings) == "tf32"
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    assert nvidia.TENSORRT.name_precision(settings) == "f32"


def test_a_precision_that_a_device_does_not_run(model: Path) -> None:
    built = onnx.load(model)
    (stated,) = [each for each in built.metadata_props if each.key == "archc.precision"] or [built.metadata_props.add()]
    stated.key, stated.value = "archc.precision", "int8"
    onnx.save(built, "int8.onnx")
    found = fault(Session, "int8.onnx", device="tensorrt")
    assert Session("int8.onnx", device="cpu").artifact.precision == "int8"
    assert (found.code, found.exit_code) == ("device-unavailable", 3) and "unsigned" in found.message
    for name in NAMES:
        refuse_precision(name, "fp32")


# -- plugins -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", PLUGINS, ids=[device.name for device in PLUGINS])
def test_a_plugin_that_is_not_installed(model: Path, monkeypatch: pytest.MonkeyPatch, device: Any) -> None:
    monkeypatch.setattr(plugins, "is_installed", lambda package: False)
    monkeypatch.setattr(plugins, "missing_driver", Trouble)
    monkeypatch.setattr(plugins, "machine", lambda: "arm64")
    monkeypatch.setattr(sys, "platform", "darwin" if device.name == "mlx" else sys.platform)
    found = fault(choose_device, device.name)
    assert (found.code, found.exit_code) == ("device-unavailable", 3)
    assert f"the package {device.package} is not installed" in found.message
    assert f"pip install {device.package}" in found.help.replace("'", "")


def test_mlx_elsewhere_than_on_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "machine", lambda: "x86_64")
    found = fault(choose_device, "mlx")
    assert found.exit_code == 3 and "macOS" in found.message and "cpu" in found.help


BROKEN = {
    "an onnxruntime before plugins": (None, "takes no plugins", "1.24"),
    "a library that does not load": (OSError("libfoo.so.1: no such file"), "libfoo.so.1", "--force-reinstall"),
    "no device of its own": ([], "takes none of the devices here (the processor is by ACME)", "Intel's devices only"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_plugin_that_is_of_no_use(model: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    outcome, cause, fix = BROKEN[case]

    def register(package: str, provider: str) -> list[Any]:
        if isinstance(outcome, Exception):
            raise outcome
        return []

    processor = SimpleNamespace(ep_name="CPUExecutionProvider", device=SimpleNamespace(vendor="ACME"))
    monkeypatch.setattr(plugins, "is_installed", lambda package: True)
    monkeypatch.setattr(plugins, "register_plugin", register)
    monkeypatch.setattr(onnxruntime, "get_ep_devices", lambda: [processor])
    if outcome is None:
        monkeypatch.delattr(onnxruntime, "register_execution_provider_library")
    found = fault(Session, model, device="openvino")
    assert (found.code, found.exit_code) == ("device-unavailable", 3)
    assert cause in found.message and fix in found.help, (found.message, found.help)
    # `auto` does not even look at it
    assert Session(model, device="auto").device in ("cpu", "cuda")


@pytest.mark.parametrize(
    ("settings", "cause", "fix"),
    [
        ({"precision": "bf16"}, "does not compute in bf16 on this cpu (ACME One)", "precision=f32"),
        ({"hardware": "npu"}, "finds no npu", "hardware=cpu"),
        ({"precision": "f16", "hardware": "gpu"}, "", ""),
    ],
)
def test_openvino_is_refused_what_it_would_replace(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], cause: str, fix: str
) -> None:
    """It takes another precision without a word where the processor has not the one that it is told."""
    facts = [("CPU", "FP32 INT8", "ACME One"), ("GPU.0", "FP32 FP16", "ACME Two")]
    there = [
        SimpleNamespace(ep_metadata={"ov_device": kind, "OPTIMIZATION_CAPABILITIES": can, "FULL_DEVICE_NAME": name})
        for kind, can, name in facts
    ]
    monkeypatch.setattr(plugins, "register_plugin", lambda package, provider: there)
    found = plugins.find_openvino_refusal(plugins.OPENVINO.read_options(settings))
    assert cause in found.cause and fix in found.fix and bool(cause) == bool(found.cause)


def test_openvino_gets_its_threads_and_its_precision() -> None:
    settings = plugins.OPENVINO.read_options({})
    ((_, options),) = plugins.OPENVINO.list_providers(settings, 3)
    assert json.loads(options["load_config"]) == {
        "CPU": {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "3"}
    }
    ((_, options),) = plugins.OPENVINO.list_providers({**settings, "hardware": "gpu", "precision": "f16"}, 3)
    assert json.loads(options["load_config"]) == {"GPU": {"INFERENCE_PRECISION_HINT": "f16"}}


@pytest.mark.parametrize("name", ["lenet5_modern", "resnet20_cifar_optA", "squeezenet1_1"])
def test_openvino_agrees_with_torch(openvino: None, tmp_path: Path, name: str) -> None:
    net = archc.load(name)
    module = net.to_torch(seed=3).eval()
    net.export_onnx(tmp_path / "net.onnx", weights=module.state_dict(), proof="none")
    session = Session(tmp_path / "net.onnx", device="openvino")
    shape = [2, *next(iter(session.inputs.values())).shape[1:]]
    images = np.random.default_rng(0).standard_normal(shape, np.float32)
    with torch.no_grad():
        reference = module(torch.from_numpy(images)).numpy()
    assert np.abs(session.logits(images) - reference).max() <= 1e-3 * np.abs(reference).max()
    assert {*session.nodes_by_provider()} == {"OpenVINOExecutionProvider"} and session.precision == "f32"


def test_openvino_from_the_shell(openvino: None, run: Run) -> None:
    shown = run("run", "net.onnx", "a.png", "--device", "openvino")
    told = run("run", "net.onnx", "a.png", "--device", "openvino", "--threads", "1", "--format", "json")
    document = json.loads(told.out)
    count = document["nodes"]["OpenVINOExecutionProvider"]
    assert document["device"] == "openvino" and document["precision"] == "f32" and count > 5
    assert document["device_options"] == {"precision": "f32", "hardware": "cpu", "cpu-nodes": "refuse"}
    assert shown.out.endswith(f"net on openvino, f32, {count}/{count} nodes\n")
    plain = json.loads(run("run", "net.onnx", "a.png", "--device", "cpu", "--format", "json").out)
    assert (
        plain["precision"] == "f32" and plain["device_options"] == {} and [*plain["nodes"]] == ["CPUExecutionProvider"]
    )
    for one, other in zip(document["results"][0]["top"], plain["results"][0]["top"], strict=True):
        assert one["index"] == other["index"] and abs(one["probability"] - other["probability"]) < 1e-4


def odd_model(path: Path) -> Path:
    """A net with an operator that OpenVINO does not have."""
    nodes = [node("Relu", ["x"], ["a"], name="stem.0"), node("Det", ["a"], ["y"], name="head.det")]
    return save(make(nodes), path)


def test_a_node_that_the_device_does_not_run_is_named(openvino: None, tmp_path: Path) -> None:
    path = odd_model(tmp_path / "odd.onnx")
    found = fault(Session, path, device="openvino", trust=True)
    assert (found.code, found.exit_code) == ("device-unavailable", 3)
    assert "does not run 1 of 2 nodes: `head.det` (Det)" in found.message
    assert "the device cpu" in found.help and "cpu-nodes=allow" in found.help and "in Python" in found.help
    allowed = Session(path, device="openvino", options={"cpu-nodes": "allow"}, trust=True)
    assert allowed.nodes_by_provider() == {"OpenVINOExecutionProvider": 1, "CPUExecutionProvider": 1}
    assert "1/2 nodes" in repr(allowed)
    images = np.random.default_rng(0).standard_normal((2, 3, 8, 8), np.float32)
    expected = Session(path, device="cpu", trust=True).run(images)["y"]
    np.testing.assert_allclose(allowed.run(images)["y"], expected, rtol=1e-4)


def test_many_nodes_are_counted_and_the_first_named() -> None:
    left = [(f"block{at}", "Det") for at in range(7)] + [("", "Det")]
    said = describe_elsewhere({"CUDAExecutionProvider": [("a", "Relu")] * 4, "CPUExecutionProvider": left})
    assert "8 of 12 nodes" in said and "`block0` (Det)" in said and "and 3 more" in said
    assert describe_elsewhere({"CUDAExecutionProvider": [("a", "Relu")]}) == ""
    assert describe_placement("cuda", {"CUDAExecutionProvider": 139}) == "139/139 nodes"
    assert describe_placement("tensorrt", {"TensorrtExecutionProvider": 9, "CUDAExecutionProvider": 1}) == "10/10 nodes"
    assert describe_placement("cuda", {}) == ""


def test_a_run_that_fails_on_a_device_does_not_go_on_on_the_cpu(
    model: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """onnxruntime's own session would: it falls back in a run, too, and prints that to standard output."""
    session = Session(model, device="cpu")
    images = np.zeros((1, 3, 8, 8), np.float32)
    session.run(images)

    def fail(*_: Any) -> None:
        raise EPFail("the provider failed")

    monkeypatch.setattr(session.session.session, "_sess", SimpleNamespace(run=fail))  # type: ignore[union-attr]
    assert fault(session.run, images).code == "run-failed"
    assert capfd.readouterr().out == ""


def test_weights_and_precision_travel_over_the_process_of_a_foreign_model(tmp_path: Path) -> None:
    path = save(make([node("Exp", ["x"], ["y"])]), tmp_path / "a.onnx")
    session = Session(path, device="cpu")
    assert session.session.doubt and session.precision == "f32" and session.settings == {}
    assert session.nodes_by_provider() == {"CPUExecutionProvider": 1}
    assert fault(Session, path, device="cuda", options={"tf32": "x"}).code == "usage"
