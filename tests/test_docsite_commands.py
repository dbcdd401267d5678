"""The pages of the commands: each command has one, with every argument and option that click knows, and each leads to pages that are there."""

from __future__ import annotations

import re
from typing import Any

import click
import pytest

from archc.cli.commands import COMMANDS, cli
from docsite.commands import FOLDER, INDEX, command_pages, examples, options_of

PAGES = {page.path: str(page.content) for page in command_pages()}
CONTEXT = click.Context(cli, info_name="archc")
COMMAND: dict[str, Any] = {name: cli.get_command(CONTEXT, name) for name in COMMANDS}


def row_of(page: str, name: str) -> str:
    """The one row of a page that tells of an option or an argument."""
    (row,) = re.findall(rf"^\| (?:`[^|]*`, )?`{re.escape(name)}`(?:, `[^|]*)? \|.*$", page, re.M)
    return str(row)


def test_every_command_has_a_page_and_a_row() -> None:
    assert set(PAGES) == {INDEX, *(f"{FOLDER}/{name}.md" for name in COMMANDS)}
    for name, summary in COMMANDS.items():
        assert f"| [archc {name}]({name}.md) | {summary} |" in PAGES[INDEX]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_has_all_that_the_command_takes(name: str) -> None:
    """Every spelling of every option with its choices, range and default, and what its help says."""
    page, command = PAGES[f"{FOLDER}/{name}.md"], COMMAND[name]
    context = click.Context(command, info_name=name, parent=CONTEXT)
    assert " ".join(["archc", name, *command.collect_usage_pieces(context)]) in page
    for option in options_of(command, context):
        row = row_of(page, option.opts[-1])
        for spelling in (*option.opts, *option.secondary_opts):
            assert f"`{spelling}`" in row
        for choice in getattr(option.type, "choices", ()):
            assert f"`{choice}`" in row
        for bound in (getattr(option.type, "min", None), getattr(option.type, "max", None)):
            assert bound is None or f"{bound:,}" in row
        if option.show_default is True:
            assert (
                str(option.default[0] if isinstance(option.default, list) else option.default).replace("True", "on")
                in row
            )
        assert (option.help or "").split(" ")[0].strip("`:") in row
    for argument in command.params:
        if argument.param_type_name == "argument":
            assert argument.human_readable_name in page
    # a phone shows the first two columns
    assert "\n| option | meaning | value | default |\n" in page
    for word in ("## Example", "## Options", "## As JSON", "## Exit codes"):
        assert word in page


def test_the_parser_knows_no_option_that_has_no_row() -> None:
    """What click's own help prints, on the pages: nothing is hidden from one of the two."""
    for name, command in COMMAND.items():
        context = click.Context(command, info_name=name, parent=CONTEXT)
        shown = set(re.findall(r"^  +(--?[\w-]+)", command.get_help(context), re.M))
        assert shown <= set(re.findall(r"`(--?[\w-]+)`", PAGES[f"{FOLDER}/{name}.md"])), name


def test_examples_are_commands_to_paste() -> None:
    """A block of sh whose lines are commands of archc, or comments on them."""
    for name in COMMANDS:
        block = re.findall(r"## Example\n\n```sh\n(.*?)```", PAGES[f"{FOLDER}/{name}.md"], re.S)[0]
        lines = block.splitlines()
        assert lines and all(re.match(r"# \S|archc \w|torchrun ", line) for line in lines), lines
        assert any(f"archc {name}" in line for line in lines)
    told = examples(
        "\b\nExample: archc a b      what it does\n         archc c; archc d\n\nMore, on all: archc e", "x.md"
    )
    assert told.endswith("```sh\n# what it does\narchc a b\narchc c\narchc d\n# more, on all\narchc e\n```\n")


def test_the_form_of_each_document_is_told() -> None:
    """Every command has `--format json`, and its page leads to the section that describes what it prints."""
    lost = [path for path, page in PAGES.items() if path != INDEX and " tells its form." not in page]
    assert not lost
