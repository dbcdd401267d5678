"""Builds that are no plain float32: half floats, weights stored as such, pixels as inputs. What they answer, what they are refused for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import archc
from archc.build.options import BuildOptions
from archc.build.precision.variant import make_variant
from archc.compiler.backends.onnx.write import export_onnx
from archc.compiler.driver import run_passes
from archc.compiler.ir.dtypes import F16, F32
from archc.compiler.ir.parse import parse
from archc.compiler.ops import OPS
from archc.compiler.passes import PassOptions
from archc.compiler.passes.round_to_half import RoundToHalf
from archc.compiler.weights.rewrite import RoundedSource
from archc.compiler.weights.seeded import SeededSource
from archc.runtime import RuntimeFault, Session, trust
from archc.runtime.inference import create_cpu_session

from .op_cases import CASES
from .program import Run, program
from .sweep import sweep
from .test_ops import Positive, graph_of, spread

ROOT = Path(__file__).parent.parent
WEIGHTS = ROOT / "archspecs" / "lenet" / "lenet5_modern.safetensors"
NET = """archspec: 1
name: net
input: {image: [3, 16, 16]}
preprocess: {resize: 16, crop: 16, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}
graph:
  - {name: stem, conv: {out: 8, kernel: 3, bias: false}}
  - {name: bn, batch_norm}
  - relu
  - {name: lrn, local_response_norm: {size: 3}}
  - {name: norm, batch_norm}
  - concat:
      - [{name: wide, conv: 8}]
      - [{name: long, conv: {out: 8, kernel: 3, padding: 1}}, silu]
  - global_avg_pool
  - {name: fc, linear: 10}
