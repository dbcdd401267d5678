"""`archc schema`: the JSON Schema of specs or recipes, as editors use it."""

from __future__ import annotations

import click

from .options import format_option


@click.command(epilog="Example: archc schema > archspec.schema.json")
@click.option("--recipe", "of_recipes", is_flag=True, help="Print that of recipes, which say how a net is trained.")
@format_option()
def command(of_recipes: bool, form: str) -> None:
    """Print the JSON Schema of specs, for editors."""
    if of_recipes:
        from ..training.recipe.rules import recipe_schema_text as text
    else:
        from ..compiler.frontend.schema import schema_text as text

    print(text().rstrip("\n"))
