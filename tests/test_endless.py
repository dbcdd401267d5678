"""Texts that are read whole: a link to a device without an end is refused, wherever a text is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

import archc

from .program import program

SPEC = """archspec: 1
name: net
input: {image: [3, 8, 8]}
labels: [a, b]
graph: [{conv: 4}, global_avg_pool, {name: fc, linear: 2}]
"""


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such devices here")
@pytest.mark.parametrize(
    "words",
    [
        ("run", "net.onnx", "@zero.txt"),
        ("run", "net.onnx", "photo.png", "--labels", "zero.txt"),
        ("eval", "net.onnx", "zero.csv"),
        ("eval", "net.onnx", "list.csv", "--labels", "zero.txt"),
        ("build", "net.yaml", "--weights", "net.safetensors", "--weights-map", "zero.yaml"),
    ],
    ids=" ".join,
)
def test_a_device_is_not_read_for_ever(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(SPEC, "utf-8")
    archc.load("net.yaml").export_onnx("net.onnx", proof="none")
    for name in ("zero.txt", "zero.csv", "zero.yaml"):
        Path(name).symlink_to("/dev/zero")
    Path("list.csv").write_text("photo.png,a\n", "utf-8")
    ran = program(capsys)(*words)
    assert ran.code == 2 and "it is a device" in ran.err
