"""Optimizers and schedules as what they are told to be: one class and one row each, from which the language, the rates and the memory follow."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path

import pytest
import torch

from archc.training.optimizers import OPTIMIZERS
from archc.training.recipe.rules import recipe_schema
from archc.training.recipe.values import default_of
from archc.training.schedules import SCHEDULES

NEW = '''
from dataclasses import dataclass
from archc.compiler.sources import Memory, SpecText
from archc.training.optimizers import OPTIMIZERS, STEP_COUNT, RecipeOptimizer, count_state, make_optimizer, state_names, weight_decay_field
from archc.training.recipe.choice import field
from archc.training.recipe.field_rules import positive_rule
from archc.training.schedules import SCHEDULES, Length, Schedule, learning_rate


@dataclass(frozen=True)
class Adagrad(RecipeOptimizer):
    """A sum of the gradient's squares. Source: Duchi et al. 2011."""

    name = "adagrad"
    doc = "Adagrad (Duchi et al. 2011)"
    torch_name = "Adagrad"

    weight_decay: float = weight_decay_field(0.0)

    @property
    def kept(self):
        return (STEP_COUNT, "sum")


@dataclass(frozen=True)
class InverseDecay(Schedule):
    """One over a line: Caffe's `inv` with power 1."""

    name = "inverse"
    also_called = ("inv",)

    gamma: float = field(positive_rule("how fast it falls, a step", default=0.5), "slope")

    def rate(self, base, moment):
        return base / (1 + self.gamma * moment.step)


OPTIMIZERS["adagrad"], SCHEDULES["inverse"] = Adagrad, InverseDecay

from archc.training.recipe.read import check_recipe

HEAD = "recipe: 1\\nepochs: 2\\nbatch: 8\\n"

def check(text):
    return check_recipe(SpecText(Memory({"x.yaml": HEAD + text}), "x.yaml", (HEAD + text).encode(), "x.yaml"))

recipe = check("optimizer: {adagrad: {lr: 0.5}}\\nschedule: inverse\\n").recipe
assert [learning_rate(recipe, step, Length(8, 4)) for step in (0, 2, 6)] == [0.5, 0.25, 0.125]
assert (count_state(recipe.optimizer), state_names(recipe.optimizer)) == (1, {"step", "sum"})
for text, words in {
    "optimizer: {adagrad: {wd: 0.1}}": "`wd` is `weight_decay` here",
    "optimizer: {adagrad: {weight_decay: 0.1}}": "`adagrad` needs `lr`",
    "schedule: inv": "`inv` is `inverse` here",
    "schedule: {inverse: {slope: 1}}": "`slope` is `gamma` here",
    "schedule: {inverse: {gamma: 0}}": "`gamma` wants a number over 0",
}.items():
    found = check(text + "\\n").diagnostics
    assert len(found) == 1 and words in f"{found[0].message} {found[0].help}", found

import torch
module = torch.nn.Linear(3, 2)
optimizer = make_optimizer(module, recipe.optimizer)
module(torch.ones(1, 3)).sum().backward()
optimizer.step()
assert set(optimizer.state[module.weight]) == {"step", "sum"} and optimizer.defaults["lr"] == 0.5
'''


def test_a_new_optimizer_and_a_new_schedule_are_a_class_and_a_row_each(tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text(NEW, "utf-8")
    ran = subprocess.run([sys.executable, "new.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("name", [*OPTIMIZERS, *SCHEDULES])
def test_what_is_made_in_python_has_the_defaults_of_a_file(name: str) -> None:
    made = asdict(OPTIMIZERS[name](lr=0.1)) if name in OPTIMIZERS else asdict(SCHEDULES[name]())
    part = "optimizer" if name in OPTIMIZERS else "schedule"
    rules = recipe_schema()["properties"][part]["properties"][name]["properties"]
    stated = {key: default_of(rule) for key, rule in rules.items() if key in made}
    assert made == stated | ({"lr": 0.1} if part == "optimizer" else {})


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizers_defaults_are_torchs(name: str) -> None:
    chosen = OPTIMIZERS[name]
    theirs = inspect.signature(getattr(torch.optim, chosen.torch_name)).parameters
    own = {each.name: each.default for each in fields(chosen) if each.name != "lr"}
    assert own == {key: theirs[key].default for key in own}
