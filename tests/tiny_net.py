"""A tiny spec in a folder, in which the command line runs, for tests of what is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import archc

from .program import Run, program

TINY = """archspec: 1
name: tiny
input: {image: [3, 8, 8]}
graph: [conv: 4, relu, global_avg_pool, {name: fc, linear: 10}]
"""
QUICK = ("--proof", "none")
is_root = os.name == "posix" and os.geteuid() == 0
as_root = pytest.mark.skipif(not is_root, reason="only root makes devices, and gives files away")


def program_in(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in a folder, which holds `tiny.yaml` from now on."""
    monkeypatch.chdir(folder)
    Path("tiny.yaml").write_text(TINY, "utf-8")
    return program(capfd)


def whole_model() -> bytes:
    """What the spec's ONNX file holds, by a build to a plain file."""
    archc.load("tiny.yaml").export_onnx("plain.onnx", proof="none")
    return Path("plain.onnx").read_bytes()
