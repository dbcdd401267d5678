"""`archc build` as users run it, `archc run` on what it built, and the same from Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import archc

from .program import Run, program
from .test_cli import TINY


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in an empty folder that holds tiny.yaml."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY, "utf-8")
    return program(capsys)


def test_build_and_run(run: Run) -> None:
    told = json.loads(run("build", "tiny.yaml", "--export", "onnx", "-o", "m.onnx", "--format", "json").out)
    (artifact,) = told["artifacts"]
    assert artifact["kind"] == "onnx"
    assert artifact["bytes"] == Path("m.onnx").stat().st_size
    assert told["parity"]["max_rel"] < 1e-4
    weights = told["weights"]
    assert (weights["source"], weights["loaded"], weights["missing"], weights["as_started"]) == ("seed 0", 0, [], True)
    from PIL import Image

    Image.new("RGB", (40, 40), (200, 30, 30)).save("red.png")
    ran = run("run", "m.onnx", "red.png", "--device", "cpu", "--top", "3", "--format", "json")
    assert ran.code == 0
    assert "untrained" in ran.err
    (result,) = json.loads(ran.out)["results"]
    assert len(result["top"]) == 3
    assert result["input"] == "red.png"
    shown = run("run", "m.onnx", "red.png", "--device", "cpu", "--top", "2")
    assert shown.code == 0 and "red.png" in shown.out
    assert all(f"{best['probability']:.2%}" in shown.out for best in result["top"][:2])
    missing = run("run", "m.onnx", "none.png", "--device", "cpu")
    assert missing.code == 2 and missing.err.startswith("error[image-missing]") and not missing.out


def test_every_option_of_build_reaches_the_file(run: Run) -> None:
    import onnx

    head = "- batch_norm\n  - {name: head, aux: 0.3, steps: [global_avg_pool, {linear: $classes}]}"
    Path("tiny.yaml").write_text(TINY.split("expect")[0].replace("- relu", head), "utf-8")

    def facts(*options: str) -> dict[str, object]:
        assert run("build", "tiny.yaml", "-o", "m.onnx", *options).code == 0
        model = onnx.load("m.onnx")
        return {
            "opset": model.opset_import[0].version,
            "batch": model.graph.input[0].type.tensor_type.shape.dim[0].dim_value,
            "outputs": [each.name for each in model.graph.output],
            "norms": sum(node.op_type == "BatchNormalization" for node in model.graph.node),
        }

    plain = {"opset": 20, "batch": 0, "outputs": ["logits"], "norms": 0}
    assert facts() == facts("--no-verify") == facts("--precision", "fp32") == facts("--phase", "inference") == plain
    assert facts("--opset", "17") == {**plain, "opset": 17}
    assert facts("--batch", "4") == {**plain, "batch": 4}
    assert facts("--no-fold") == {**plain, "norms": 1}
    assert facts("--keep-aux") == {**plain, "outputs": ["logits", "head"]}
    for option in (["--opset", "9"], ["--opset", "99"]):
        ran = run("build", "tiny.yaml", "-o", "other.onnx", *option)
        assert ran.code == 2 and ran.err.startswith("error[opset-unsupported]") and not Path("other.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "x.txt"], "`x.txt` has not the suffix of onnx, `.onnx`"),
        (["-o", "x.pth"], "`.onnx`"),
        (["-o", "x.txt", "--export", "torch"], "`.py`, and is written to `x.py`"),
        (["-o", "x.onnx", "--export", "torch"], "`x.py`"),
        (["-o", "x.onnx"], ""),
        (["-o", "x.ONNX"], ""),
        (["-o", "x"], ""),
        (["-o", "net-v1.2"], ""),
        ([], ""),
    ],
)
def test_build_warns_of_a_suffix_of_another_kind(run: Run, arguments: list[str], words: str) -> None:
    ran = run("build", "tiny.yaml", "--no-verify", *arguments)
    assert ran.code == 0
    assert ("warning[output-suffix]" in ran.err) is bool(words) and words in ran.err
    assert run("explain", "output-suffix").code == 0


def test_build_says_what_is_untrained(run: Run) -> None:
    ran = run("build", "tiny.yaml", "--no-verify")
    assert ran.code == 0
    assert "untrained" in ran.out
    assert Path("tiny.onnx").exists()


def test_python_to_torch_and_onnx(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "tiny.yaml"
    path.write_text(TINY, "utf-8")
    net = archc.load(path)
    module = net.to_torch(seed=3).eval()
    again = net.to_torch(weights=module.state_dict()).eval()
    x = torch.zeros(2, 3, 32, 32)
    assert torch.equal(module(x), again(x))
    result = net.export_onnx(tmp_path / "tiny.onnx", weights=module.state_dict())
    assert result.weights.loaded == 4
    assert (tmp_path / "tiny.onnx").exists()
