"""What tests of sessions share: pictures, a net that is built and opened, and a call that must end in a fault of ours, without a word of onnxruntime's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import archc
from archc.runtime import RuntimeFault, Session

HEAD = "archspec: 1\nname: net\n"
LINEAR = "[{conv: {out: 4, kernel: 3}}, global_avg_pool, {linear: 3}]"


def fault(call, *arguments, **options) -> RuntimeFault:
    with pytest.raises(RuntimeFault) as caught:
        call(*arguments, **options)
    assert "ONNXRuntimeError" not in caught.value.message + caught.value.help
    return caught.value


def photos(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), np.uint8)


def build_session(folder: Path, spec: str, **options) -> Session:
    """The session of a net that archc builds from `spec`, without its head."""
    (folder / "net.yaml").write_text(f"{HEAD}{spec}\n", "utf-8")
    archc.load(folder / "net.yaml").export_onnx(folder / "net.onnx", proof="none", **options)
    return Session(folder / "net.onnx", device="cpu", threads=1)
