"""The recipes of the zoo: every net has one recipe or a stated reason for none, and every value says where it is from."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from archc.compiler.sources import ZOO, zoo

RECIPES = sorted((ZOO / "recipes").glob("*.yaml"))
# our own choice, whose nets may be others' too
OURS = ("digits", "fashion_mnist")
# what docs/zoo/training_recipes.md says of nets without a recipe
WITHOUT = {"densenet264d", "fractalnet20_cifar_deepest", "fractalnet40_cifar_deepest"}
TOLD_ABOVE = ("recipe", "name", "summary", "source", "nets", "extends", "data")


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


def has_value(line: str) -> bool:
    """Whether a line states a value, and not only the head of what stands below it."""
    text = line.partition(" #")[0].strip()
    return bool(text) and not text.startswith("#") and not text.endswith(":")


def test_every_net_has_one_recipe() -> None:
    nets = Counter(net for path in RECIPES for net in read(path).get("nets", []))
    assert max(nets.values()) == 1
    members = {
        name for name, path in zoo().items() if "\nexpect:" in path.read_text("utf-8") and path.parent.name != "lecture"
    }
    assert set(nets) == members - WITHOUT


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_names_itself_and_where_it_is_from(path: Path) -> None:
    recipe = read(path)
    assert recipe["name"] == path.stem
    assert recipe["summary"] and recipe["source"]
    assert "nets" in recipe, "they would be those of the recipe that it extends"
    if base := recipe.get("extends"):
        assert (path.parent / f"{base.removeprefix('zoo:')}.yaml").is_file()
    else:
        assert {"batch", "optimizer", "schedule", "augment"} <= set(recipe)
        assert ("epochs" in recipe) != ("steps" in recipe)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_value_says_where_it_is_from(path: Path) -> None:
    key = ""
    for line in path.read_text("utf-8").splitlines():
        if line[:1].isalpha():
            key = line.partition(":")[0]
        if key in TOLD_ABOVE or not has_value(line):
            continue
        assert " # " in line, f"{path.name}: `{line}` has no source"
        assert path.stem not in OURS or "our choice" in line
