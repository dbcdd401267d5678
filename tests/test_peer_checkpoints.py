"""Checkpoints of torchvision's and timm's nets, by keys and shapes alone: which fit where, and what is said where they do not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archc.build.build import build
from archc.compiler.diagnostics import Failure
from archc.compiler.driver import check
from archc.compiler.ir.dtypes import F32, I64
from archc.compiler.weights.given import checkpoint
from archc.compiler.weights.loading import NetTensors, load_checkpoints
from archc.compiler.weights.seeded import SeededSource

PEERS = json.loads((Path(__file__).parent / "data" / "peers.json").read_text("utf-8"))["nets"]


class Shapes:
    """A peer's checkpoint without its numbers: it must be refused before one of them is asked for."""

    def __init__(self, peer: str) -> None:
        self.tensors = PEERS[peer]

    def names(self) -> Any:
        return self.tensors

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.tensors[name])

    def dtype(self, name: str) -> str:
        return I64 if name.endswith("num_batches_tracked") else F32

    def get(self, name: str) -> Any:
        raise AssertionError(f"{name} was read")


MEMBERS = [
    ("resnet18", "resnet34", "weights-unused", "layer1.2.conv1.weight"), ("resnet34", "resnet18", "weights-missing", "layer1.2.conv1.weight"),
    ("resnet50", "resnet101", "weights-unused", "layer3.6.conv1.weight"), ("resnet101", "resnet50", "weights-missing", "layer3.6.conv1.weight"),
    ("vgg16_bn", "vgg16", "weights-missing", "features.1.weight"), ("vgg16", "vgg16_bn", "weights-missing", "features.2.weight"),
    ("resnet50", "wide_resnet50_2", "weights-misshapen", "layer1.0.conv1.weight 128×64×1×1 for 64×64×1×1"),
    ("resnet50", "resnext50_32x4d", "weights-misshapen", "layer1.0.conv2.weight 128×4×3×3 for 64×64×3×3"),
    ("densenet121", "densenet169", "weights-misshapen", "features.transition3.norm.weight"),
    ("googlenet", "inception_v3", "weights-missing", "conv1.conv.weight"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "checkpoint", "code", "said"), MEMBERS, ids=[f"{c} into {s}" for s, c, *_ in MEMBERS])
def test_another_member_s_checkpoint(spec, checkpoint, code, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Failure) as caught:
        build(check(spec), weights=Shapes(checkpoint))
    assert (caught.value.code, caught.value.exit_code) == (code, 1)
    assert said in caught.value.message and "weights_skip" not in caught.value.help
    assert not list(tmp_path.iterdir())


class OldDenseNet(Shapes):
    """torchvision's DenseNet files of 2017, which its own loader renames: `denselayer1.norm.1` for `denselayer1.norm1`."""

    def __init__(self, peer: str) -> None:
        super().__init__(peer)
        old = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", k): v for k, v in self.tensors.items()}
        self.tensors = {k: v for k, v in old.items() if not k.endswith("num_batches_tracked")}

    def get(self, name: str) -> Any:
        return np.broadcast_to(np.float32(1), self.tensors[name])


@pytest.mark.parametrize("name", ["densenet121", "densenet161", "densenet169", "densenet201"])
def test_old_densenet_files(name):
    source, params = OldDenseNet(name), check(name).graph.params()
    assert any(".norm.1." in tensor for tensor in source.names())
    report = load_checkpoints({"": checkpoint(source)}, NetTensors(params), SeededSource(params)).report
    assert (report.loaded, report.missing, report.unused) == (len(source.tensors), (), ())


HEADS = {
    "resnet50": "fc", "googlenet": "aux1.fc2 aux2.fc2 fc", "inception_v3": "AuxLogits.fc fc", "densenet121": "classifier", "vgg16": "classifier.6",
    "squeezenet1_0": "classifier.1", "inception_v4": "last_linear", "resnetv2_50": "head.fc",
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_the_steps_to_skip_are_named(name):
    with pytest.raises(Failure) as caught:
        build(check(name, ["classes=10"]), weights=Shapes(name))
    assert caught.value.code == "weights-misshapen"
    assert f"`weights_skip={HEADS[name].split()}` leaves" in caught.value.help
