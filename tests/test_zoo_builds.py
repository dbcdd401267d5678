"""Every net of the zoo is built and proved: its ONNX file answers as the torch module of the same weights does.

The proof is the build's own (archc/build/proof/): onnx's checker, our shapes against onnxruntime's, and both backends at two
batch sizes. The nets with a peer are built in test_peers.py, where the peer's answers are the proof.
"""

from __future__ import annotations

import pytest

from archc.build.build import build
from archc.build.proof.agreement import RELATIVE
from archc.compiler.driver import check
from archc.compiler.sources import zoo

from .peers import PEERS

MEMBERS = [name for name, path in zoo().items() if "\nexpect:" in path.read_text("utf-8")]
FEWER = {"alexnet_ensemble": ["members=2"]}  # seven are the same graph five times more, and 1.7 GB


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MEMBERS if name not in PEERS])
def test_a_member_builds_and_is_proved(name, tmp_path):
    path = tmp_path / "net.onnx"
    try:
        result = build(check(name, FEWER.get(name, [])), output=path)
        assert result.parity is not None and result.parity.max_rel <= RELATIVE
        assert path.stat().st_size == result.artifacts[0].bytes
    finally:
        path.unlink(missing_ok=True)  # pytest keeps the folder, and the zoo is 9 GB
