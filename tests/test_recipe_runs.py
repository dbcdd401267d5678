"""Every bundled recipe plans a run of the nets that are its own: pictures of their size, an optimizer of their parameters, a learning rate at each step."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, cast

import numpy as np
import pytest
import torch

from archc.compiler.backends.torch.module import to_torch
from archc.compiler.backends.torch.network import Network
from archc.compiler.driver import Compilation, check
from archc.runtime.preprocess import Preprocess
from archc.training.augment.draws import Purpose, open_draws
from archc.training.augment.pictures import Augmenter
from archc.training.freezing import freeze
from archc.training.measures import METRICS
from archc.training.optimizers import make_optimizer, set_learning_rate
from archc.training.recipe.find import bundled_recipes
from archc.training.recipe.read import read_recipe
from archc.training.schedules import Length, Plateau, learning_rate, make_schedule

# nets for the recipes that have none of their own; and the input of the one whose net is made for another
OTHERS = {"fashion_mnist": "resnet20_cifar_optA", "fb_resnet_torch": "resnet50"}
INPUTS: dict[str, tuple[int, int, int]] = {"fashion_mnist": (1, 28, 28)}
# how many training pictures there are, by the side of the input; ImageNet's for what is larger
SMALL_PICTURES, LARGE_PICTURES = 50_000, 1_281_167
LOOKS = 3000

RECIPES = {name: read_recipe(name) for name in bundled_recipes()}
FIRST = [(name, recipe.nets[0] if recipe.nets else OTHERS[name]) for name, recipe in RECIPES.items()]
REST = [(name, net) for name, recipe in RECIPES.items() for net in recipe.nets[1:]]
PAIRS = [*FIRST, *(pytest.param(*pair, marks=pytest.mark.slow) for pair in REST)]


class NoTensors:
    """A weight source that has nothing."""

    def names(self) -> tuple[str, ...]:
        return ()


@cache
def checked_net(net: str) -> Compilation:
    found = check(net)
    assert found.graph is not None and found.document is not None
    return found


@cache
def net_of(net: str) -> Network:
    """The net without memory for its weights."""
    graph = checked_net(net).graph
    assert graph is not None
    with torch.device("meta"):
        return to_torch(graph, cast(Any, NoTensors()))


def inputs_of(recipe: str, net: str) -> Preprocess:
    checked = checked_net(net)
    stated = checked.header.preprocess.to_dict() if checked.header.preprocess else {}
    if recipe in INPUTS:
        return Preprocess.parse({}, INPUTS[recipe])
    assert checked.graph is not None
    channels, height, width = checked.graph.inputs[0].type.sizes
    return Preprocess.parse(stated, (channels, height, width))


@pytest.mark.parametrize(("name", "net"), PAIRS)
@pytest.mark.parametrize("size", [(375, 500), (64, 48)], ids=str)
def test_a_picture_gets_the_size_of_the_input(name: str, net: str, size: tuple[int, int]) -> None:
    how = inputs_of(name, net)
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    augmenter = Augmenter(how, RECIPES[name].augment)
    for seed in range(2):
        values = augmenter(picture, "picture", open_draws(Purpose.PICTURE, seed))
        assert values.shape == how.size and values.dtype == np.float32 and np.isfinite(values).all()
        assert values.std() > 0


@pytest.mark.parametrize(("name", "net"), FIRST)
def test_an_optimizer_holds_the_parameters_of_the_net(name: str, net: str) -> None:
    network, recipe = net_of(net), RECIPES[name]
    freeze(network, recipe.freeze)
    optimizer = make_optimizer(network, recipe.optimizer)
    held = [id(each) for group in optimizer.param_groups for each in group["params"]]
    assert sorted(held) == sorted(id(each) for each in network.parameters() if each.requires_grad)
    set_learning_rate(optimizer, 1.0)
    biases = {id(each) for key, each in network.named_parameters() if key.endswith(".bias")}
    for group in optimizer.param_groups:
        for each in group["params"]:
            assert group["lr"] == (recipe.optimizer.bias_lr_factor if id(each) in biases else 1)
            is_plain = not recipe.optimizer.decay_norms and each.ndim <= 1
            assert group["weight_decay"] == (0 if is_plain else recipe.optimizer.values["weight_decay"])


@pytest.mark.parametrize(("name", "net"), FIRST)
def test_the_learning_rate_of_the_whole_run(name: str, net: str) -> None:
    """It is over 0 at every step and at most the recipe's own; each of its drops is within the run; where it should fall it has fallen at the end."""
    recipe = RECIPES[name]
    pictures = SMALL_PICTURES if max(inputs_of(name, net).crop) <= 32 else LARGE_PICTURES
    per_epoch = pictures // recipe.batch
    steps = recipe.steps or per_epoch * (recipe.epochs or 0)
    length, rules, base = Length(steps, per_epoch), recipe.schedule, recipe.optimizer.values["lr"]
    looked = {0, 1, steps - 1, *np.linspace(0, steps - 1, LOOKS).astype(int).tolist()}
    rates = [learning_rate(recipe, step, length) for step in sorted(looked)]
    assert all(math.isfinite(rate) and 0 < rate <= base * (1 + 1e-9) for rate in rates)
    if rules.name == "steps":
        at = rules.values["at_steps"] or [epoch * per_epoch for epoch in rules.values["at"]]
        found = [
            learning_rate(recipe, round(step), length) / learning_rate(recipe, round(step) - 1, length) for step in at
        ]
        factor = rules.values["factor"]
        assert (
            found == pytest.approx(list(factor) if isinstance(factor, tuple) else [factor] * len(at))
            and max(at) < steps
        )
    elif rules.name == "plateau":
        # validation that never improves takes it to its end, and that within the run
        plateau, lowest = Plateau(), rules.values["min_lr"]
        for _ in range(int(length.epochs)):
            plateau = make_schedule(rules).after_epoch(plateau, dict.fromkeys(METRICS, 0.5))
        assert learning_rate(recipe, steps - 1, length, plateau) == pytest.approx(lowest) and lowest < base
    else:
        assert rates[-1] < base / 1.5
    if rules.warmup:
        assert rates[0] == pytest.approx(base * rules.warmup.start)
