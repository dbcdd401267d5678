"""A small net and an ensemble of it, `archc build` on them in a folder, and what torch answers: for tests of checkpoints."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import archc
from archc.cli import main
from archc.runtime import Session

from .wild import State

SPEC = """
archspec: 1
name: small
params: {classes: 5, width: 8}
input: {image: [3, 12, 12]}
graph:
  - {name: conv1, conv: {out: $width, kernel: 3, padding: 1, bias: false}}
  - {name: bn1, batch_norm}
  - relu
  - name: layer1
    steps:
      - {name: norm1, batch_norm}
      - relu
      - {name: conv1, conv: {out: 8, kernel: 3, padding: 1, bias: false}}
  - {name: aux, aux: 0.3, steps: [global_avg_pool, {name: fc, linear: $classes}]}
  - global_avg_pool
  - {name: fc, linear: $classes}
"""
ENSEMBLE = """
archspec: 1
name: ensemble
params: {members: 3}
input: {image: [3, 12, 12]}
import: {Small: small.yaml}
graph:
  - mean:
      - repeat: {i: $members}
        steps: [{name: member$(i), Small}, softmax]
"""


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def weights(self) -> Any:
        return json.loads(self.out)["weights"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """`archc build` in a folder that holds small.yaml and ensemble.yaml; a refusal must leave nothing behind."""
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SPEC, "utf-8")
    Path("ensemble.yaml").write_text(ENSEMBLE, "utf-8")

    def execute(spec: str, *arguments: str) -> Ran:
        before = sorted(Path().iterdir())
        code = main(["build", spec, *arguments, "--no-verify"])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        if code:
            assert sorted(Path().iterdir()) == before
            assert len(re.findall(r"^error\[|^usage", err, re.M)) <= 1
        return Ran(code, out, err)

    return execute


def state(seed: int = 1, **params: int) -> State:
    """A state dict of the small net, with statistics that no default has."""
    net = archc.load("small.yaml", params=params).to_torch(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    found: State = net.state_dict()
    return {k: v if v.dtype == torch.int64 else v + torch.rand(v.shape, generator=generator) for k, v in found.items()}


def answers(tensors: State) -> Any:
    """What torch answers to an image of ones with these tensors."""
    net = archc.load("small.yaml", params={}).to_torch().eval()
    net.load_state_dict(tensors)
    with torch.no_grad():
        return net(torch.ones(1, 3, 12, 12)).numpy()


def built(path: str = "small.onnx") -> Any:
    return Session(path, device="cpu").run(np.ones((1, 3, 12, 12), np.float32))["logits"]
