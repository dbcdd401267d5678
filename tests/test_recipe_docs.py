"""What people read of recipes: docs/reference/recipes.md is what the rules say, docs/zoo/recipes.md and `archc list --recipes` are the bundled ones."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from archc.compiler.limits import DEFAULT
from archc.compiler.sources import Memory, SpecText, zoo
from archc.training.recipe.find import bundled_recipes
from archc.training.recipe.read import read_recipe
from archc.training.recipe.rules import recipe_schema
from archc.training.recipe.write import flow
from archc.training.requests import choose_recipe
from docsite.insertions import insert_made

from .program import Run, program
from .terminal import run_in_terminal

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"^\| `([\w.]+)` \| .*$", re.M)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return program(capsys)


def rules_by_key(rule: dict[str, Any], before: str = "") -> dict[str, dict[str, Any]]:
    """The rules of all keys, dotted."""
    found = {}
    for key, each in rule.get("properties", {}).items():
        found |= {before + key: each} | rules_by_key(each, f"{before}{key}.")
    steps = rule.get("items", {})
    return found | (rules_by_key(steps, before) if "properties" in steps else {})


def test_the_page_says_what_the_rules_say() -> None:
    page = insert_made((ROOT / "docs" / "reference/recipes.md").read_text("utf-8"))
    rows = {found[1]: found[0] for found in ROW.finditer(page)}
    rules = rules_by_key(recipe_schema())
    assert set(rows) == set(rules)
    for key, rule in rules.items():
        assert rows[key].startswith(f"| `{key}` | {rule['description']} | ")
        default = rule.get("default", "")
        assert f"| `{default if isinstance(default, str) else flow(default)}` |".replace("| `` |", "|  |") in rows[key]


def test_the_python_of_the_page_makes_the_recipe_of_its_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe that is made by hand, as `train` reads it, is nearly the text at the top of the page."""
    page = (ROOT / "docs" / "reference/recipes.md").read_text("utf-8")
    program, text = re.findall(r"```python\n(.*?)```", page, re.S)[0], re.findall(r"```yaml\n(.*?)```", page, re.S)[0]
    given: dict[str, Any] = {}
    monkeypatch.setattr("archc.training.train", lambda spec, recipe, **more: given.update(recipe=recipe))
    exec(program, {})
    made = choose_recipe("resnet18", given["recipe"], (), DEFAULT, print)
    files = Memory({"flowers.yaml": text})
    stated = read_recipe(SpecText(files, "flowers.yaml", text.encode(), "flowers.yaml"))
    assert (made.name, made.epochs, made.batch, made.data, made.schedule) == (
        stated.name,
        stated.epochs,
        stated.batch,
        stated.data,
        stated.schedule,
    )
    assert [step.name for step in made.augment] == [step.name for step in stated.augment]


def test_the_page_of_the_zoo_is_written(run: Run) -> None:
    page = (ROOT / "docs" / "zoo/recipes.md").read_text("utf-8")
    assert run("list", "--recipes", "--format", "markdown").out == page, (
        "archc list --recipes --format markdown > docs/zoo/recipes.md"
    )


def test_the_list_for_programs(run: Run) -> None:
    listed = json.loads(run("list", "--recipes", "--format", "json").out)
    assert [each["name"] for each in listed] == list(bundled_recipes())
    for each in listed:
        recipe = read_recipe(each["name"])
        assert (each["epochs"], each["steps"], each["batch"]) == (recipe.epochs, recipe.steps, recipe.batch)
        assert (each["epochs"] is None) != (each["steps"] is None)
        assert (each["optimizer"], each["lr"]) == (recipe.optimizer.name, recipe.optimizer.values["lr"])
        assert (each["schedule"], tuple(each["nets"])) == (recipe.schedule.name, recipe.nets)
        assert set(each["nets"]) <= set(zoo()) and each["source"] and each["summary"]
    of_vgg = json.loads(run("list", "--recipes", "vgg16", "--format", "json").out)
    assert [each["name"] for each in of_vgg] == ["vgg", "vgg_torchvision"]


@pytest.mark.parametrize(("columns", "head", "left_out"), [
    (120, "recipe length batch optimizer schedule nets", "source"),
    (80, "recipe length batch optimizer schedule", "source, nets"),
    (40, "recipe length", "source, nets, schedule, optimizer, batch"),
])  # fmt: skip
def test_the_list_fits_a_terminal(columns: int, head: str, left_out: str, tmp_path: Path) -> None:
    code, lines = run_in_terminal(["list", "--recipes"], tmp_path, columns)
    count = len(bundled_recipes())
    assert code == 0 and max(map(len, lines)) <= columns
    assert lines[0].split() == head.split()
    assert [line.split()[0] for line in lines[1 : 1 + count]] == list(bundled_recipes())
    assert " ".join(" ".join(lines[1 + count :]).split()) == f"left out at {columns} columns: {left_out}"