"""
WAYS: dict[str, dict[str, Any]] = {
    "fp16": {"precision": "fp16"},
    "fp16 throughout": {"precision": "fp16", "io": "fp16"},
    "stored as fp16": {"store": "fp16"},
    "pixels": {"input_type": "uint8"},
    "fp16 of pixels": {"precision": "fp16", "io": "fp16", "input_type": "uint8", "batch": 3},
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(NET, "utf-8")
    return program(capfd)


def read_digits(folder: Path, **options: Any) -> list[str | None]:
    """What LeNet-5 reads on the 450 digits that it was not trained on, given as pictures."""
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        from digits import images, split  # type: ignore[import-not-found, unused-ignore]
    finally:
        sys.path.pop(0)
    pictures, _ = images()
    archc.load("lenet5_modern").export_onnx(folder / "net.onnx", weights=WEIGHTS, proof="none", **options)
    session = Session(folder / "net.onnx", device="cpu", threads=1)
    assert trust.find_doubt(session.artifact) == "", "it runs in this process"
    held_out = [pictures[index] for index in split(len(pictures))[1]]
    return [result.top[0].label for result in session.classify(held_out, top=1, batch=64)]


@pytest.fixture(scope="module")
def digits_in_float32(tmp_path_factory: pytest.TempPathFactory) -> list[str | None]:
    return read_digits(tmp_path_factory.mktemp("digits"))


@pytest.mark.parametrize("way", [way if way == "fp16" else pytest.param(way, marks=pytest.mark.slow) for way in WAYS])
def test_no_held_out_digit_is_read_another_way(digits_in_float32: Any, tmp_path: Path, way: str) -> None:
    assert len(digits_in_float32) == 450
    assert read_digits(tmp_path, **WAYS[way]) == digits_in_float32


@pytest.mark.parametrize("way", WAYS)
def test_a_build_says_what_it_lost_and_is_the_same_twice(run: Run, way: str) -> None:
    flags = [part for key, value in WAYS[way].items() for part in (f"--{key.replace('_', '-')}", str(value))]
    told = [run("build", "net.yaml", "-o", name, "--format", "json", *flags) for name in ("a.onnx", "b.onnx")]
    assert Path("a.onnx").read_bytes() == Path("b.onnx").read_bytes()
    facts = json.loads(told[0].out)
    assert facts["parity"]["max_rel"] < 1e-4, "the plain file of the same graph is proved"
    report = facts["precision"]
    assert 0 <= report["worst"] <= report["max_error"] and report["top1_agreement"] == 1.0
    assert report["count"] == 4 and set(report["relative_l2"]) == {"logits"}
    model = onnx.load("a.onnx")
    onnx.checker.check_model(model, full_check=True)
    stated = {entry.key: entry.value for entry in model.metadata_props}
    assert stated["archc.precision"] == WAYS[way].get("precision", "fp32")
    graph = parse(stated["archc.graph"], OPS)
    assert str(graph).split("\n") == [line.split("  #")[0] for line in stated["archc.graph"].split("\n")]
    assert sorted(each.name for each in Path().iterdir()) == ["a.onnx", "b.onnx", "net.yaml"]


def test_kept_heads_and_probabilities_are_in_the_report(run: Run) -> None:
    """Each output has its error, and a softmax stays one behind its cast."""
    text = NET.replace(
        "  - global_avg_pool\n",
        "  - {name: aux, aux: 0.3, steps: [global_avg_pool, {name: fc, linear: 4}]}\n  - global_avg_pool\n",
    )
    Path("heads.yaml").write_text(f"{text}  - softmax\n", "utf-8")
    told = run(
        "build",
        "heads.yaml",
        "-o",
        "heads.onnx",
        "--keep-aux",
        "--precision",
        "fp16",
        "--io",
        "fp16",
        "--format",
        "json",
        "--proof",
        "full",
    )
    report = json.loads(told.out)["precision"]
    assert (
        set(report["relative_l2"]) == {"aux", "logits"} and report["worst"] == max(report["relative_l2"].values()) > 0
    )
    assert report["count"] == 6
    session = Session("heads.onnx", device="cpu")
    found = session.probabilities(np.zeros((2, 3, 16, 16), np.float16))
    assert session.outputs["aux"].dtype == "float16" and session.artifact.is_distribution("logits")
    np.testing.assert_allclose(found.sum(1), 1, atol=2e-3)


def test_half_floats_are_half_of_the_file(run: Run) -> None:
    sizes = {}
    net = archc.load("net.yaml", params={})
    for name, options in {"plain": {}, **WAYS}.items():
        net.export_onnx("net.onnx", proof="none", **options)
        sizes[name] = sum(len(tensor.raw_data) for tensor in onnx.load("net.onnx").graph.initializer)
    assert sizes["fp16"] < 0.56 * sizes["plain"] and sizes["stored as fp16"] == sizes["plain"] // 2


def test_islands_of_float32(run: Run) -> None:
    """The norm over channels stays float32, with a cast on each side; what is the same tensor is cast once."""
    graph = run_passes(archc.load("net.yaml").graph, PassOptions(half=True))
    computed = {node.path: node.output.type.dtype for node in graph.nodes}
    assert computed["lrn"] is F32 and computed["stem"] is computed["norm"] is computed["fc"] is F16
    casts = [node.path for node in graph.nodes if node.op.name == "cast"]
    assert casts == ["image/f16", "2/f32", "lrn/f16", "fc/f32"]
    assert graph.params()["norm.running_var"].dtype is F16 and graph.params()["stem.weight"].dtype is F16


@sweep("case", CASES)
def test_every_op_computes_in_half_floats(case: Any, tmp_path: Path) -> None:
    """Each builds at the oldest, a middle and the newest opset, is opened in this process, and answers as float32 does, to what half floats lose."""
    plain = graph_of(case)
    weights = Positive(spread(plain.params()))
    graph = run_passes(plain, PassOptions(fold=False, half=True))
    feeds = {
        f"in{i}": np.random.default_rng(i).standard_normal((2, *s), dtype=np.float32) for i, s in enumerate(case.inputs)
    }
    path = tmp_path / "one.onnx"
    export_onnx(run_passes(plain, PassOptions(fold=False)), weights, path)
    expected = create_cpu_session(path).run(None, feeds)[0]
    for opset in (13, 17, 20, 26):
        if opset < OPS[case.op].since_opset:
            continue
        export_onnx(graph, weights, path, opset=opset)
        found = create_cpu_session(path).run(None, feeds)[0]
        assert np.linalg.norm(found - expected) <= 3e-3 * np.linalg.norm(expected), opset


def test_what_the_report_measures_is_rounded_after_each_step(run: Run) -> None:
    """onnxruntime's CPU provider leaves the rounding out, so another file has it: each of its values is one of half floats."""
    plain = archc.load("net.yaml").graph
    half = run_passes(plain, PassOptions(half=True, fold=False))
    rounded = RoundToHalf().run(half)
    RoundToHalf().ensure(rounded)
    source = SeededSource(plain.params(), 0)
    export_onnx(
        rounded,
        RoundedSource(source, {name for name, param in half.params().items() if param.dtype is F16}),
        Path("r.onnx"),
    )
    model = onnx.load("r.onnx")
    computed = {node.path for node in half.nodes if node.output.type.dtype is F16}
    computed = {"logits" if path == "fc" else path for path in computed}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(computed - {"logits"}))
    image = np.random.default_rng(0).standard_normal((1, 3, 16, 16), dtype=np.float32)
    values = create_cpu_session(model.SerializeToString()).run(sorted(computed), {"image": image})
    assert len(values) == len(computed) > 9
    for name, value in zip(sorted(computed), values, strict=True):
        np.testing.assert_array_equal(value, value.astype(np.float16).astype(np.float32), err_msg=name)


