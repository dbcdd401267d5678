"""Recipes: what a text says, what is wrong with it, what it extends, and the bundled ones."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archc import Failure, SpecError
from archc.compiler import sources
from archc.compiler.sources import Memory, SpecText, zoo
from archc.training.recipe import find
from archc.training.recipe.find import bundled_recipes, find_recipe, is_recipe, recipe_for
from archc.training.recipe.read import CheckedRecipe, check_recipe, read_recipe
from archc.training.recipe.recipe import Recipe, ValidationSplit
from archc.training.recipe.rules import recipe_schema, recipe_schema_text
from archc.training.recipe.write import UNSEEN, to_yaml

from .program import Run, program

ROOT = Path(__file__).parent.parent
DATA = Path(__file__).parent / "data" / "recipes"
HEAD = "recipe: 1\n"
SOUND = HEAD + "epochs: 10\nbatch: 32\n"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return program(capsys)


def text_of(text: str, **others: str) -> SpecText:
    """A recipe in memory, beside `others` by their names without the suffix."""
    files = Memory({"x.yaml": text, **{f"{name}.yaml": each for name, each in others.items()}})
    return SpecText(files, "x.yaml", text.encode(), "x.yaml")


def check(text: str, *sets: str, **others: str) -> CheckedRecipe:
    return check_recipe(text_of(text, **others), sets)


def read(text: str, *sets: str, **others: str) -> Recipe:
    return read_recipe(text_of(text, **others), sets)


def test_a_small_recipe() -> None:
    recipe = read_recipe(DATA / "small.yaml")
    assert (recipe.name, recipe.epochs, recipe.steps, recipe.batch) == ("small", 4, None, 16)
    assert recipe.data.val is None and recipe.data.split == ValidationSplit(0.2, 3)
    assert recipe.optimizer.values == {
        "lr": 0.1,
        "momentum": 0.9,
        "dampening": 0.0,
        "weight_decay": 1e-4,
        "nesterov": True,
    }
    assert recipe.schedule.values == {"at": (2.0, 3.0), "at_steps": None, "factor": 0.1}
    assert [(step.name, dict(step.values)) for step in recipe.augment] == [
        ("random_crop", {"size": 32, "padding": 4, "fill": 0}),
        ("flip", {"p": 0.5}),
    ]
    assert recipe.origin.endswith("small.yaml")


def test_the_later_key_takes_the_place_of_the_earlier_one() -> None:
    recipe = read_recipe(DATA / "extended.yaml")
    assert (recipe.name, recipe.epochs, recipe.steps, recipe.batch, recipe.summary) == ("extended", None, 100, 16, "")
    assert recipe.optimizer.values["lr"] == 0.05 and recipe.optimizer.values["momentum"] == 0.9
    assert (recipe.schedule.name, dict(recipe.schedule.values)) == ("cosine", {"min_lr": 0.001})
    assert [step.name for step in recipe.augment] == ["trivial_augment", "mixup"]
    assert recipe.schedule.warmup is not None and recipe.data.split is not None


# a text; then what each diagnostic has: its code, and a part of its message or help
WRONG: dict[str, list[tuple[str, str]]] = {
    HEAD: [("missing-key", "needs `epochs` or `steps`: how long it trains and `batch`")],
    "epochs: 3\nbatch: 2\n": [("missing-key", "write `recipe: 1` first")],
    "recipe: 2\nepochs: 3\nbatch: 2\n": [("wrong-type", "wants the integer 1, not 2")],
    "archspec: 1\nname: x\n": [("other-language", "this is a spec, and no recipe")],
    "- 1\n": [("not-a-document", "recipe, epochs, batch")],
    "\n": [("empty-file", "the smallest recipe")],
    SOUND + "steps: 3\n": [("keys-conflict", "`epochs` and `steps` both say how long the run is")],
    HEAD + "max_epochs: 3\nbatch_size: 2\n": [("unknown-key", "`max_epochs` is `epochs` here"), ("unknown-key", "`batch_size` is `batch` here")],
    SOUND + "lr: 0.1\n": [("unknown-key", "it stands in `optimizer`: write `optimizer: {sgd: {lr: 0.1}}`")],
    SOUND + "optimiser: {sgd: {lr: 1}}\n": [("unknown-key", "`optimiser` is `optimizer` here")],
    SOUND + "num_workers: 4\n": [("unknown-key", "it stands in `data`: write `data: {workers: 4}`")],
    SOUND + "mixup: 0.2\n": [("unknown-key", "it is a step of `augment`: write `augment: [{mixup: 0.2}]`")],
    SOUND + "sgd: {lr: 1}\n": [("unknown-key", "it stands in `optimizer`: write `optimizer: {sgd: {lr: 1}}`")],
    SOUND + "model: resnet18\n": [("unknown-key", "a recipe names no net")],
    SOUND + "optimizer: adam\n": [("wrong-type", "write `optimizer: {adam: {lr: 0.001}}`")],
    SOUND + "optimizer: {adam: {learning_rate: 1}}\n": [("unknown-key", "`learning_rate` is `lr` here")],
    SOUND + "optimizer: {sgd: {momentum: 0.9}}\n": [("missing-key", "`sgd` needs `lr`")],
    SOUND + "optimizer: {sgd: {lr: 1}, adam: {lr: 1}}\n": [("wrong-type", "not 2 of them")],
    SOUND + "optimizer: {sgd: {lr: 0}}\n": [("out-of-range", "`lr` wants a number over 0 and at most 1,000,000, not 0")],
    SOUND + "optimizer: {sgd: {lr: .inf}}\n": [("out-of-range", "and at most 1,000,000, not inf")],
    SOUND + "optimizer: {sgd: {lr: 1, momentum: 1}}\n": [("out-of-range", "under 1")],
    SOUND + "optimizer: {sgd: {lr: 1, nesterov: true}}\n": [("keys-conflict", "`nesterov` needs a `momentum` over 0")],
    SOUND + "optimizer: {sgd: {lr: 1, nesterov: true, momentum: 0.9, dampening: 0.1}}\n": [("keys-conflict", "`dampening`")],
    SOUND + "optimizer: {sgd: {lr: 1e-3}}\nschedule: {cosine: {min_lr: 1}}\n": [("out-of-range", "`min_lr` 1 is over the learning rate")],
    SOUND + "schedule: ReduceLROnPlateau\n": [("wrong-type", "`ReduceLROnPlateau` is `plateau` here")],
    HEAD + "steps: 9\nbatch: 2\nschedule: null\n": [("wrong-type", "`schedule` wants one schedule")],
    SOUND + "schedule: cosin\n": [("wrong-type", "did you mean `cosine`?")],
    SOUND + "schedule: {steps: [3, 6]}\n": [("wrong-type", "write `steps: {at: [3, 6]}`")],
    SOUND + "schedule: {steps: {factor: 0.1}}\n": [("missing-key", "`at` or `at_steps`")],
    SOUND + "schedule: {steps: {at: [6, 3]}}\n": [("not-rising", "3 follows 6")],
    SOUND + "schedule: {steps: {at: [6, 30]}}\n": [("beyond-end", "names 30, and the run ends after 10 epochs: the rate is not lowered then")],
    HEAD + "epochs: 1\nbatch: 2\nschedule: {steps: {at: [2]}}\n": [("beyond-end", "names 2, and the run ends after 1 epoch: ")],
    SOUND + "schedule: {steps: {at: [6, 30, 60, 90]}}\n": [("beyond-end", "names 30, 60 and 90, and the run ends after 10 epochs")],
    SOUND + "schedule: {steps: {at: [6], at_steps: [30]}}\n": [("keys-conflict", "when the learning rate is lowered")],
    SOUND + "schedule: plateau\ndata: {val: null}\n": [("no-validation", "there are none")],
    SOUND + "warmup: 5\n": [("wrong-type", "write `warmup: {epochs: 5}`")],
    SOUND + "warmup: {start: 0.1}\n": [("missing-key", "`warmup` needs `epochs` or `steps`")],
    SOUND + "warmup: {steps: 4, shape: constant}\n": [("missing-key", "write `start: 0.1` beside `shape: constant`")],
    SOUND + "warmup: {steps: 4, shape: constant, start: 0}\n": [("out-of-range", "stays there, and trains nothing")],
    SOUND + "warmup: {steps: 4, shape: cosine, start: 0.1}\n": [("wrong-type", "one of `linear`, `constant`")],
    SOUND + "schedule: {steps: {at: [3, 6], factor: [0.5]}}\n": [("keys-conflict", "`factor` has 1 number, and `at` 2 times")],
    SOUND + "schedule: {steps: {at_steps: [3], factor: [0.5, 0.1]}}\n": [("keys-conflict", "or one number for all times")],
    SOUND + "schedule: {steps: {at: [3], factor: [2]}}\n": [("out-of-range", "at most 1")],
    SOUND + "optimizer: {sgd: {lr: 1, bias_lr: 2}}\n": [("unknown-key", "`bias_lr` is `bias_lr_factor` here")],
    SOUND + "augment: [{random_crop: {padding: 4, fill: mirror}}]\n": [("wrong-type", "a shade from 0 to 255, or `reflect`")],
    SOUND + "augment: [{random_crop: {padding_mode: reflect}}]\n": [("unknown-key", "`padding_mode` is `fill` here")],
    SOUND + "augment: [{CenterCrop: 256}]\n": [("unknown-key", "`CenterCrop` is `center_crop` here")],
    SOUND + "augment: [{rand_augment: {ops: 1000000000}}]\n": [("out-of-range", "an integer from 1 to 16")],
    SOUND + "augment: [{random_crop: {padding: 20000}}]\n": [("out-of-range", "an integer from 0 to 1,024")],
    SOUND + "augment: [{mixup: 1.0e-320}]\n": [("out-of-range", "a number from 0.001 to 1,000")],
    SOUND + "augment: [{color_jitter: {brightness: 1.0e+300}}]\n": [("out-of-range", "a number from 0 to 100")],
    SOUND + "augment: [{random_crop: 2000000000}]\n": [("out-of-range", "up to 16,384")],
    SOUND + "optimizer: {sgd: {lr: 1, dampening: 1.0e+300}}\n": [("out-of-range", "a number from 0 to 1")],
    SOUND + "optimizer: {adam: {lr: 1, weight_decay: 1.0e+308}}\n": [("out-of-range", "a number from 0 to 1,000,000")],
    SOUND + "schedule: {exponential: {every: 1.0e-320}}\n": [("out-of-range", "a number from 0.001 to 1,000,000")],
    SOUND + "warmup: {epochs: 1.0e+308}\n": [("out-of-range", "at most 1,000,000")],
    SOUND + "data: {workers: 257}\n": [("out-of-range", "an integer from 0 to 256")],
    SOUND + "augment: [{random_erasing: {scale: [0.1, 2]}}]\n": [("out-of-range", "a number from 0.0001 to 1, not 2")],
    SOUND + "data: {val: null}\ncheckpoint: {best: loss}\n": [("no-validation", "the last weights are kept as the best")],
    SOUND + "warmup: {epochs: 11}\n": [("beyond-end", "the warm-up takes 11 epochs, and the run only 10")],
    SOUND + "accumulate: 3\n": [("out-of-range", "a batch of 32 cannot be taken in 3 equal passes")],
    SOUND + "data: {split: {val: 0}}\n": [("out-of-range", "`val` wants a share over 0 and under 1, not 0")],
    SOUND + "data: {split: 1}\n": [("out-of-range", "`split` wants a share over 0 and under 1, or {val: SHARE, seed: NUMBER}, not 1")],
    SOUND + "data: {split: 20%}\n": [("wrong-type", "write 0.2")],
    SOUND + "data: {val: v, split: 0.1}\n": [("keys-conflict", "which pictures validate")],
    SOUND + "data: /pictures\n": [("wrong-type", 'write `data: {train: "/pictures"}`')],
    SOUND + "data: {format: folder}\n": [("wrong-type", "`folder` is `imagefolder` here")],
    SOUND + "augment: [RandomHorizontalFlip]\n": [("wrong-type", "`RandomHorizontalFlip` is `flip` here")],
    SOUND + "augment: [{RandomResizedCrop: 224}]\n": [("unknown-key", "`RandomResizedCrop` is `random_resized_crop` here")],
    SOUND + "augment: [flop]\n": [("wrong-type", "did you mean `flip`?")],
    SOUND + "augment: [{flip: 50%}]\n": [("wrong-type", "write 0.5")],
    SOUND + "augment: [{scale_jitter: {min: 512, max: 256}}]\n": [("not-rising", "let them change places")],
    SOUND + "augment: [{random_resized_crop: {scale: [1, 0.1]}}]\n": [("not-rising", "`scale`")],
    SOUND + "seed: 99999999999\n": [("out-of-range", "`seed` is at most 2,147,483,647, not 99999999999")],
    SOUND + "data: {classes: [cat, '']}\n": [("empty", "an item of `classes` is empty")],
    SOUND + "augment: {flip: 0.5}\n": [("wrong-type", "wants a list of steps")],
    SOUND + "precision: float16\n": [("wrong-type", "`float16` is `fp16` here")],
    SOUND + "ema: 1\n": [("out-of-range", "under 1")],
    SOUND + "compile: yes\n": [("wrong-type", "write true")],
    SOUND + "freeze: layer1\n": [("wrong-type", "write `freeze: [layer1]`")],
    SOUND + "checkpoint: {every: 5}\n": [("wrong-type", "write `every: {epochs: 5}`")],
    SOUND + "checkpoint: {best: accuracy}\n": [("wrong-type", "one of `top1`, `top5`, `loss`")],
    HEAD + "extends: y.yaml\n": [("file-missing", "no file `y.yaml`")],
    HEAD + "extends: bases.yaml\n": [("file-missing", "did you mean `base.yaml`?")],
    HEAD + "extends: zoo:resnet18\n": [("file-missing", "a recipe extends a recipe")],
    HEAD + "extends: a.yaml\n": [("compose-cycle", "a.yaml → b.yaml → a.yaml")],
    HEAD + "extends: spec.yaml\n": [("other-language", "this is a spec, and no recipe")],
    HEAD + "extends: https://x.org/y.yaml\n": [("path-outside", "never the network")],
}  # fmt: skip
OTHERS = {
    "base": SOUND,
    "a": HEAD + "extends: b.yaml\n",
    "b": HEAD + "extends: a.yaml\n",
    "spec": "archspec: 1\nname: spec\n",
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text.removeprefix(SOUND).removeprefix(HEAD)[:40])
def test_what_is_wrong_is_told_once(text: str) -> None:
    found = check(text, **OTHERS)
    assert [d.code for d in found.diagnostics] == [code for code, _ in WRONG[text]]
    for each, (_, part) in zip(found.diagnostics, WRONG[text], strict=True):
        assert part in f"{each.message} ({each.help})"
        assert each.span is not None
    assert found.failed == any(d.severity == "error" for d in found.diagnostics)


def test_a_spec_does_not_extend_a_recipe(tmp_path: Path, run: Run) -> None:
    (tmp_path / "recipe.yaml").write_text(SOUND, "utf-8")
    (tmp_path / "net.yaml").write_text("archspec: 1\nname: net\nextends: recipe.yaml\n", "utf-8")
    answer = run("check", str(tmp_path / "net.yaml"))
    assert answer.code == 1 and "error[other-language]: this is a recipe, and no spec" in answer.out + answer.err


def test_a_long_chain_ends() -> None:
    chain = {f"n{i}": HEAD + f"extends: n{i + 1}.yaml\n" for i in range(80)}
    assert [d.code for d in check(HEAD + "extends: n0.yaml\n", **chain).diagnostics] == ["too-deep"]


def test_errors_are_raised() -> None:
    with pytest.raises(SpecError, match="batch"):
        read(HEAD + "epochs: 3\n")
    with pytest.raises(Failure, match="no bundled recipe") as caught:
        read_recipe("no_such_recipe")
    assert (caught.value.code, caught.value.exit_code) == ("no-such-recipe", 2)
    with pytest.raises(Failure, match="no bundled recipe") as caught:
        read_recipe("resnet18")
    assert "is a spec" in caught.value.help


@pytest.mark.parametrize(
    ("text", "expected"),
    [("recipe: 1", True), ("# a\n\n---\nrecipe: 1", True), ("{recipe: 1}", True), ('"recipe": 1', True), ("\ufeffrecipe : 1", True),
     ("archspec: 1\nrecipe: 1", False), ("recipes: 1", False), ("", False), ("# recipe: 1", False), ("a: {recipe: 1}", False)],
)  # fmt: skip
def test_a_recipe_is_known_by_its_first_key(text: str, expected: bool) -> None:
    assert is_recipe(text.encode()) is expected


# written out and read again


def values(rule: dict[str, object]) -> st.SearchStrategy[object]:
    """Values that a rule of numbers, words or lists takes."""
    kinds = rule.get("type")
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)  # type: ignore[call-overload]
    if "enum" in rule:
        return st.sampled_from(rule["enum"])  # type: ignore[arg-type]
    found: list[st.SearchStrategy[object]] = []
    low, high = (
        rule.get("minimum", rule.get("exclusiveMinimum", 0)),
        rule.get("maximum", rule.get("exclusiveMaximum", 1e6)),
    )
    if "boolean" in kinds:
        found.append(st.booleans())
    if "integer" in kinds:
        found.append(st.integers(max(1, int(low)), min(int(high), 10**6)))  # type: ignore[call-overload]
    if "number" in kinds:
        found.append(
            st.floats(
                float(low), float(high), exclude_min="exclusiveMinimum" in rule, exclude_max=high != rule.get("maximum")
            )
        )  # type: ignore[arg-type]
    if "null" in kinds and "x-bare" not in rule:
        found.append(st.none())
    if "object" in kinds:
        keys: dict[str, dict[str, object]] = rule["properties"]  # type: ignore[assignment]
        needed = {key: values(keys[key]) for key in rule.get("required", ())}  # type: ignore[attr-defined]
        least = {next(iter(keys)): values(next(iter(keys.values())))} if "minProperties" in rule else {}
        others = {key: values(each) for key, each in keys.items() if key not in needed | least}
        found.append(st.fixed_dictionaries(needed | least, optional=others))
    if "array" in kinds:
        size = rule.get("maxItems", 3)
        found.append(st.lists(values(rule["items"]), min_size=size if "maxItems" in rule else 1, max_size=size))  # type: ignore[arg-type]
    if kinds == ["string"]:
        found.append(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8))
    return st.one_of(found)


@st.composite
def recipes(draw: st.DrawFn) -> str:
    """The text of a recipe, which may be wrong, as JSON."""
    keys = recipe_schema()["properties"]
    plain = {
        "recipe": 1,
        draw(st.sampled_from(["epochs", "steps"])): draw(st.integers(1, 500)),
        "batch": draw(st.integers(1, 500)),
    }
    one = draw(st.sampled_from(list(keys["optimizer"]["properties"])))
    rate = draw(st.floats(1e-9, 1e3))
    plain["optimizer"] = {one: draw(values(keys["optimizer"]["properties"][one])) | {"lr": rate}}  # type: ignore[operator]
    course = draw(st.sampled_from(list(keys["schedule"]["properties"])))
    plain["schedule"] = {course: draw(values(keys["schedule"]["properties"][course]))}
    for key in (
        "name",
        "summary",
        "source",
        "nets",
        "data",
        "ema",
        "precision",
        "compile",
        "clip",
        "freeze",
        "seed",
        "log",
        "loss",
    ):
        if draw(st.booleans()):
            plain[key] = draw(values(keys[key]))
    steps = keys["augment"]["items"]["properties"]
    chosen = draw(st.lists(st.sampled_from(list(steps)), max_size=3))
    plain["augment"] = [{name: draw(values(steps[name]))} for name in chosen]
    text = json.dumps({key: value for key, value in plain.items() if value is not None}, ensure_ascii=False)
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


@settings(max_examples=80, deadline=None)
@given(recipes())
def test_what_is_written_reads_back(text: str) -> None:
    found = check(text)
    if found.recipe is not None:
        written = to_yaml(found.recipe)
        again = check(written)
        assert again.recipe == found.recipe, [*again.diagnostics, written]
        assert to_yaml(replace(found.recipe)) == written


@pytest.mark.parametrize("name", ["small", "extended"])
def test_what_is_written_reads_back_equal(name: str) -> None:
    recipe = read_recipe(DATA / f"{name}.yaml")
    assert replace(read(to_yaml(recipe)), origin=recipe.origin) == recipe


# the schema and the bundled recipes


def test_the_committed_schema_is_the_schema(run: Run) -> None:
    committed = ROOT / "training" / "recipe.schema.json"
    assert committed.read_text("utf-8") == recipe_schema_text(), (
        "write it again: archc schema --recipe > training/recipe.schema.json"
    )
    assert run("schema", "--recipe").out == recipe_schema_text()


@pytest.mark.parametrize("path", bundled_recipes().values(), ids=lambda path: path.stem)
def test_a_bundled_recipe(path: Path) -> None:
    found = check_recipe(path.stem)
    assert found.diagnostics == ()
    assert found.recipe is not None and found.recipe.name == path.stem
    assert set(found.recipe.nets) <= set(zoo())
    assert found.recipe.summary and found.recipe.source


STATED = ("recipe", "name", "summary", "source", "nets", "extends")


@pytest.mark.parametrize("path", bundled_recipes().values(), ids=lambda path: path.stem)
def test_each_value_of_a_bundled_recipe_has_its_source(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    values = [line for line in lines if re.match(r" *(- )?[\w]+: *[^ #{\n]|.*\{.*\}", line.split(" #")[0])]
    bare = [
        line for line in values if " # " not in line and not line.startswith("#") and line.split(":")[0] not in STATED
    ]
    assert bare == []


def test_no_net_has_two_recipes() -> None:
    nets = [net for name in bundled_recipes() for net in read_recipe(name).nets]
    assert len(nets) == len(set(nets))


def test_the_recipe_of_a_net(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "ours.yaml").write_text(SOUND + "nets: [resnet18]\n", "utf-8")
    for module in (sources, find):
        monkeypatch.setattr(module, "RECIPES", tmp_path / "recipes")
        monkeypatch.setattr(module, "ZOO", tmp_path)
    monkeypatch.setattr(find, "zoo", lambda: {"resnet18": tmp_path / "resnet" / "resnet18.yaml"})
    find.recipes_by_net.cache_clear()
    try:
        text = recipe_for("resnet18")
        assert text is not None and text.bundled == "ours" and recipe_for("zoo:resnet18") is not None
        assert recipe_for("vgg16") is None
        assert read_recipe(text).origin == "zoo:ours" and find_recipe("zoo:ours").data == text.data
        assert read(HEAD + "extends: zoo:ours\n").epochs == 10
        assert "`zoo:ours`" in check(HEAD + "extends: zoo:our\n").diagnostics[0].help
    finally:
        find.recipes_by_net.cache_clear()
