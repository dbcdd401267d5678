"""int8: what is rounded, how it is called, and how far it errs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import archc
from archc.build.precision.int8 import DEQUANTIZE, QUANTIZE, nodes_in_float32
from archc.build.precision.methods import METHODS
from archc.compiler.backends.onnx.write import lower_graph
from archc.compiler.diagnostics import Failure
from archc.compiler.driver import check, run_passes
from archc.compiler.passes import PassOptions
from archc.compiler.weights.seeded import SeededSource
from archc.runtime.devices import PROVIDERS, DeviceChoice
from archc.runtime.devices.placement import add_provider
from archc.runtime.inference import create_ort_session, session_options

from .int8_nets import NET, SMALL, Quantized, feeds, images


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Quantized:
    return Quantized(tmp_path_factory.mktemp("net"), NET, feeds())


@pytest.mark.filterwarnings("ignore::archc.runtime.UntrainedWarning")
def test_the_answers_stay(net: Quantized) -> None:
    expected, found = net.run(images(20, seed=1))
    assert np.linalg.norm(found - expected) < 0.05 * np.linalg.norm(expected)
    assert not np.array_equal(found, expected)


def test_names_lines_and_metadata_are_ours(net: Quantized) -> None:
    """Every node of the plain file is there, in its order, with its name, operator, line and output; what is added is called by its step."""
    onnx.checker.check_model(str(net.path), full_check=True)
    after = onnx.load(str(net.path))
    added = (QUANTIZE, DEQUANTIZE)
    kept = [node for node in after.graph.node if node.op_type not in added]
    facts = [
        [(n.name, n.op_type, n.doc_string, [*n.output], len(n.input)) for n in nodes]
        for nodes in (net.before.graph.node, kept)
    ]
    assert facts[0] == facts[1]
    docs = {node.name: node.doc_string for node in after.graph.node}
    for node in after.graph.node:
        if node.op_type in added:
            path = node.name.partition("/")[0]
            assert node.name == node.output[0]
            assert node.doc_string == docs.get(path, "")
    assert {name for name in docs if name.startswith("block.conv1_scale")} == {
        "block.conv1_scale", "block.conv1_scale/weight/DequantizeLinear", "block.conv1_scale/bias/DequantizeLinear",
    }  # fmt: skip
    assert {"image/QuantizeLinear", "relu1/DequantizeLinear"} <= docs.keys()
    assert (after.producer_name, after.producer_version) == ("archc", "1")
    assert (after.ir_version, after.opset_import[0].version) == (net.before.ir_version, 20)
    assert [each.name for each in after.graph.output] == [each.name for each in net.before.graph.output]


def test_what_is_rounded(net: Quantized) -> None:
    """Weights by channel in 7 bits; what shares numbers shares its scale; what 8 bits lose stays, and so does the answer."""
    types = {each.name: each.data_type for each in onnx.load(str(net.path)).graph.initializer}
    weights = {node.inputs[0] for node in net.model.nodes if node.op_type == DEQUANTIZE and node.inputs[0] in types}
    convolutions = ("conv1", "block.conv1_scale", "join.left", "join.right", "last", "fc")
    assert {name for name in weights if name.endswith(".weight")} == {f"{path}.weight" for path in convolutions}
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(str(net.path)).graph.initializer}
    for path in convolutions:
        assert arrays[f"{path}.weight"].dtype == np.int8
        assert np.abs(arrays[f"{path}.weight"].astype(int)).max() <= 64
        assert arrays[f"{path}/weight/DequantizeLinear/scale"].shape == arrays[f"{path}.weight"].shape[:1]
    assert net.nodes["up/QuantizeLinear"].inputs[1:] != net.nodes["join/QuantizeLinear"].inputs[1:]
    assert np.array_equal(arrays["up/QuantizeLinear/scale"], arrays["join/QuantizeLinear/scale"])
    # between nodes of floats nothing is rounded
    assert net.nodes["pool1"].inputs == ("lrn",)
    assert "fc/QuantizeLinear" not in net.nodes
    assert net.nodes["11"].inputs == ("fc",)
    # between the convolution and its activation nothing is rounded
    assert net.nodes["relu1"].inputs == ("conv1",)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_ranges(
    method: Any, net: Quantized, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of the library's chatter is shown."""
    other = Quantized(tmp_path, NET, feeds(), method)
    expected, found = other.run(images(20, seed=1))
    # entropy cuts off what is rare
    assert np.linalg.norm(found - expected) < (0.3 if method == "entropy" else 0.05) * np.linalg.norm(expected)
    assert capsys.readouterr() == ("", "")


def test_equal_bytes(net: Quantized, tmp_path: Path) -> None:
    assert Quantized(tmp_path, NET, feeds()).path.read_bytes() == net.path.read_bytes()