def test_stored_as_half_the_arithmetic_is_float32(run: Run) -> None:
    """The answers are, to the bit, those of a float32 file whose weights were rounded before; onnxruntime casts them as it opens the file."""
    net = archc.load("net.yaml")
    net.export_onnx("stored.onnx", store="fp16", fold=False, seed=3)
    graph = run_passes(net.graph, PassOptions(fold=False))
    export_onnx(graph, RoundedSource(SeededSource(net.graph.params(), 3), set(graph.params())), Path("rounded.onnx"))
    image = np.random.default_rng(0).standard_normal((2, 3, 16, 16), dtype=np.float32)
    stored, rounded = (
        create_cpu_session(name).run(None, {"image": image})[0] for name in ("stored.onnx", "rounded.onnx")
    )
    np.testing.assert_array_equal(stored, rounded)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = "opened.onnx"
    onnxruntime.InferenceSession("stored.onnx", options, providers=["CPUExecutionProvider"])
    assert "Cast" in kinds("stored.onnx") and "Cast" not in kinds("opened.onnx")


def test_torch_s_weights_stored_as_half(run: Run) -> None:
    """Half the bytes; they load as float32, rounded, and a build takes them as weights. What half floats do not hold stays float32."""
    net = archc.load("net.yaml")
    state = net.to_torch().state_dict()
    state["norm.running_var"][2] = 1e6
    save_file(state, "whole.safetensors")
    assert (
        run(
            "build",
            "net.yaml",
            "--weights",
            "whole.safetensors",
            "--export",
            "torch",
            "--store",
            "fp16",
            "-o",
            "net.py",
        ).code
        == 0
    )
    [path] = Path().glob("net-*.safetensors")
    stored = load_file(path)
    assert stored["norm.running_var"].dtype == torch.float32 and stored["fc.weight"].dtype == torch.float16
    assert path.stat().st_size < 0.7 * Path("whole.safetensors").stat().st_size
    loaded = net.to_torch(weights=str(path)).state_dict()
    for name, tensor in state.items():
        half = tensor if name == "norm.running_var" or tensor.dtype != torch.float32 else tensor.half().float()
        assert torch.equal(loaded[name], half), name
    assert run("build", "net.yaml", "--weights", str(path), "-o", "net.onnx").code == 0


def kinds(model: str) -> set[str]:
    """The operators of a model."""
    return {node.op_type for node in onnx.load(model).graph.node}


def test_weights_that_half_floats_do_not_hold_stay_float32(run: Run) -> None:
    net = archc.load("net.yaml")
    state = net.to_torch().state_dict()
    state["norm.running_var"][2] = 1e6
    state["fc.bias"][1] = -70000.0
    for options in ({"precision": "fp16"}, {"store": "fp16"}):
        result = net.export_onnx("net.onnx", weights=state, proof="none", **options)
        assert result.precision is not None
        assert result.precision.notes == (
            "`fc.bias` stays float32: it reaches 7e+04, and half floats 65504",
            "`norm.running_var` stays float32: it reaches 1e+06, and half floats 65504",
        )
        types = {tensor.name: tensor.data_type for tensor in onnx.load("net.onnx").graph.initializer}
        assert types["norm.running_var"] == types["fc.bias"] == F32.onnx and types["wide.weight"] == F16.onnx
    np.save("pixels.npy", np.zeros((16, 16, 3), np.uint8))
    told = run("run", "net.onnx", "pixels.npy", "--device", "cpu")
    assert told.code == 0


def test_a_build_that_errs_too_far_leaves_the_old_file(run: Run) -> None:
    assert run("build", "net.yaml", "-o", "net.onnx", "--proof", "none").code == 0
    before = Path("net.onnx").read_bytes()
    told = run("build", "net.yaml", "-o", "net.onnx", "--precision", "fp16", "--max-error", "1e-6", "--proof", "none")
    assert told.code == 1 and not told.out
    assert told.err.startswith("error[precision-lost]: fp16 gives answers that differ by ")
    assert "most is lost in `" in told.err and "(net.yaml:" in told.err and "--store fp16" in told.err
    assert Path("net.onnx").read_bytes() == before and sorted(map(str, Path().iterdir())) == ["net.onnx", "net.yaml"]


