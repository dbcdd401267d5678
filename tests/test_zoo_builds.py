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

from .families import FAMILY
from .peers import PEERS, PEERS_IN_CI

MEMBERS = [name for name, path in zoo().items() if "\nexpect:" in path.read_text("utf-8")]
FEWER = {"alexnet_ensemble": ["members=2"]}  # seven are the same graph five times more, and 1.7 GB


# CI builds a net of each kind of block, shortcut, stem and end, and one of a thousand layers. The others are the same blocks more often,
# or wider: their shapes, parameters and expectations are held in test_zoo.py for each, and they are built in the soak.
IN_CI = {
    "alexnet_2012", "alexnet_v2_slim", "alexnet_ensemble", "densenet_40_12_cifar", "densenet_bc_100_12_cifar", "fractalnet_ultradeep_5_cifar100",
    "fractalnet20_cifar", "fractalnet20_cifar_deepest", "fractalnet20_cifar_expand1x1", "googlenet_paper", "lenet5_1998", "lenet5_modern", "lenet_caffe",
    "nin_cifar10", "nin_imagenet", "one_7x7", "three_3x3", "inception_bottleneck", "inception_naive", "resnet_bottleneck", "resnet_two_3x3",
    "preresnet110_cifar_conv", "preresnet110_cifar_optA", "preresnet164_cifar", "preresnet50_imagenet_fb", "resnet50_v1_stride1x1",
    "resnet20_cifar_optA", "resnet20_cifar_optB", "resnet1202_cifar_optB", "resnext29_8x64d_cifar", "squeezenet1_0_caffe227",
    "squeezenet1_0_simple_bypass", "squeezenet1_0_complex_bypass", "stochastic_depth_resnet110_cifar", "vgg16_c", "wrn_40_1_cifar", "wrn_16_4_cifar",
    "zfnet",
}  # fmt: skip


def test_a_net_of_each_family_is_built_in_ci():
    assert set(MEMBERS) - set(PEERS) >= IN_CI
    assert {FAMILY[name] for name in {*IN_CI, *PEERS_IN_CI}} == {FAMILY[name] for name in MEMBERS}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in IN_CI else pytest.mark.soak)
        for name in MEMBERS
        if name not in PEERS
    ],
)
def test_a_member_builds_and_is_proved(name, tmp_path):
    path = tmp_path / "net.onnx"
    try:
        result = build(check(name, FEWER.get(name, [])), output=path)
        assert result.parity is not None and result.parity.max_rel <= RELATIVE
        assert path.stat().st_size == result.artifacts[0].bytes
    finally:
        path.unlink(missing_ok=True)  # pytest keeps the folder, and the zoo is 9 GB