def test_what_is_kept_in_float32(tmp_path: Path) -> None:
    found = Quantized(tmp_path, NET, feeds(), keep=("block", "fc"))
    assert not any(name.startswith(("block.conv1_scale/", "fc/")) for name in found.nodes)
    assert "conv1/weight/DequantizeLinear" in found.nodes
    model = lower_graph(
        run_passes(check(str(tmp_path / "net.yaml")).graph, PassOptions()), SeededSource({}), 20, None, {}
    )
    assert {"fc", "block.conv1_scale", "block.v1"} <= nodes_in_float32(model, ("block", "fc"))


def test_a_value_that_is_not_finite_has_no_range(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="the value `image` is not finite") as caught:
        Quantized(tmp_path, NET, [{"image": np.full((1, 3, 12, 12), np.inf, np.float32)}])
    assert caught.value.code == "answer-not-finite"


SHIFTED = """archspec: 1
name: shifted
input: {image: [4, 9, 9]}
graph:
  - {name: plain, conv: {out: 8, kernel: 1}}
  - {name: grouped, conv: {out: 8, kernel: 1, groups: 2, bias: false}}
  - {name: pooled, global_avg_pool}
  - {name: fc, linear: {out: 6, bias: false}}
"""


@pytest.mark.filterwarnings("ignore::archc.runtime.UntrainedWarning")
def test_what_rounded_weights_shift_is_taken_back(tmp_path: Path) -> None:
    """Far from zero, the error of each answer's mean is one of rounding, with a bias or without one; and zeros beyond edges are none of it."""
    draw = np.random.default_rng(0)
    centre = draw.uniform(-6, 6, (4, 1, 1))
    inputs = [{"image": (centre + draw.normal(0, 0.3, (1, 4, 9, 9))).astype(np.float32)} for _ in range(12)]
    rows = np.concatenate([feed["image"] for feed in inputs])
    errors = {}
    for corrected in (False, True):
        folder = tmp_path / str(corrected)
        folder.mkdir()
        net = Quantized(folder, SHIFTED, inputs, corrected=corrected)
        expected, found = net.run(rows)
        errors[corrected] = np.linalg.norm((found - expected).mean(0)) / np.linalg.norm(expected.mean(0))
        onnx.checker.check_model(str(net.path), full_check=True)
        assert [len(net.nodes[name].inputs) for name in ("plain", "grouped", "fc")] == (
            [3, 3, 3] if corrected else [3, 2, 2]
        )
    assert errors[True] < errors[False] / 3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_net_of_the_zoo(tmp_path: Path) -> None:
    """A quarter of the file, every convolution on integers, and the error of a net of 26 convolutions within its bound."""
    random = np.random.default_rng(0)
    waves = np.sin(
        np.linspace(0, 40, 224)[:, None] * random.uniform(0.2, 3, (20, 3, 1, 1)) + random.uniform(0, 6, (20, 3, 1, 224))
    )
    np.savez(tmp_path / "inputs.npz", image=(2 * waves).astype(np.float32))
    net = archc.load("squeezenet1_1")
    plain = net.export_onnx(tmp_path / "fp32.onnx", proof="none")
    built = net.export_onnx(tmp_path / "int8.onnx", precision="int8", calibrate=tmp_path / "inputs.npz")
    assert built.parity is not None
    assert built.precision is not None
    assert (built.precision.count, built.precision.inputs) == (4, "held-out rows of inputs.npz")
    assert built.precision.worst < 0.1
    assert all(layer.source for layer in built.precision.layers)
    # in a net of 5 MB the texts of its metadata count
    assert built.artifacts[0].bytes < 0.3 * plain.artifacts[0].bytes
    nodes = onnx.load(built.artifacts[0].path).graph.node
    assert all(each.input[1].endswith("/weight/DequantizeLinear") for each in nodes if each.op_type == "Conv")


def test_cuda_gets_nothing_that_it_has_no_kernel_for(tmp_path: Path) -> None:
    """Seen without a card: onnxruntime works out biases of 32-bit integers, and weights, when it opens the file."""
    quantized = Quantized(tmp_path, SMALL, feeds())
    options = session_options(None)
    add_provider(options, DeviceChoice("cuda", (PROVIDERS["cpu"],), "asked for"), strict=False)
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    create_ort_session(quantized.path, options, [PROVIDERS["cpu"]])
    optimized = onnx.load(tmp_path / "optimized.onnx")
    types = {each.name: each.data_type for each in optimized.graph.initializer}
    assert {types.get(node.input[0]) for node in optimized.graph.node if node.op_type == "DequantizeLinear"} == {None}
    assert "QuantizeLinear" in {node.op_type for node in optimized.graph.node}
