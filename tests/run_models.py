"""Models for `archc run`, and how it is run on them: the fixtures `models` and `run`, and what a document says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import archc

from .program import Ran, Run, program

SPECS = {
    "net": "input: {image: [3, 8, 8]}\nlabels: [ant, bee, cat]\ngraph: [{conv: 4}, global_avg_pool, {linear: 3}]",
    "two": "input: {left: [3, 8, 8], right: [3, 8, 8]}\n"
           "graph: [{from: left}, {concat: [[], {from: right}]}, {conv: 4}, global_avg_pool, {linear: 3}]",
    "map": "input: {image: [3, 8, 8]}\npreprocess: {mean: [0.5], std: [0.1]}\ngraph: [{conv: 5}]",
    "many": "input: {image: [3, 8, 8]}\ngraph: [{conv: 300}]",
    "mask": "input: {image: [3, 8, 8]}\ngraph: [{conv: 1}, sigmoid]",
    "features": "input: {image: [3, 8, 8]}\ngraph: [{conv: 5}, batch_norm, relu, {name: p, global_avg_pool: null, output: features}, flatten]",
    "maps": "input: {image: [3, 8, 8]}\ngraph: [{name: a, conv: 4, output: early}, {conv: 5}]",
    "six": "input: {image: [6, 8, 8]}\npreprocess: {mean: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], std: [0.2, 0.2, 0.2, 0.2, 0.2, 0.3]}\ngraph: [{conv: 4}, global_avg_pool, {linear: 3}]",
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of each spec."""
    folder = tmp_path_factory.mktemp("models")
    for name, spec in SPECS.items():
        (folder / f"{name}.yaml").write_text(f"archspec: 1\nname: {name}\n{spec}\n", "utf-8")
        archc.load(folder / f"{name}.yaml").export_onnx(folder / f"{name}.onnx", proof="none")
    return folder


@pytest.fixture
def run(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `archc run` on a model's name, in a folder with a.png, b.png, bad.jpg and photos/."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png", "photos/one.JPG", "photos/deep/two.png", "photos/.hidden.png", "photos/._one.jpg"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).save(name)
    Path("photos/notes.md").write_text("no picture", "utf-8")
    Path("bad.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(99))
    execute = program(capsys)
    return lambda name, *arguments: execute("run", str(models / f"{name}.onnx"), "--device", "cpu", *arguments)


def document(ran: Ran) -> dict:
    return json.loads(ran.out)


def inputs(ran: Ran) -> list[str]:
    return [each["input"] for each in document(ran)["results"]]
