"""docs/reference/runtime.md: its commands and its Python run as they stand there, in a folder with such models and photos."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import archc

from .program import program
from .run_models import SPECS

PAGE = (Path(__file__).parent.parent / "docs" / "reference/runtime.md").read_text("utf-8")
MODELS = {
    "net": "net",
    "features": "features",
    "map": "map",
    "pair": "two",
}  # the page's names, and the specs of run_models.py


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, spec in MODELS.items():
        Path("net.yaml").write_text(f"archspec: 1\nname: {name}\n{SPECS[spec]}\n", "utf-8")
        archc.load("net.yaml").export_onnx(f"{name}.onnx", proof="none")
    Path("photos").mkdir()
    for name in ("cat.jpg", "dog.png", "a.png", "b.png", "photos/cat.jpg"):
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)).save(name)
    return tmp_path


def test_the_commands(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = program(capsys)
    commands = [line for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S) for line in block.splitlines()]
    assert len(commands) >= 5
    for command in commands:
        name, *arguments = shlex.split(command, comments=True)
        ran = run(*arguments)
        assert name == "archc" and ran.code == 0, ran.err
    assert Path("cat.npz").exists() and Path("cat.png").exists()


def test_the_python(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The blocks go on where the one before ended; a number in a comment behind a print is what that prints last."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
    assert len(blocks) >= 2
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "runtime.md", "exec"), names)
        out = capsys.readouterr().out
        for shape in re.findall(r"print\(.*# (\(.*\))$", block, re.M):
            assert shape in out
    assert "net on cpu" in repr(names["session"]) and "probability" in repr(names["results"])


def test_every_suffix_and_format_is_told() -> None:
    from archc.runtime.formats import FORMATS
    from archc.runtime.images import MAX_PIXELS
    from archc.runtime.save import KINDS

    assert all(f"`{suffix}`" in PAGE for suffix in KINDS) and all(name in PAGE for name in FORMATS.values())
    assert f"{MAX_PIXELS:,}" in PAGE
