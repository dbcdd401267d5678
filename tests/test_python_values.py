"""What Python shows of the values that archc gives: a line that says what it is, and for those that are printed what the program prints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archc
from archc.build.build import BuildResult
from archc.compiler.diagnostics import Diagnostic, Source, Span
from archc.runtime import Answer, RuntimeFault

TINY = """archspec: 1
name: tiny
input: {image: [3, 8, 8]}
graph: [conv: {out: 4, kernel: 3}, relu, global_avg_pool, {name: fc, linear: 10}]
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    """A small net, built without a proof."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "tiny.yaml").write_text(TINY, "utf-8")
    return archc.load(folder / "tiny.yaml").export_onnx(folder / "tiny.onnx", proof="none")


def diagnostic() -> Diagnostic:
    """A mistake, as a check finds it."""
    place = Span(Source("net.yaml", "graph: [cnv: 4]"), 1, 9, 1, 12)
    return Diagnostic("unknown-op", place, "unknown op `cnv`", help="did you mean `conv`?")


def recipe() -> Any:
    from archc.training import read_recipe

    return read_recipe("digits")


def result() -> Any:
    from archc.training import TrainingResult
    from archc.training.checkpoint.progress import Best

    return TrainingResult(
        Path("run"), "lenet5", "digits", "finished", 8, 8, "top1", Best(8, 0.9375), Path("run/best.safetensors"), 3.0, 1
    )


def pictures() -> Any:
    from archc.training import TrainingData
    from archc.training.data.pictures import ArrayPictures

    some = ArrayPictures(np.zeros((3, 4, 4), np.uint8), np.array([0, 1, 1]), 2, "here")
    return TrainingData(some, None, ("dark", "light"), "arrays")


VALUES: dict[str, tuple[Callable[[], Any], str]] = {
    "a diagnostic": (diagnostic, "<Diagnostic unknown-op at net.yaml:1:9: unknown op `cnv`>"),
    "an answer": (lambda: Answer("a.png", {"map": np.zeros((3, 8, 8), np.float32)}), "<Answer of a.png: map float32 (3, 8, 8)>"),
    "an answer of a picture that cannot be read": (
        lambda: Answer("a.png", {}, RuntimeFault("image-missing", "there is no a.png")), "<Answer of a.png: error[image-missing] there is no a.png>"),
    "a difference": (lambda: archc.load("lenet5_modern").diff(archc.load("lenet_caffe")), "<NetDiff of lenet5_modern and lenet_caffe>"),
    "a recipe": (recipe, "<Recipe digits: "),
    "a training's result": (result, "<TrainingResult of lenet5 by digits: finished after step 8 of 8, top1 0.9375>"),
    "pictures": (pictures, "<TrainingData: 3 pictures to train on, 0 to validate on, 2 classes>"),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_shown_in_a_line(name: str) -> None:
    make, start = VALUES[name]
    shown = repr(make())
    assert shown.startswith(start) and shown.endswith(">")
    assert "\n" not in shown and " at 0x" not in shown and len(shown) < 250


def test_a_build_is_shown_in_a_line_and_printed_as_the_program_does(built: BuildResult) -> None:
    shown = repr(built)
    assert shown.startswith("<BuildResult of tiny: ") and shown.endswith("bytes), not proved>") and "\n" not in shown
    head, *rows = str(built).splitlines()
    assert head == "tiny" and [row.split()[0] for row in rows] == ["onnx", "weights", "took"]


def test_a_diagnostic_is_printed_as_a_line() -> None:
    assert str(diagnostic()) == "net.yaml:1:9: unknown-op: unknown op `cnv` (did you mean `conv`?)"
