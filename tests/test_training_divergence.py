"""A run that diverges is told with its step, and with the layer in which it began, whatever went wrong there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import archc
from archc.training.divergence import Divergence, divergence_failure, find_divergence, name_layer
from archc.training.recipe.recipe import OptimizerRules, Recipe, Warmup
from archc.training.recipe.recipe import ScheduleRules as Schedule

SPEC = """archspec: 1
name: small
input: {image: [3, 8, 8]}
graph:
  - {name: conv1, conv: {out: 4, kernel: 3, padding: 1}}
  - relu
  - {name: conv2, conv: {out: 4, kernel: 3, padding: 1}}
  - relu
  - global_avg_pool
  - {name: fc, linear: 3}
"""
# the same net as a block of another
WRAPPED = """archspec: 1
name: wrapped
input: {image: [3, 8, 8]}
import: {Small: small.yaml}
graph: [{name: m, Small: {}}]
"""
Net = tuple[Any, Any]


@pytest.fixture
def net(tmp_path: Path) -> Net:
    (tmp_path / "small.yaml").write_text(SPEC, "utf-8")
    loaded = archc.load(tmp_path / "small.yaml")
    return loaded, loaded.to_torch().train()


class BadGradient(torch.autograd.Function):
    """The value itself; its gradient is no number."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * float("nan")


def step(module: nn.Module, name: str) -> Any:
    """A step of the net, or of the net that it is a block of."""
    return next(each for path, each in module.named_modules() if path.rpartition(".")[2] == name)


def overflow(module: nn.Module) -> None:
    with torch.no_grad():
        for name in ("conv1", "conv2"):
            step(module, name).weight.fill_(1e25)


def spoil(name: str) -> Callable[[nn.Module], None]:
    def change(module: nn.Module) -> None:
        with torch.no_grad():
            step(module, name.partition(".")[0]).get_parameter(name.partition(".")[2]).view(-1)[0] = float("nan")

    return change


def break_backward(module: nn.Module) -> None:
    step(module, "conv2").register_forward_hook(lambda layer, inputs, output: BadGradient.apply(output))


CASES: dict[str, tuple[Callable[[nn.Module], None], str, str, str]] = {
    "overflow": (overflow, "output", "conv2", "its input reaches"),
    "weight": (spoil("conv2.weight"), "weight", "conv2", "its weight has 1 NaN of 144 numbers: the step before"),
    "bias of the last": (spoil("fc.bias"), "weight", "fc", "its bias has 1 NaN"),
    "gradient": (break_backward, "gradient", "conv2", "NaN"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("wrapped", [False, True])
def test_where_it_began(net: Net, tmp_path: Path, wrapped: bool, case: str) -> None:
    """A net that is a block of another names the layer, too, and its line in its own text."""
    change, where, path, words = CASES[case]
    loaded, module = net
    line = [each.path for each in loaded.graph.nodes].index(path)
    if wrapped:
        (tmp_path / "wrapped.yaml").write_text(WRAPPED, "utf-8")
        loaded, path = archc.load(tmp_path / "wrapped.yaml"), f"m.{path}"
        module = loaded.to_torch().train()
    assert name_layer(path, loaded.graph) == f"`{path}` (small.yaml:{5 + line})"
    change(module)
    images, targets = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 0])
    found = find_divergence(module, lambda: module.loss(module(images), targets))
    assert (found.where, found.path) == (where, path) and words in found.detail


def test_bad_pictures(net: Net) -> None:
    _, module = net
    images = torch.rand(4, 3, 8, 8)
    images[1, 0, 0, 0] = float("inf")
    found = find_divergence(module, lambda: module.loss(module(images), torch.zeros(4, dtype=torch.long)))
    assert found == Divergence("input", "conv1", "the pictures that arrive there have 1 infinite of 768 numbers")


def test_a_loss_of_finite_outputs(net: Net) -> None:
    _, module = net
    images = torch.rand(4, 3, 8, 8)
    found = find_divergence(
        module, lambda: cross_entropy(module(images), torch.zeros(4, dtype=torch.long)) * float("inf")
    )
    assert found.where == "loss" and not found.path


def test_nothing_is_found_where_nothing_is(net: Net) -> None:
    _, module = net
    images, before = torch.rand(4, 3, 8, 8), {name: value.clone() for name, value in module.state_dict().items()}
    found = find_divergence(module, lambda: module.loss(module(images), torch.zeros(4, dtype=torch.long)))
    assert found == Divergence("nowhere")
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert not any(layer._forward_hooks for layer in module.modules())


RECIPE = Recipe("r", 32, epochs=1, optimizer=OptimizerRules("adam", {"lr": 0.5}))


def test_what_is_told(net: Net) -> None:
    loaded, _ = net
    found = Divergence("output", "conv2", "its output has 1 NaN of 8 numbers; its input reaches 1e+30")
    told = divergence_failure(found, step=1204, epoch=3, loss=float("nan"), recipe=RECIPE, graph=loaded.graph, checkpoint=Path("run/00001000.safetensors"))  # fmt: skip
    assert told.code == "diverged" and told.exit_code == 1
    assert told.message.startswith(
        "the loss is nan at step 1,204, in epoch 3: it began in `conv2` (small.yaml:7) (its output has 1 NaN"
    )
    for words in ("--set optimizer.adam.lr=0.05 (it is 0.5)", "warmup", "--set clip=1.0", "00001000.safetensors"):
        assert words in told.help


def test_what_the_recipe_has_is_not_advised() -> None:
    recipe = Recipe("r", 32, epochs=1, clip=1.0, precision="fp16", schedule=Schedule("cosine", {}, Warmup(epochs=5)))
    told = divergence_failure(Divergence("gradient", "fc", ""), step=1, epoch=1, loss=float("inf"), recipe=recipe)
    assert (
        "warmup" not in told.help
        and "clip" not in told.help
        and "bf16" in told.help
        and "backward pass of `fc`" in told.message
    )
    pictures = divergence_failure(Divergence("input", "conv1", ""), step=1, epoch=1, loss=float("inf"), recipe=recipe)
    assert "preprocess" in pictures.help and "lr" not in pictures.help
