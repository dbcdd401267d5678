"""What people see in a terminal of 80 columns fits it; what a pipe gets is whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pty", reason="a pseudo-terminal is there on Unix alone")

from archc.text.layout import text_width

from .program import program
from .terminal import run_in_terminal

TINY = """archspec: 1
name: tiny
params: {classes: 10}
input: {image: [3, 32, 32]}
blocks:
  Block:
    params: {out: int}
    steps: [{name: a_step_with_a_rather_long_name, conv: {out: $out, kernel: 3, padding: 1}}]
graph:
  - {name: stem_with_a_long_name_of_its_own, Block: {out: 8}}
  - relu
  - global_avg_pool
  - {name: fc, linear: $classes}
"""
LONG = ["layer", "op", "output", "parameters", "MACs", "activations", "of MACs", "source"]
SHORT = ["layer", "op", "output", "params", "MACs", "acts", "of MACs", "source"]
LINES = [
    "", "--help", "check googlenet", "check resnet152 tiny.yaml", "check wrong.yaml", "check no_such_folder_at_all/and_no_such_file_either.yaml",
    "check tiny.yaml --a-flag-that-nobody-has-ever-heard-of-before", "show googlenet", "show tiny.yaml --after fold-batch-norm",
    "show resnet152 --tree", "explain resnet152 layer3.7.conv2", "explain googlenet inception3a", "explain googlenet.yaml:22", "explain tiny.yaml:8",
    "cost googlenet", "cost alexnet_ensemble", "cost googlenet --by layer", "cost densenet201 --by layer --share", "cost resnet152 --by block",
    "cost densenet201 --by op", "cost tiny.yaml --by layer --batch 512", "cost googlenet --by layer --precision fp16", "cost googlenet resnet152 tiny.yaml",
    "cost resnet152 --by block --depth 2 --on h200", "cost googlenet --by layer --on t4", "cost googlenet tiny.yaml --on h200 --on a100-80gb", "list", "list resnet", "schema --help", "ops", "ops conv",
    "ops batch_norm", "ops join", "cache", "cache --help", "explain shape-mismatch", "explain not-in-onnx", "doctor", "init --help", "init mine", "init other --from resnet50",
    "build --help", "run --help", "build tiny.yaml --no-verify", "build tiny.yaml --no-verify -o a_name_that_is_long_enough.of_no_kind_at_all",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(TINY, "utf-8")
    wrong = TINY.replace("padding: 1", "pading: 1").replace("- relu", "- rleu")
    (tmp_path / "wrong.yaml").write_text(wrong, "utf-8")
    return tmp_path


@pytest.mark.parametrize("line", LINES)
def test_a_terminal_of_80_columns_is_enough(line: str, folder: Path) -> None:
    code, lines = run_in_terminal(line.split(), folder, 80)
    assert code in (0, 1, 2) and lines
    assert [each for each in lines if text_width(each) > 80] == []


@pytest.mark.parametrize("columns, left_out, rounded", [
    (60, ["op", "of MACs", "source"], True), (80, ["op", "source"], True), (100, ["source"], True), (110, ["source"], False), (150, [], False),
])  # fmt: skip
def test_a_table_leaves_out_columns_and_says_which(
    columns: int, left_out: list[str], rounded: bool, folder: Path
) -> None:
    """What can be looked up goes first, then the last digits, then the names of ops."""
    _, lines = run_in_terminal(["cost", "googlenet", "--by", "layer"], folder, columns)
    head = next(re.split(r" {2,}", each) for each in lines if each.startswith("layer"))
    told = f"left out at {columns} columns: {', '.join(left_out)}" + "; numbers are rounded" * rounded
    assert (" ".join(lines).endswith(told) or not left_out) and max(map(text_width, lines)) <= columns
    assert head == [x for x in (SHORT if rounded else LONG) if x not in left_out]


def test_a_long_path_is_cut_in_its_middle(folder: Path) -> None:
    _, lines = run_in_terminal(["cost", "tiny.yaml", "--by", "layer"], folder, 60)
    (row,) = [each for each in lines if each.startswith("stem")]
    first = row.split()[0]
    assert "…" in first and first.endswith("name") and text_width(row) <= 60


@pytest.mark.parametrize(
    "line", ["cost tiny.yaml --by layer", "list", "show googlenet", "explain shape-mismatch", "doctor"]
)
def test_a_pipe_gets_all(line: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is cut, left out or folded; COLUMNS says what width a person wants, in a pipe too."""
    monkeypatch.delenv("COLUMNS", raising=False)
    # the environment is handed over: readline, which pytest imports, sets COLUMNS behind Python's back
    done = subprocess.run(
        [sys.executable, "-m", "archc", *line.split()], cwd=folder, env=dict(os.environ), capture_output=True, text=True, check=True
    )  # fmt: skip
    assert "left out at" not in done.stdout and "…" not in done.stdout
    if line.startswith("cost"):
        assert "stem_with_a_long_name_of_its_own.a_step_with_a_rather_long_name" in done.stdout
        assert "tiny.yaml:8" in done.stdout
    if line != "doctor":
        assert max(map(len, done.stdout.splitlines())) > 80


def test_sentences_of_ops_are_folded_in_a_pipe_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    run = program(capsys)
    for arguments in (["ops"], ["ops", "conv"], ["ops", "join"]):
        assert max(map(text_width, run(*arguments).out.splitlines())) <= 80
    assert "kaiming_normal" in run("ops", "conv").out and "channel_shuffle" in run("ops").out
