"""What a shell offers, asked as bash, zsh and fish ask."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from archc.catalog import diagnostic_pages, public_ops
from archc.compiler.passes import PIPELINE
from archc.compiler.sources import zoo

SPEC = """archspec: 1
name: tiny
params: {classes: 10, width: int, block: {type: step, default: relu}}
input: {image: [3, 8, 8]}
graph: [conv: $width, use: $block, global_avg_pool, linear: $classes]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(SPEC, "utf-8")
    (tmp_path / "tiny.txt").write_text("no spec", "utf-8")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "deep.yml").write_text(SPEC, "utf-8")
    (tmp_path / "wrong.yaml").write_text("archspec: [\n", "utf-8")
    return tmp_path


def ask(words: str, folder: Path, shell: str = "bash") -> list[str]:
    """The words that are offered for the last one, which may be empty."""
    parts = words.split(" ")
    environment = {
        **os.environ,
        "_ARCHC_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(parts) - 1),
    }
    if shell == "fish":
        environment["COMP_CWORD"] = parts[-1]
    done = subprocess.run(
        [sys.executable, "-m", "archc"], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    if shell == "zsh":
        return [value for kind, value in zip(lines[::3], lines[1::3], strict=False) if kind == "plain"]
    return [line.split(",", 1)[1].split("\t")[0] for line in lines if line.startswith("plain,")]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("archc bu", ["build"]),
        ("archc check tin", ["tiny.yaml"]),
        ("archc check t", ["tests/", "tiny.yaml", "three_3x3"]),
        ("archc check tests/", ["tests/deep.yml"]),
        ("archc check tiny.yaml lenet5_1", ["lenet5_1998"]),
        ("archc cost googlenet_p", ["googlenet_paper"]),
        ("archc diff tiny.yaml vgg16_c", ["vgg16_c"]),
        ("archc diff tiny.yaml --set-b wi", ["width="]),
        ("archc diff tiny.yaml --format m", ["markdown"]),
        ("archc build vgg16_c", ["vgg16_c"]),
        ("archc init mine --from three", ["three_3x3"]),
        ("archc ops batch", ["batch_norm"]),
        ("archc explain shape-", ["shape-mismatch"]),
        ("archc explain three", ["three_3x3"]),
        ("archc explain resnet18 lay", ["layer1", "layer2", "layer3", "layer4"]),
        ("archc explain resnet18 layer1.", ["layer1.0", "layer1.1"]),
        ("archc explain nothing lay", []),
        ("archc show googlenet --after fold", ["fold-batch-norm"]),
        ("archc check tiny.yaml --set ", ["classes=10", "width=", "block=relu"]),
        ("archc check --set cl", []),
        ("archc cost tiny.yaml --set wi", ["width="]),
        ("archc check wrong.yaml --set c", []),
        ("archc check missing.yaml --set c", []),
        ("archc cost googlenet --by l", ["layer"]),
        ("archc view googlenet --heat ma", ["macs"]),
        ("archc check tiny.yaml --format s", ["sarif"]),
        ("archc check nothing/of/the/kind/", []),
        ("archc ops nothing", []),
        ("archc compare --family goo", ["googlenet"]),
        ("archc compare --metric cifar100", ["cifar100"]),
        ("archc compare googlenet_p", ["googlenet_paper"]),
        ("archc run net.onnx --device open", ["openvino"]),
        (
            "archc run net.onnx --device openvino --device-option p",
            ["precision=bf16", "precision=f16", "precision=f32"],
        ),
        ("archc run net.onnx --device-option tf", ["tf32=off", "tf32=on"]),
        ("archc train resnet18 resnet110", ["resnet110_cifar"]),
        ("archc train tiny.yaml t", ["tests/", "tiny.yaml", "torchvision_reference"]),
        ("archc train tiny.yaml --set clas", ["classes=10"]),
        ("archc train tiny.yaml --set optimizer.l", ["optimizer.lr=0.1"]),
        ("archc train resnet18 --set st", ["steps=600000"]),
        ("archc train --data tests/ resnet18 vgg --epochs 3 --set optimizer.l", ["optimizer.lr=0.01"]),
        ("archc train tiny.yaml wrong.yaml --set w", ["width="]),
        ("archc train --resume t", ["tests/"]),
        ("archc train resnet18 --data te", ["tests/"]),
    ],
)
def test_what_is_offered(words: str, offered: list[str], folder: Path) -> None:
    assert ask(words, folder) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_all_names_are_offered_in_every_shell(shell: str, folder: Path) -> None:
    assert set(ask("archc ops ", folder, shell)) == {op.name for op in public_ops()}
    assert set(ask("archc explain ", folder, shell)) > {*diagnostic_pages(), *zoo()}
    assert set(ask("archc show tiny.yaml --after ", folder, shell)) == {each.name for each in PIPELINE}
    assert set(zoo()) < set(ask("archc check ", folder, shell))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_line_that_switches_it_on(shell: str) -> None:
    """The script that docs/reference/cli.md has people evaluate; the shell itself reads it, where it is here."""
    environment = {**os.environ, "_ARCHC_COMPLETE": f"{shell}_source"}
    if shell == "bash" and not shutil.which("bash"):
        pytest.skip("click asks bash for its version")
    done = subprocess.run([sys.executable, "-m", "archc"], env=environment, capture_output=True, text=True, check=True)
    assert "archc" in done.stdout and f"{shell}_complete" in done.stdout
    page = (Path(__file__).parent.parent / "docs" / "reference/cli.md").read_text("utf-8")
    assert f"_ARCHC_COMPLETE={shell}_source archc" in page
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=done.stdout, text=True, check=True)
