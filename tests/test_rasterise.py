"""`archc view -o net.png`: the picture as pixels, its words among them; what is too large, and machines without resvg or fonts."""

from __future__ import annotations

import io
import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archc import rasterise
from archc.compiler.diagnostics import Failure

from .program import Run, program

SPEC = "archspec: 1\nname: net\ninput: {image: [3, 8, 8]}\ngraph: [{conv: {out: 4, kernel: 3}}, relu]\n"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(SPEC, "utf-8")
    return program(capsys)


def test_a_png_is_the_svg_in_pixels(run: Run) -> None:
    pytest.importorskip("resvg_py")
    assert run("view", "net.yaml", "-o", "net.svg").code == 0
    width, height = (float(each) for each in rasterise.SIZE.search(Path("net.svg").read_text("utf-8")).groups())  # type: ignore[union-attr]
    for words, scale in (([], 2), (["--scale", "1"], 1), (["--scale", "0.5"], 0.5)):
        ran = run("view", "net.yaml", "-o", "net.png", *words, "--format", "json")
        assert ran.code == 0 and json.loads(ran.out)["format"] == "png"
        with Image.open("net.png") as image:
            assert image.format == "PNG"
            assert image.size == pytest.approx((width * scale, height * scale), abs=1)
    assert run("view", "net.yaml", "-o", "net.svg", "--scale", "2").code == 2


def test_words_are_drawn() -> None:
    """resvg leaves a text out where it finds no font, and says nothing."""
    pytest.importorskip("resvg_py")
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="80" height="20"><rect width="80" height="20" fill="#fff"/>{}</svg>'
    text = "<text y='14' font-family=\"Nosuch, 'No such either', sans-serif\">7×7 conv</text>"
    with Image.open(io.BytesIO(rasterise.rasterise(svg.format(text)))) as image:
        assert np.asarray(image.convert("L")).min() < 100


def test_a_picture_that_is_too_large(run: Run) -> None:
    pytest.importorskip("resvg_py")
    for size in ("100000", "67108865"):
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1" width="{size}" height="1000"></svg>'
        with pytest.raises(Failure) as failure:
            rasterise.rasterise(svg)
        assert (failure.value.code, failure.value.exit_code) == ("picture-too-large", 2)
        assert f"{int(size):,} × 1,000 pixels" in str(failure.value) and "--depth" in failure.value.help
    assert run("view", "net.yaml", "-o", "net.png", "--scale", "17").code == 2


def test_a_machine_without_resvg(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    ran = run("view", "net.yaml", "-o", "net.png")
    assert (ran.code, "package-missing" in ran.err, "pip install 'resvg-py" in ran.err) == (3, True, True)
    assert ".svg" in ran.err and not Path("net.png").exists()


def test_a_machine_without_fonts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    resvg = pytest.importorskip("resvg_py")
    monkeypatch.setattr(resvg, "svg_to_bytes", partial(resvg.svg_to_bytes, skip_system_fonts=True))
    ran = run("view", "net.yaml", "-o", "net.png")
    assert (ran.code, "no-font" in ran.err) == (3, True) and not Path("net.png").exists()
