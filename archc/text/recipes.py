"""The bundled recipes as a table, for a terminal and for docs/zoo/recipes.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..compiler.diagnostics import clean
from .layout import cut_end, table_width, text_width
from .tables import format_number, format_table, table_columns

if TYPE_CHECKING:
    from ..training.recipe.catalog import ListedRecipe

MAX_NETS = 2  # named in a line of a terminal
MIN_NETS = 24  # columns that are enough to know a net by
HEAD = ("recipe", "length", "batch", "optimizer", "schedule", "nets", "source")
# what a narrow terminal goes without, the first of them first
OPTIONAL = ("source", "nets", "schedule", "optimizer", "batch")
PAGE = """\
# Recipes of the zoo

How the nets of the zoo are trained: {count} recipes, most of them a paper's. Written by `archc list --recipes --format markdown > docs/zoo/recipes.md`.

`archc train NET` takes the recipe that names the net, and says so; each name is also a recipe that a command takes, `archc train NET
RECIPE`, and that a recipe of your own extends, `extends: zoo:NAME`. Each value has its place in the paper beside it in the file, or says that
the paper is silent. [Recipes](../reference/recipes.md) tells how they are written.

| recipe | how it trains | nets | source |
|---|---|---|---|
"""


def length_of(recipe: ListedRecipe) -> str:
    """How long a recipe trains: `90 epochs`."""
    count, unit = (recipe.epochs, "epoch") if recipe.epochs is not None else (recipe.steps, "step")
    return f"{format_number(count)} {unit}" + ("" if count == 1 else "s")


def list_nets(nets: Sequence[str]) -> str:
    """The first nets of a recipe, and how many more there are."""
    return ", ".join(nets[:MAX_NETS]) + (f" and {len(nets) - MAX_NETS} more" if len(nets) > MAX_NETS else "")


def recipes_text(found: Sequence[ListedRecipe]) -> str:
    """What is printed for people: a line a recipe. In a terminal the nets are cut where they have no room, and a last line says which columns
    are left out."""
    if not found:
        return "there are no bundled recipes"
    rows = [
        [each.name, length_of(each), format_number(each.batch), f"{each.optimizer} {each.lr:g}", each.schedule,
         list_nets(each.nets), each.source]
        for each in found
    ]  # fmt: skip
    width, nets = table_width(), HEAD.index("nets")
    whole = list(zip(HEAD, *rows, strict=True))
    room = width - table_columns(whole[:nets]) - 2
    if table_columns(whole) > width and room >= MIN_NETS:
        for row in rows:
            row[nets] = row[nets] if text_width(row[nets]) <= room else cut_end(row[nets], room - 1) + "…"
    return format_table(HEAD, rows, "<<><<<<", OPTIONAL, width)


def recipes_markdown(found: Sequence[ListedRecipe]) -> str:
    """The page docs/zoo/recipes.md."""
    rows = [
        [
            each.name,
            f"{length_of(each)}, batch {format_number(each.batch)}, {each.optimizer} {each.lr:g}, {each.schedule}",
            ", ".join(each.nets),
            each.source,
        ]
        for each in found
    ]
    table = ["| " + " | ".join(clean(cell).replace("|", "\\|") for cell in row) + " |\n" for row in rows]
    return PAGE.format(count=len(found)) + "".join(table)
