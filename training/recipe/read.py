"""A text to a Recipe, by the compiler's own front end: located YAML, the schema check with its explanations, and what a schema cannot say.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...compiler.diagnostics import Collector, Diagnostic, LimitReached, Source, SpecError
from ...compiler.frontend.budget import Budget
from ...compiler.frontend.located_yaml import Located, plain_value
from ...compiler.frontend.recovery import Incomplete
from ...compiler.limits import DEFAULT, Limits
from ...compiler.sources import BUNDLED, SpecText
from .checks import check_recipe_values
from .find import RecipeFiles, find_recipe
from .layers import RecipeComposer
from .recipe import Recipe
from .settings import lay_settings
from .values import to_recipe


class CheckedRecipe(NamedTuple):
    """What the check of a recipe found. `recipe` is None where it has errors; `root` is its composed tree as far as it could be read."""

    name: str
    recipe: Recipe | None
    diagnostics: tuple[Diagnostic, ...] = ()
    root: Located | None = None
    sources: tuple[Source, ...] = ()
    work: int = 0

    @property
    def failed(self) -> bool:
        return self.recipe is None


def read_recipe(
    recipe: str | Path | SpecText,
    settings: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    limits: Limits = DEFAULT,
) -> Recipe:
    """The recipe of a file, a bundled name, `-` or a text, with `settings` (`optimizer.lr=0.05`) and `values` from Python laid over it.

    Raises SpecError where it has errors, Failure (usage) where there is no such recipe or a setting does not fit.
    """
    found = check_recipe(recipe, settings, values, limits)
    if found.recipe is None:
        raise SpecError(found.diagnostics)
    return found.recipe


def check_recipe(
    recipe: str | Path | SpecText,
    settings: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    limits: Limits = DEFAULT,
) -> CheckedRecipe:
    """All that is found in a recipe, warnings too. Raises Failure (usage) where there is none, or a setting does not fit."""
    text = recipe if isinstance(recipe, SpecText) else find_recipe(str(recipe))
    diagnostics = Collector(limits.mistakes)
    composer = RecipeComposer(RecipeFiles(text.files), diagnostics, budget=Budget(limits))
    name = text.bundled or Path(text.name if text.name != "<stdin>" else "-").stem
    root: Located | None = None
    try:
        root = composer.read_document(text.data, text.name, text.label)
        if root is not None:
            root = lay_settings(root, settings, values or {})
            check_recipe_values(
                root, diagnostics, complete=not composer.incomplete and not isinstance(root, Incomplete)
            )
    except LimitReached as limit:
        diagnostics.close(limit.diagnostic)
    work = limits.work - composer.budget.left
    made = None
    if root is not None and not diagnostics.failed:
        made = to_recipe(plain_value(root), name, f"{BUNDLED}{text.bundled}" if text.bundled else text.name)
    name = made.name if made else name
    return CheckedRecipe(name, made, tuple(diagnostics), root, tuple(composer.sources), work)
