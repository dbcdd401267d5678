"""What can be looked up in recipes: the bundled ones, what each trains and how, in a line; and the settings that a recipe takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...compiler.diagnostics import Failure, nearest
from ...compiler.sources import Memory, SpecText
from .choice import BY_PATH, CHOICES
from .find import bundled_recipes, recipe_for
from .layers import OWN
from .read import read_recipe
from .rules import recipe_schema
from .setting_names import SHELL_WORD, places
from .write import flow, to_plain


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


def list_settings(spec: str | None = None, recipe: str | None = None) -> list[str]:
    """`name=value` for each value of a recipe that a setting can change: of `recipe`, or of the bundled one of a bundled spec; else
    of one that says nothing. The value is left out where a shell would need quotes around it."""
    own = recipe if recipe is not None else recipe_for(spec) if spec is not None and not Path(spec).exists() else None
    text = b"recipe: 1\nepochs: 90\nbatch: 256\n"
    found = dict(leaves(to_plain(read_recipe(own or SpecText(Memory({}), "recipe", text, "recipe")))))
    unset = {dotted for _, dotted, _ in places(recipe_schema()) if dotted.partition(".")[0] not in (*OWN, *CHOICES)
             and not any(name == dotted or name.startswith(f"{dotted}.") for name in found)}  # fmt: skip
    texts = {
        name: value if isinstance(value, str) else "" if value is None else flow(value) for name, value in found.items()
    }
    return sorted([f"{name}={text if SHELL_WORD.fullmatch(text) else ''}" for name, text in texts.items()] + [f"{name}=" for name in unset])  # fmt: skip


def leaves(plain: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a recipe by the dotted word that sets each."""
    for key, value in plain.items():
        if not before and key in OWN:
            continue
        if key == BY_PATH:
            # a setting goes on to a path, of which a recipe alone knows none
            yield before + key, value or None
        elif isinstance(value, Mapping):
            inner = next(iter(value.values())) if not before and key in CHOICES else value
            yield from leaves(inner, f"{before}{key}.")
            if not before and key in CHOICES:
                yield key, None if inner else next(iter(value))
        else:
            yield before + key, value
