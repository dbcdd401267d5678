"""Models and photos whose answers go into a table, and how its rows are read."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import archc

from .foreign_models import make, node, save
from .program import Run, program

SPECS = {
    "net": "labels: [ant, 'bee, \"the\"', cät]\ngraph: [{conv: 4}, global_avg_pool, {linear: 3}]",
    "other": "labels: [ant, bee, cat]\ngraph: [{conv: 5}, global_avg_pool, {linear: 3}]",
    "features": "graph: [{conv: 5}, batch_norm, relu, {name: p, global_avg_pool: null, output: features}, flatten]",
    "map": "graph: [{conv: 80}]",
}
SUFFIXES = ("csv", "jsonl", "parquet")
PICTURES = ("photos/a.png", "photos/b.png", "photos/bad.jpg", "photos/c/d.png", "photos/odd\nname.png")
parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of each spec, and one from elsewhere."""
    folder = tmp_path_factory.mktemp("models")
    for name, spec in SPECS.items():
        (folder / f"{name}.yaml").write_text(
            f"archspec: 1\nname: {name}\ninput: {{image: [3, 8, 8]}}\n{spec}\n", "utf-8"
        )
        archc.load(folder / f"{name}.yaml").export_onnx(folder / f"{name}.onnx", proof="none")
    save(make([node("Sin", ["x"], ["s"]), node("ReduceMean", ["s"], ["y"], axes=[2, 3], keepdims=0)], opset=13,
              outputs=[port_of("y", ["N", 3])]), folder / "foreign.onnx")  # fmt: skip
    return folder


def port_of(name: str, shape: list[Any]) -> Any:
    from .foreign_models import port

    return port(name, shape=shape)


@pytest.fixture
def run(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `archc run` on a model's name, in a folder with photos/."""
    monkeypatch.chdir(tmp_path)
    make_photos(Path("photos"))
    execute = program(capsys)
    return lambda name, *words: execute("run", str(models / f"{name}.onnx"), "--device", "cpu", *words)


def make_photos(folder: Path, more: int = 0) -> None:
    """The photos of PICTURES below `folder`, and some more."""
    rng = np.random.default_rng(0)
    for name in (*(path.removeprefix("photos/") for path in PICTURES), *(f"more{at}.png" for at in range(more))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).save(folder / name)
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(99))


def read(path: str | Path) -> list[dict[str, Any]]:
    """The rows of results, alike whatever file they are in: as Python's values."""
    path = Path(path)
    if path.suffix == ".parquet":
        return list(parquet.read_table(path).to_pylist())
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("ascii").splitlines()]
    rows = []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found: dict[str, Any] = {name: value or None for name, value in row.items()}
            for name in {*found} - {"path", "label", "error", "message"}:
                found[name] = json.loads(found[name]) if found[name] else None
            rows.append(found)
    return rows
