"""`archc train` against the plain loop of tests/plain_training.py with the other library's net: the same losses, from the same weights.

The first 20 are equal to 1e-3. Later ones drift apart, as a sum in another order does in any training; the mean of the last 50 is equal to 5 %.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from .plain_training import ROOT, Proof, compare, timm_twin, torchvision_twin

FIRST, LAST = 20, 50


def check_losses(proof: Proof, folder: Path) -> None:
    ours, plain = compare(proof, folder)
    assert len(ours) == len(plain) == proof.steps
    assert np.isfinite(plain).all() and np.ptp(plain) > 0.01, "the plain loop learns nothing that could be compared"
    assert np.abs(np.subtract(ours[:FIRST], plain[:FIRST])).max() <= 1e-3
    assert np.mean(ours[-LAST:]) == pytest.approx(np.mean(plain[-LAST:]), rel=0.05)


SMALL = [
    Proof("resnet18", 32, torchvision_twin("resnet18")),
    Proof("googlenet", 32, torchvision_twin("googlenet")),
    Proof("vgg11_bn", 32, torchvision_twin("vgg11_bn"), narrow=64),
    Proof("squeezenet1_1", 64, torchvision_twin("squeezenet1_1")),
]


@pytest.mark.slow
@pytest.mark.parametrize("proof", SMALL, ids=[each.net for each in SMALL])
def test_losses_are_those_of_plain_torch(proof: Proof, tmp_path: Path) -> None:
    check_losses(proof, tmp_path)


# a member of every family, at full width; where no other library has it, the plain loop trains archc's module
FAMILIES = {
    "alexnet": Proof("alexnet", 64, torchvision_twin("alexnet")),
    "densenet": Proof("densenet121", 64, torchvision_twin("densenet121")),
    "fractalnet": Proof("fractalnet20_cifar", 32),
    "googlenet": Proof("googlenet_paper", 224),
    "inception": Proof("inception_v3", 299, torchvision_twin("inception_v3")),
    "lenet": Proof("lenet5_1998", 32, channels=1),
    "nin": Proof("nin_cifar10", 32),
    "preact": Proof("resnetv2_50", 64, timm_twin("resnetv2_50")),
    "resnet": Proof("resnet50", 64, torchvision_twin("resnet50")),
    "resnet_cifar": Proof("resnet20_cifar_optA", 32),
    "resnext": Proof("resnext50_32x4d", 64, torchvision_twin("resnext50_32x4d")),
    "squeezenet": Proof("squeezenet1_0", 64, torchvision_twin("squeezenet1_0")),
    "stochastic_depth": Proof("stochastic_depth_resnet110_cifar", 32),
    # torchvision's own diverges at the others' rate
    "vgg": Proof("vgg16_bn", 32, torchvision_twin("vgg16_bn"), lr=0.0001),
    "wide_resnet": Proof("wide_resnet50_2", 64, torchvision_twin("wide_resnet50_2")),
    "zfnet": Proof("zfnet", 224),
}
# pieces of nets; and members of AlexNet, each trained alone
NOT_TRAINED = {"lecture", "labels", "ensemble", "recipes"}


def test_every_family_is_there() -> None:
    families = {path.name for path in (ROOT / "archspecs").iterdir() if path.is_dir()}
    assert families - NOT_TRAINED == FAMILIES.keys()


@pytest.mark.soak
@pytest.mark.parametrize("family", FAMILIES)
def test_a_member_of_every_family(family: str, tmp_path: Path) -> None:
    check_losses(FAMILIES[family], tmp_path)
