"""`--set` for recipes: what each setting changes, whose it is, and what is said of one that fits nowhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archc import Failure, SpecError
from archc.training.recipe.catalog import list_settings
from archc.training.recipe.read import read_recipe
from archc.training.recipe.recipe import Recipe, ValidationSplit
from archc.training.recipe.settings import split_settings

SMALL = Path(__file__).parent / "data" / "recipes" / "small.yaml"

# a setting, what is looked at, and its value; the recipe has sgd and the schedule `steps`
CHANGES: list[tuple[str, Callable[[Recipe], Any], Any]] = [
    ("epochs=3", lambda r: (r.epochs, r.steps), (3, None)),
    ("recipe.epochs=3", lambda r: r.epochs, 3),
    ("steps=100", lambda r: (r.epochs, r.steps), (None, 100)),
    ("optimizer.lr=0.05", lambda r: (r.optimizer.name, r.optimizer.values["lr"], r.optimizer.values["momentum"]), ("sgd", 0.05, 0.9)),
    ("optimizer.sgd.lr=1", lambda r: r.optimizer.values["lr"], 1.0),
    ("optimizer.decay_norms=false", lambda r: r.optimizer.decay_norms, False),
    ("optimizer.adam.lr=0.001", lambda r: (r.optimizer.name, r.optimizer.values["lr"]), ("adam", 0.001)),
    ("optimizer={adamw: {lr: 0.001}}", lambda r: (r.optimizer.name, r.optimizer.values["weight_decay"]), ("adamw", 0.01)),
    ("schedule=cosine", lambda r: (r.schedule.name, dict(r.schedule.values)), ("cosine", {"min_lr": 0.0})),
    ("schedule.factor=0.5", lambda r: (r.schedule.values["at"], r.schedule.values["factor"]), ((2.0, 3.0), 0.5)),
    ("schedule.at_steps=[10]", lambda r: (r.schedule.values["at"], r.schedule.values["at_steps"]), (None, (10,))),
    ("optimizer.bias_lr_factor=2", lambda r: r.optimizer.bias_lr_factor, 2.0),
    ("schedule.factor=[0.5, 0.1]", lambda r: r.schedule.values["factor"], (0.5, 0.1)),
    ("warmup={steps: 9, start: 0.1, shape: constant}", lambda r: (r.schedule.warmup.steps, r.schedule.warmup.start, r.schedule.warmup.shape),
     (9, 0.1, "constant")),
    ("augment=[center_crop: 40, random_crop: {padding: 4, fill: reflect}]", lambda r: [dict(step.values) for step in r.augment],
     [{"size": 40}, {"size": None, "padding": 4, "fill": "reflect"}]),
    ("warmup=null", lambda r: r.schedule.warmup, None),
    ("warmup.steps=7", lambda r: (r.schedule.warmup.epochs, r.schedule.warmup.steps), (None, 7)),
    ("data.workers=0", lambda r: (r.data.workers, r.data.split), (0, ValidationSplit(0.2, 3))),
    ("data.split.val=0.4", lambda r: r.data.split, ValidationSplit(0.4, 3)),
    ("data.split=0.4", lambda r: r.data.split, ValidationSplit(0.4)),
    ("augment=[]", lambda r: r.augment, ()),
    ("augment=[flip, mixup: 0.2]", lambda r: [step.name for step in r.augment], ["flip", "mixup"]),
    ("loss.class_weights=balanced", lambda r: r.loss.class_weights, "balanced"),
    ("checkpoint.every.steps=50", lambda r: (r.checkpoint.every_epochs, r.checkpoint.every_steps), (None, 50)),
    ("ema=0.99", lambda r: r.ema, 0.99),
    ("seed=5", lambda r: r.seed, 5),
]  # fmt: skip


@pytest.mark.parametrize(("setting", "look", "expected"), CHANGES, ids=[setting for setting, _, _ in CHANGES])
def test_a_setting_changes_one_value(setting: str, look: Callable[[Recipe], Any], expected: object) -> None:
    assert look(read_recipe(SMALL, [setting])) == expected


def test_later_settings_win_and_python_gives_values() -> None:
    assert read_recipe(SMALL, ["seed=1", "seed=2"]).seed == 2
    recipe = read_recipe(SMALL, (), {"optimizer.lr": 0.3, "augment": [{"flip": 0.1}, "trivial_augment"], "clip": None})
    assert recipe.optimizer.values["lr"] == 0.3 and [step.name for step in recipe.augment] == [
        "flip",
        "trivial_augment",
    ]


WRONG = [
    ("lr=1", "set-unknown", "did you mean `optimizer.lr`? write --set optimizer.lr=1"),
    ("learning_rate=1", "set-unknown", "did you mean `optimizer.lr`?"),
    ("batch_size=1", "set-unknown", "did you mean `batch`? write --set batch=1"),
    ("batchsize=4", "set-unknown", "write --set batch=4"),
    ("amp=true", "set-unknown", "write --set precision=bf16"),
    ("warmup_epochs=3", "set-unknown", "write --set 'warmup={epochs: 3}'"),
    ("schedule.gamma=0.5", "set-unknown", "write --set schedule.factor=0.5"),
    ("schedule.T_max=9", "set-unknown", "leave it out: a schedule ends with the run"),
    ("imgsz=224", "set-unknown", "the spec says its input"),
    ("weights=x.pth", "set-unknown", "archc train SPEC RECIPE --weights FILE"),
    ("flip=0.2", "set-unknown", "the list is set as a whole: --set 'augment=[{flip: 0.2}]'"),
    ("augment.flip=0.2", "set-unknown", "--set 'augment=[{random_crop: {size: 32, padding: 4}}, {flip: 0.2}]'"),
    ("augment.flip=0", "set-unknown", "without the step: --set 'augment=[{random_crop: {size: 32, padding: 4}}]'"),
    (
        "augment.mixup=0.2",
        "set-unknown",
        "--set 'augment=[{random_crop: {size: 32, padding: 4}}, {flip: 0.5}, {mixup: 0.2}]'",
    ),
    (
        "augment.random_crop.padding=8",
        "set-unknown",
        "--set 'augment=[{random_crop: {size: 32, padding: 8}}, {flip: 0.5}]'",
    ),
    ("optimizer.learning_rate=1", "set-unknown", "did you mean `optimizer.lr`?"),
    ("data.worker=1", "set-unknown", "did you mean `data.workers`?"),
    ("data.frobnicate=1", "set-unknown", "it can be format, train"),
    ("augment.0=1", "set-unknown", "is set as a whole"),
    ("schedule.min_lr=0.01", "set-unknown", "`steps` has no `min_lr`"),
    ("schedule.peak=0.5", "set-unknown", "`one_cycle` has it: --set 'schedule={one_cycle: {peak: 0.5}}'"),
    ("optimizer.amsgrad=true", "set-unknown", "`adam`, `adamw` have it"),
    ("recipe=1", "set-unknown", "no value that can be set"),
    ("extends=x.yaml", "set-unknown", "no value that can be set"),
    ("init.layers..normal=1", "set-unknown", "a name is missing between two dots"),
    ("optimizer..lr=1", "set-unknown", "a name is missing between two dots"),
    ("optimizer.=1", "set-unknown", "a name is missing behind the last dot"),
    ("epochs=0", "set-value", "wants an integer from 1 to 1,000,000, not 0"),
    ("epochs=three", "set-value", "not 'three'"),
    ("optimizer.momentum=1.5", "set-value", "under 1"),
    ("optimizer=adam", "set-value", "write `--set 'optimizer={adam: {lr: 0.001}}'`"),
    ("optimizer={type: SGD, lr: 0.2}", "set-value", "write `--set 'optimizer={sgd: {lr: 0.2}}'`"),
    ("optimizer.lr=0,1", "set-value", "write `--set optimizer.lr=0.1`"),
    ("ema=true", "set-value", "write `--set ema=0.9999`"),
    ("warmup=3", "set-value", "write `--set 'warmup={epochs: 3}'`"),
    ("augment=flip", "set-value", "write `--set 'augment=[flip]'`"),
    ("augment=[flop]", "set-value", "did you mean `flip`?"),
    ("epochs=", "set-value", "no value"),
    ("epochs", "set-unknown", "write --set epochs=VALUE"),
]


@pytest.mark.parametrize(("setting", "code", "part"), WRONG, ids=[setting for setting, _, _ in WRONG])
def test_a_setting_that_does_not_fit(setting: str, code: str, part: str) -> None:
    with pytest.raises(Failure) as caught:
        read_recipe(SMALL, [setting])
    assert (caught.value.code, caught.value.exit_code) == (code, 2)
    assert part in str(caught.value)
    # what it tells to write is taken
    for advice in (
        ()
        if "such as" in caught.value.help
        else re.findall(r"--set '([^']+)'|--set ([\w.]+=[\w.]+)", caught.value.help)
    ):
        if not advice[1].startswith("epochs=VALUE"):
            read_recipe(SMALL, ["".join(advice)])


def test_a_setting_that_does_not_go_with_the_rest() -> None:
    with pytest.raises(SpecError, match=r"--set warmup.epochs:1:1: beyond-end: the warm-up takes 9 epochs"):
        read_recipe(SMALL, ["warmup.epochs=9"])


def test_whose_a_setting_is() -> None:
    settings = [
        "optimizer.lr=1",
        "epochs=3",
        "depths=[1]",
        "recipe.seed=1",
        "spec.seed=2",
        "classes=4",
        "data.split.val=0.1",
    ]
    found = split_settings(settings, ("depths", "classes", "seed"))
    assert found.recipe == ("optimizer.lr=1", "epochs=3", "seed=1", "data.split.val=0.1")
    assert found.spec == ("depths=[1]", "seed=2", "classes=4")


@pytest.mark.parametrize(
    ("setting", "part"),
    [("seed=1", "write --set recipe.seed=… or --set spec.seed=…"), ("lr=1", "did you mean `optimizer.lr`?"),
     ("optimiser.lr=1", "did you mean `optimizer.lr`?"), ("clases=3", "did you mean `classes`?"), ("epoch=3", "did you mean `epochs`?"),
     ("no.such=3", "the first part is a key of a recipe")],
)  # fmt: skip
def test_a_setting_that_is_nobodys_or_both(setting: str, part: str) -> None:
    with pytest.raises(Failure) as caught:
        split_settings([setting], ("classes", "seed"))
    assert caught.value.exit_code == 2 and part in caught.value.help


@pytest.mark.parametrize(
    ("params", "has"),
    [(("classes", "width"), "the spec has `classes`, `width`"), ((), "the spec has no parameters")],
)
def test_what_nothing_is_like_is_told_with_both_lists(params: tuple[str, ...], has: str) -> None:
    with pytest.raises(Failure) as caught:
        split_settings(["frobnicate=1"], params)
    assert "no parameter of the spec and no key of a recipe" in caught.value.message
    assert f"{has}; a recipe has data, epochs" in caught.value.help and "docs/reference/recipes.md" in caught.value.help


@pytest.mark.parametrize(("given", "some"), [
    ((), {"optimizer.lr=0.1", "epochs=90", "warmup=", "warmup.shape=", "data.split.val=", "augment=", "data.val=val", "schedule=constant", "precision=fp32"}),
    (("resnet110_cifar_optA",), {"steps=64000", "schedule.at_steps=", "warmup.shape=constant", "data.workers=", "optimizer=", "seed=0", "epochs="}),
    (("resnet18", "inception_v3"), {"optimizer.alpha=0.9", "clip=2.0", "schedule.every=2.0"}),
])  # fmt: skip
def test_the_words_of_settings(given: tuple[str, ...], some: set[str]) -> None:
    found = list_settings(*given)
    assert some <= set(found), some - set(found)
    assert len(found) == len(set(found))
    # each that has a value can be set as it stands
    settings = [
        word
        for word in found
        if not word.endswith("=") and not word.startswith(("init.", "optimizer.", "schedule.", "warmup.", "data.val"))
    ]
    read_recipe(SMALL, settings)
