"""The tutorial, followed to the letter: its commands run in an empty folder, in its order, and print what it shows."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
from pathlib import Path

import click
import pytest

from archc.cli.commands import cli
from docsite.walkthrough import Doing, printed_pattern, read_doings

from .pages import TUTORIAL, environment, run_doing

PAGES = {page.name: page.read_text("utf-8") for page in TUTORIAL}
DOINGS = [(name, doing) for name, page in PAGES.items() for doing in read_doings(page)]
COMMANDS = [(name, line) for name, doing in DOINGS if not doing.saved_as
            for line in re.sub(r"<<'(\w+)'\n.*?^\1$", "", doing.text, flags=re.M | re.S).splitlines()]  # fmt: skip


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_is_one_of_archc_with_options_that_it_has(page: str, line: str) -> None:
    program, *arguments = shlex.split(line)
    assert program in ("archc", "cp", "cat", "patch", "python"), line
    if program == "archc":
        command = cli.get_command(click.Context(cli), arguments[0])
        assert command is not None, line
        known = {option for each in command.params for option in each.opts}
        assert {word.partition("=")[0] for word in arguments if word.startswith("-")} <= known, line


def test_the_tutorial_goes_the_whole_way() -> None:
    words = [line.split()[1] for _, line in COMMANDS if line.startswith("archc ")]
    whole = ("list", "init", "check", "view", "diff", "explain", "cost", "train", "build", "eval", "run")
    assert [word for word in dict.fromkeys(words) if word in whole] == list(whole)
    assert len(PAGES) == 6


@pytest.mark.slow
def test_the_commands_print_what_is_shown(tmp_path: Path) -> None:
    for _, doing in DOINGS:
        (watch if "--watch" in doing.text else run_doing)(doing, tmp_path)
    found = subprocess.run(["archc", "eval", "reader8.onnx", "scans/val", "--format", "json"], cwd=tmp_path, env=environment(), capture_output=True, check=True)  # fmt: skip
    assert json.loads(found.stdout)["top1"] > 0.95


def watch(doing: Doing, folder: Path) -> None:
    """Runs a command that goes on until Ctrl-C, up to the last line that is shown of it."""
    with subprocess.Popen(shlex.split(doing.text), cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:  # fmt: skip
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in doing.printed]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert re.fullmatch(printed_pattern(doing.printed), "".join(lines)), lines
