"""What an auxiliary head adds to the gradient of the trunk: nothing at weight 0, and its own gradient by its share else.

In float64, so that a sum in another order is no difference. Dropouts are off: a head's draw comes before the trunk's, so that with the head the trunk
would drop others. The heads' pools are given the size that they have at full size, so that small pictures do.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import archc

CLASSES, TOLERANCE = 5, 1e-6  # of the largest gradient of a tensor
Gradients = dict[str, torch.Tensor]

# the net, the side of its pictures, and the size that the pools of its heads give at full size
NETS = [
    ("googlenet", 48, {}),
    ("googlenet_paper", 48, {"aux4a": 4, "aux4d": 4}),
    pytest.param("inception_v3", 80, {"AuxLogits": 5}, marks=pytest.mark.slow),
]


def small_net(name: str, pools: Mapping[str, int]) -> nn.Module:
    """The net in training, in float64, without dropouts."""
    net = archc.load(name, params={"classes": CLASSES}).to_torch().double().train()
    for path, side in pools.items():
        scope = net.get_submodule(path)
        [pool] = [key for key, each in scope.named_children() if isinstance(each, nn.AvgPool2d)]
        setattr(scope, pool, nn.AdaptiveAvgPool2d(side))
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return net


def gradients(net: nn.Module, loss: torch.Tensor) -> Gradients:
    """The gradient of each parameter; zeros where the loss does not reach one."""
    names, parameters = zip(*net.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True)
    return dict(zip(names, found, strict=True))


def assert_equal(found: Gradients, expected: Gradients) -> None:
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert (found[name] - gradient).abs().max() <= TOLERANCE * max(gradient.abs().max().item(), 1e-3), name


@pytest.mark.parametrize(("name", "side", "pools"), NETS, ids=["googlenet", "googlenet_paper", "inception_v3"])
def test_the_trunk_s_gradient_is_the_sum_by_shares(name: str, side: int, pools: Mapping[str, int]) -> None:
    net = small_net(name, pools)
    heads = dict(net.head_weights)
    torch.manual_seed(0)
    images, targets = torch.randn(3, 3, side, side, dtype=torch.float64), torch.tensor([0, 1, 4])

    net.head_weights = {}
    without = gradients(net, net.loss(net(images), targets))
    trunk = {path for path in without if path.split(".")[0] not in heads}
    assert all((gradient.abs().max() > 0) == (path in trunk) for path, gradient in without.items())

    net.head_weights = dict.fromkeys(heads, 0.0)
    outputs = net(images)
    assert list(outputs) == ["logits", *heads]
    assert_equal(gradients(net, net.loss(outputs, targets)), without)

    alone = {head: gradients(net, cross_entropy(outputs[head], targets)) for head in heads}
    # else this test would not notice heads that give the trunk nothing
    assert all(
        any(alone[head][path].abs().max() > 0.01 * without[path].abs().max() for path in trunk) for head in heads
    )
    net.head_weights = dict.fromkeys(heads, 0.3)
    summed = {path: gradient + sum(0.3 * alone[head][path] for head in heads) for path, gradient in without.items()}
    assert_equal(gradients(net, net.loss(net(images), targets)), summed)
