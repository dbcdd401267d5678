"""The tables that hand-written pages leave to the code, and the index of the diagnostics."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from archc.cli.commands import COMMANDS, cli
from archc.compiler.limits import DEFAULT, highest_of
from archc.training.recipe.rules import recipe_schema
from docsite.diagnostics import diagnostics_index
from docsite.insertions import MARK, fill_page, insert_made

DOCS = Path(__file__).parent.parent / "docs"


def made(page: str) -> str:
    """A page of docs/ as the site has it."""
    return insert_made((DOCS / page).read_text("utf-8"))


def test_every_key_of_a_recipe_has_a_place_in_the_page() -> None:
    """Once, in the table of the part that it belongs to."""
    marks = MARK.findall((DOCS / "reference/recipes.md").read_text("utf-8"))
    keys = Counter(key for kind, words in marks if kind == "recipe" for key in words.split())
    assert keys == Counter(recipe_schema()["properties"].keys())
    page = made("reference/recipes.md")
    assert not MARK.search(page)
    # the site takes what stands in braces at the end of a cell for its attributes, and shows nothing
    assert not [row for row in re.findall(r"^\|.*$", page, re.M) if "{" in re.sub(r"`[^`]*`", "", row)]
    for key, end in (
        ("optimizer.adam.betas", "| 2 numbers of at least 0 and under 1 | `[0.9, 0.999]` |"),
        ("augment.flip.p", "| a number from 0 to 1 | `0.5` |"),
    ):
        assert re.search(rf"^\| `{re.escape(key)}` \| \S[^|]* {re.escape(end)}$", page, re.M)


def test_every_limit_has_a_row() -> None:
    page = made("reference/limits.md")
    for name, number in DEFAULT._asdict().items():
        assert f"| `{name}` | {number:,} | {highest_of(name):,} | " in page


def test_the_commands_with_a_limit_are_those_that_the_pages_name() -> None:
    context = cli.make_context("archc", [], resilient_parsing=True)
    commands = {name: cli.get_command(context, name) for name in COMMANDS}
    taking = {
        name for name, each in commands.items() if each and any("--limit" in option.opts for option in each.params)
    }
    for page in ("reference/limits.md", "reference/cli.md"):
        (named,) = re.findall(
            r"limit of the check for (.*? and `\w+`)|raises one, for (.*? and `\w+`)", (DOCS / page).read_text("utf-8")
        )
        assert set(re.findall(r"`(\w+)`", "".join(named))) == taking, page


def test_every_diagnostic_is_listed_once() -> None:
    (page,) = diagnostics_index()
    rows = re.findall(r"^\| \[([\w-]+)\]\(\1\.md\) \| \S", str(page.content), re.M)
    assert sorted(rows) == sorted(path.stem for path in (DOCS / "diagnostics").glob("*.md"))
    assert len(re.findall(r"^## ", str(page.content), re.M)) > 5


@pytest.mark.parametrize("page", ["reference/metadata.md", "reference/limits.md", "reference/recipes.md"])
def test_nothing_that_is_made_stands_in_the_page_by_hand(page: str) -> None:
    assert MARK.search((DOCS / page).read_text("utf-8"))


def test_tables_in_the_repository_are_those_of_the_code() -> None:
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text("utf-8")
        assert fill_page(text) == text, f"{path}: python -m docsite --fill"
    assert "| `augment.flip.p` |" in (DOCS / "reference/recipes.md").read_text("utf-8")