def test_values_that_half_floats_do_not_hold_are_told(run: Run) -> None:
    """Weights fit, and what is computed with them does not: the first layer whose result is not finite is named."""
    net = archc.load("net.yaml")
    state = net.to_torch().state_dict()
    state["norm.running_mean"] -= 60000.0
    state["norm.running_var"] *= 0.01
    with pytest.raises(
        archc.Failure,
        match=r"not finite on 4 inputs of the proof: numbers grow over 65504, first in `norm` \(net.yaml:10\)",
    ):
        net.export_onnx("net.onnx", weights=state, proof="none", precision="fp16")
    assert not Path("net.onnx").exists()


def test_pixels_are_normalised_inside(run: Run) -> None:
    """The same photo as a file and as arrays: the same answer as through the file that takes floats."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    Image.fromarray(pixels).save("photo.png")
    for name, flags in (("float.onnx", []), ("pixels.onnx", ["--input-type", "uint8"])):
        assert run("build", "net.yaml", "-o", name, *flags).code == 0
    # with several threads onnxruntime itself gives other last bits from run to run (docs/reference/cache.md)
    first, second = (Session(name, device="cpu", threads=1) for name in ("float.onnx", "pixels.onnx"))
    assert str(second.inputs["image"]) == "image uint8 (N, 3, 16, 16)"
    wanted, found = (next(iter(each.predict(["photo.png"]))).outputs["logits"] for each in (first, second))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    prepared = np.ascontiguousarray(pixels[:16, :16].transpose(2, 0, 1))
    np.testing.assert_array_equal(
        second.run(prepared[None])["logits"][0], next(iter(second.predict([prepared]))).outputs["logits"]
    )
    with pytest.raises(RuntimeFault, match=r"one of uint8 \(3, 16, 16\) .* prepared already, not float32"):
        [*second.predict([prepared.astype(np.float32)])]
    nodes = [node.name for node in onnx.load("pixels.onnx").graph.node]
    assert nodes[:3] == ["image/pixels", "image/normalize/Mul", "image/normalize"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"preprocess: {resize: 16, crop: 16, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}\n": ""}, ("net has none", "write preprocess:")),
        ({"{image: [3, 16, 16]}": "{image: [3, 16, 16], depth: [1, 16, 16]}", "  - {name: stem,": "  - {concat: [[{from: image}], [{from: depth}]]}\n  - {name: stem,"},
         ("the input `depth` is f32[N,1,16,16]", "leave the option out")),
    ],
)  # fmt: skip
def test_pixels_want_a_preprocess_for_every_input(run: Run, changes: dict[str, str], words: tuple[str, ...]) -> None:
    text = NET
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    Path("other.yaml").write_text(text, "utf-8")
    told = run("build", "other.yaml", "--input-type", "uint8", "--proof", "none")
    assert told.code == 2 and told.err.startswith("error[bad-option]: `--input-type uint8`"), told.err
    assert all(word in told.err for word in words), told.err


def test_a_plain_build_has_no_report(run: Run) -> None:
    told = run("build", "net.yaml", "-o", "net.onnx", "--proof", "none", "--format", "json", "--store", "fp32")
    assert json.loads(told.out)["precision"] is None
    checked = archc.load("net.yaml").checked
    graph = run_passes(checked.graph)
    assert make_variant(checked, checked.graph, graph, SeededSource({}, 0), BuildOptions()).graph is graph


@pytest.mark.parametrize("sides, island", [(45, False), (46, True)])
@pytest.mark.parametrize("pool", ["global_avg_pool", "adaptive_avg_pool: 1", "avg_pool: SIDE"])
def test_a_mean_of_very_many_numbers_is_an_island(run: Run, pool: str, sides: int, island: bool) -> None:
    """45² is below 2048, up to which half floats count one by one, and 46² over it."""
    text = f"archspec: 1\nname: net\ninput: {{image: [1, {sides}, {sides}]}}\ngraph: [{{conv: 2}}, {{name: mean, {pool}}}]\n"
    text = text.replace("global_avg_pool}", "global_avg_pool: {}}").replace("SIDE", str(sides))
    Path("mean.yaml").write_text(text, "utf-8")
    graph = run_passes(archc.load("mean.yaml").graph, PassOptions(half=True))
    assert {node.path: node.output.type.dtype for node in graph.nodes}["mean"] is (F32 if island else F16)
