"""The bundled recipes as a list: what each trains, and how, in a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...compiler.diagnostics import Failure, nearest
from .find import bundled_recipes
from .read import read_recipe


class ListedRecipe(NamedTuple):
    """A bundled recipe in short. One of `epochs` and `steps` is None."""

    name: str
    nets: tuple[str, ...]
    epochs: int | None
    steps: int | None
    batch: int
    optimizer: str
    lr: float
    schedule: str
    source: str
    summary: str


def listed_recipes() -> list[ListedRecipe]:
    """The bundled recipes by name. Raises SpecError where one has errors."""
    recipes = [read_recipe(name) for name in bundled_recipes()]
    return [
        ListedRecipe(
            name=recipe.name,
            nets=recipe.nets,
            epochs=recipe.epochs,
            steps=recipe.steps,
            batch=recipe.batch,
            optimizer=recipe.optimizer.name,
            lr=recipe.optimizer.values["lr"],
            schedule=recipe.schedule.name,
            source=recipe.source,
            summary=recipe.summary,
        )
        for recipe in recipes
    ]


def find_recipes(words: Sequence[str]) -> list[ListedRecipe]:
    """The bundled recipes that have each of the words in their name, or in one of their nets'. Raises Failure (usage) for none."""
    listed = listed_recipes()
    for word in words:
        kept = [each for each in listed if any(word.lower() in name.lower() for name in (each.name, *each.nets))]
        if not kept:
            near = nearest(word, [name for each in listed for name in (each.name, *each.nets)])
            hint = f"did you mean `{near}`?" if near else "`archc list --recipes` shows them all"
            message = f"no bundled recipe has `{word[:200]}` in its name or in a net's that it trains"
            raise Failure("no-such-recipe", message, hint, 2)
        listed = kept
    return listed
