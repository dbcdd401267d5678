"""The help of every command as a newcomer reads it: at 80 columns, with examples that go on from `archc init net`."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator

import click
import pytest

from archc.cli.commands import COMMANDS, cli

# made by the commands that the help of `archc` begins with, or by an example
MADE = {"net.yaml", "mine.yaml", "net.onnx"}
# what a reader brings: pictures, checkpoints, a net of two others, a model of another program; and what a command writes
BROUGHT = {"cat.jpg", "photos/", "held-out/", "googlenet.pth", "resnet50.pth", "a.pth", "b.pth", "both.yaml", "exported.onnx", "resnet.yaml"}  # fmt: skip
CONTEXT = cli.make_context("archc", [], resilient_parsing=True)
FILE = re.compile(r"^(?:\w+=|HEAD~1:)?([\w-]+(?:\.(?:yaml|onnx|pth|jpg)|/))(?::\d+)?$")


def help_of(name: str) -> str:
    """What `archc NAME --help` prints at 80 columns."""
    command = cli.get_command(CONTEXT, name)
    assert command is not None
    return command.get_help(click.Context(command, info_name=name, parent=CONTEXT, terminal_width=80))


def examples(name: str) -> Iterator[list[str]]:
    """The words of each example in a command's help."""
    command = cli.get_command(CONTEXT, name)
    assert command is not None
    for line in (command.epilog or "").replace("\b", "").split("\n"):
        for found in re.findall(r"\barchc [a-z].*", line):
            for each in found.split("; "):
                yield shlex.split(re.split(r" {3,}", each)[0].partition(" > ")[0])


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_a_terminal(name: str) -> None:
    assert [line for line in help_of(name).splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_commands_on_files_that_there_are(name: str) -> None:
    found = list(examples(name))
    assert found
    for program, word, *words in found:
        command = cli.get_command(CONTEXT, word)
        assert program == "archc" and command is not None
        # options that there are, with values that they take
        command.make_context(word, list(words), parent=CONTEXT)
        written = {after for option, after in itertools.pairwise(words) if option in ("-o", "--output", "--resume")}
        files = {match[1] for each in words if each not in written and (match := FILE.match(each))}
        assert files <= MADE | BROUGHT, (word, files)


def test_the_help_begins_with_a_net_of_one_s_own() -> None:
    told = cli.get_help(click.Context(cli, info_name="archc", terminal_width=80))
    begin = re.findall(r"archc (\w+) net", told)
    assert begin == ["init", "check", "view", "build"] and next(iter(COMMANDS)) == "init"
