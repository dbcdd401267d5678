"""The tutorial, followed to the letter: its commands run in an empty folder, in its order, and print what it shows."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from archc.cli.commands import cli
from docsite.tutorial import tutorial_pages
from docsite.walkthrough import Doing, printed_pattern, read_doings

PAGES = {page.name: page.read_text("utf-8") for page in tutorial_pages()}
DOINGS = [(name, doing) for name, page in PAGES.items() for doing in read_doings(page)]
COMMANDS = [(name, line) for name, doing in DOINGS if not doing.saved_as
            for line in re.sub(r"<<'(\w+)'\n.*?^\1$", "", doing.text, flags=re.M | re.S).splitlines()]  # fmt: skip


def environment() -> dict[str, str]:
    """That of a shell in which archc is installed, with one thread and no GPU."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # a width that pytest-xdist sets would cut lines elsewhere
    kept = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return {**kept, "PATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONUNBUFFERED": "1"}


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
    for page, doing in DOINGS:
        if doing.saved_as:
            (tmp_path / doing.saved_as).write_text(doing.text, "utf-8")
        elif "--watch" in doing.text:
            watch(doing, tmp_path)
        else:
            done = subprocess.run(["sh", "-c", doing.text], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)  # fmt: skip
            assert done.returncode == (1 if "error[" in doing.printed else 0), f"{page}: {doing.text}{done.stdout}"
            out = re.sub(r"[ \t]+$", "", done.stdout.strip("\n"), flags=re.M) + "\n"
            if doing.printed:
                assert re.fullmatch(printed_pattern(doing), out), f"{page}: {doing.text}prints:\n{out}"
    found = subprocess.run(["archc", "eval", "reader8.onnx", "scans/val", "--format", "json"], cwd=tmp_path, env=environment(), capture_output=True, check=True)  # fmt: skip
    assert json.loads(found.stdout)["top1"] > 0.95


def watch(doing: Doing, folder: Path) -> None:
    """Runs a command that goes on until Ctrl-C, up to the last line that is shown of it."""
    with subprocess.Popen(shlex.split(doing.text), cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:  # fmt: skip
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in doing.printed.splitlines()]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert re.fullmatch(printed_pattern(doing), "".join(lines)), lines
