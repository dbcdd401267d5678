"""`archc list`: the bundled nets by family, or the recipes, for a terminal, a program, or docs/zoo/index.md and docs/zoo/recipes.md."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from ..compiler.diagnostics import clean
from ..text.excerpts import BOLD, Paint
from ..text.layout import cut_end, table_width
from ..text.tables import format_count, format_number, format_pairs, format_table
from .completion import offer, spec_names
from .options import format_option, print_json

if TYPE_CHECKING:
    from ..catalog import Model

ZOO_PAGE = """\
# The zoo

{count} nets in {families} families, in the order of their first papers. Written by `archc list --format markdown > docs/zoo/index.md`.

Each name is a spec that every command takes: `archc cost resnet50`, `archc build resnet50 --export onnx`, `archc init mine --from
resnet50`. The numbers are those that the spec's `expect` states, from its paper or a reference implementation; `archc check` proves them.

- **Parameters** are all that training changes. The auxiliary heads are among them where a net has any; the number without them stands behind.
- **MACs** are the multiply-accumulates of convolutions and linear layers for one image at inference, so without auxiliary heads and with
  the taps that fall on padding. 1 MAC is 2 FLOPs.
- **Depth** is the longest chain of convolutions and linear layers from the input to the output.
"""


@click.command(epilog="Example: archc list resnet cifar")
@click.argument("words", metavar="[WORD]...", nargs=-1, shell_complete=offer(spec_names))
@click.option("--recipes", is_flag=True, help="List the bundled recipes instead, which say how nets are trained.")
@format_option("markdown")
def command(words: tuple[str, ...], recipes: bool, form: str) -> None:
    """List the bundled specs by family, or those with each WORD in their name or family.

    MACs are those of convolutions and linear layers; 1 MAC is 2 FLOPs.
    """
    if recipes:
        list_recipes(words, form)
        return
    from ..catalog import find_models

    found = find_models(words)
    if form == "json":
        print_json([each._asdict() for each in found])
    elif form == "markdown":
        print(list_markdown(found), end="")
    else:
        print(list_text(found))


def list_recipes(words: tuple[str, ...], form: str) -> None:
    """Prints the bundled recipes that have each of the words in their name, or among their nets."""
    from ..text.recipes import recipes_markdown, recipes_text
    from ..training.recipe.catalog import find_recipes

    found = find_recipes(words)
    if form == "json":
        print_json([each._asdict() for each in found])
    elif form == "markdown":
        print(recipes_markdown(found), end="")
    else:
        print(recipes_text(found))


def list_text(found: Sequence[Model]) -> str:
    """What is printed for people: a table of all nets by family, each line cut to the terminal's width.

    Below it, nets with auxiliary heads have their parameters without these.
    """
    paint, room = Paint(sys.stdout), table_width()
    rows = [
        [
            f"  {m.name}",
            format_count(m.params),
            format_count(m.macs),
            format_number(m.depth or ""),
            f"{m.author} {m.year or ''}".strip(),
        ]
        for m in found
    ]
    title, *lines = format_table(
        ["  name", "params", "MACs", "depth", "paper"], rows, "<>>><", width=sys.maxsize
    ).splitlines()
    parts = [cut_end(title, room)]
    for family, members in groupby(zip(found, lines, strict=True), lambda pair: pair[0].family):
        parts += [paint(clean(family), BOLD), *(cut_end(line, room) for _, line in members)]
    heads = [(m.name, format_count(m.params_without_aux)) for m in found if m.has_heads]
    if heads:
        parts += ["", "parameters without the auxiliary heads", format_pairs(heads)]
    return "\n".join(parts)


def list_markdown(found: Sequence[Model]) -> str:
    """The page docs/zoo/index.md, with a table for each family."""
    families = [(family, list(members)) for family, members in groupby(found, lambda m: m.family)]
    parts = [ZOO_PAGE.format(count=len(found), families=len(families))]
    for family, members in families:
        parts += [f"\n## {family}\n\n", *family_table(members)]
    return "".join(parts)


def family_table(members: Iterable[Model]) -> Iterable[str]:
    """The lines of a family's table in Markdown."""
    yield "| net | paper | input | parameters | MACs | depth | what is special |\n|---|---|--:|--:|--:|--:|---|\n"
    for m in members:
        params = format_number(m.params or "") + (f" ({format_number(m.params_without_aux)})" if m.has_heads else "")
        paper = ", ".join(part for part in (f"{m.author} {m.year or ''}".strip(), m.paper) if part)
        cells = [
            m.name,
            paper,
            format_number(m.input or ""),
            params,
            format_number(m.macs or ""),
            format_number(m.depth or ""),
            m.summary,
        ]
        yield "| " + " | ".join(clean(cell).replace("|", "\\|") for cell in cells) + " |\n"
