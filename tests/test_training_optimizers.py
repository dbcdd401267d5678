"""The optimizer of a recipe against plain torch: which parameters it holds, how fast each learns, and which are decayed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from archc.training.optimizers import make_optimizer, set_learning_rate
from archc.training.recipe.recipe import OptimizerRules, Recipe, ScheduleRules
from archc.training.schedules import Length, learning_rate

SGD = OptimizerRules("sgd", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01})
LENGTH = Length(30, 10)


def small_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5, bias=False), nn.Linear(5, 2))  # fmt: skip


def is_bias(name: str) -> bool:
    return name.endswith(".bias")


# how archc says it, then torch's groups: a name's share of the learning rate, and its weight decay
CASES: dict[str, tuple[OptimizerRules, Any, Any]] = {
    "caffe": (replace(SGD, bias_lr_factor=2.0, decay_norms=False), lambda n: 2.0 if is_bias(n) else 1.0,
              lambda n, p: 0.01 if p.ndim > 1 else 0.0),
    "caffe's lenet": (replace(SGD, bias_lr_factor=2.0), lambda n: 2.0 if is_bias(n) else 1.0, lambda n, p: 0.01),
    "plain": (SGD, lambda n: 1.0, lambda n, p: 0.01),
    "no decay": (replace(SGD, decay_norms=False), lambda n: 1.0, lambda n, p: 0.01 if p.ndim > 1 else 0.0),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_thirty_steps_are_those_of_plain_torch(name: str) -> None:
    """With a group for each parameter, whose learning rate a MultiStepLR lowers."""
    rules, share, decay = CASES[name]
    ours, theirs = small_net(), small_net()
    recipe = Recipe(
        "x", 8, epochs=3, optimizer=rules, schedule=ScheduleRules("steps", {"at": (1.0, 2.0), "factor": 0.1})
    )
    optimizer = make_optimizer(ours, rules)
    groups = [{"params": [p], "lr": 0.1 * share(n), "weight_decay": decay(n, p)} for n, p in theirs.named_parameters()]
    plain = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(plain, [10, 20], 0.1)
    for step in range(30):
        torch.manual_seed(step)
        images, targets = torch.randn(8, 3, 8, 8), torch.randint(0, 2, (8,))
        set_learning_rate(optimizer, learning_rate(recipe, step, LENGTH))
        for net, each in ((ours, optimizer), (theirs, plain)):
            each.zero_grad()
            nn.functional.cross_entropy(net(images), targets).backward()
            each.step()
        scheduler.step()
    for (key, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(mine, other, rtol=1e-5, atol=1e-7), key


@pytest.mark.parametrize("name", CASES)
def test_each_parameter_is_held_once(name: str) -> None:
    net = small_net()
    held = [id(each) for group in make_optimizer(net, CASES[name][0]).param_groups for each in group["params"]]
    assert sorted(held) == sorted(map(id, net.parameters()))


@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop"])
def test_every_optimizer_takes_the_factor(name: Any) -> None:
    optimizer = make_optimizer(small_net(), OptimizerRules(name, {"lr": 0.1}, bias_lr_factor=3.0))
    set_learning_rate(optimizer, 0.2)
    assert sorted(group["lr"] for group in optimizer.param_groups) == pytest.approx([0.2, 0.6])


def test_what_is_frozen_is_not_held() -> None:
    net = small_net()
    for each in net[0].parameters():
        each.requires_grad_(False)
    optimizer = make_optimizer(net, replace(SGD, bias_lr_factor=2.0))
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 5
