"""Pages of docs/ as programs: their fenced blocks in order, what their commands print, and a runner that does what a reader does.

A block is told by the words behind its three backticks:

- ```console: a line that begins with `$ ` is a command, below it stands what it prints. A command whose line ends with a backslash goes on
  in the next. `…` alone on a line stands for lines that are left out, elsewhere for a part of its line.
- ```python: a program.
- ```yaml title="net.yaml": that file, of any language. A title that is no file's name is a caption.
- title="not run by the tests": what no test runs, of any language.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parent.parent / "docs"
# each is followed from top to bottom; that one is about a machine without archc, which tests/test_installs.py makes
HOWTOS = [page for page in sorted((DOCS / "howto").glob("*.md")) if page.stem != "install"]
FENCE = re.compile(r'^( *)```(\w+)(?: title="([^"]*)")?\n(.*?)^ *```$', re.M | re.S)
FILE_NAME = re.compile(r"[\w./-]+")
NOT_RUN = "not run by the tests"
# where a page shows a mistake, its command ends with another code than 0
MISTAKE = re.compile(r"error\[")


class Fence(NamedTuple):
    """A fenced block: its language, its title, which is empty where it has none, and its text."""

    language: str
    title: str
    text: str


class Shown(NamedTuple):
    """A command with the lines that the page shows below it."""

    command: str
    lines: tuple[str, ...]


def read_fences(page: Path) -> list[Fence]:
    """The blocks of a page that name their language. One in a list is indented, and is read without that."""
    found = FENCE.finditer(page.read_text("utf-8"))
    return [Fence(each[2], each[3] or "", re.sub(rf"^{each[1]}", "", each[4], flags=re.M)) for each in found]


def read_console(block: str) -> Iterator[Shown]:
    """Each command of a ```console block with the lines below it."""
    for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
        command, *lines = part.rstrip("\n").split("\n")
        while command.endswith("\\"):
            command += "\n" + lines.pop(0)
        yield Shown(command, tuple(lines))


def output_pattern(lines: tuple[str, ...] | list[str]) -> str:
    """What an output must match whole."""
    made = ""
    for line in lines:
        if line.strip() == "…":
            made += r"(?:.*\n)*?"
        else:
            # a column is as wide as its numbers, so the spaces before what is left out count for nothing
            made += ".*".join(map(re.escape, re.split(" *…", line))) + r"\n"
    return made


def run_page(page: Path, folder: Path) -> None:
    """Does in `folder` what the page says, from top to bottom, in fresh processes; AssertionError tells what did not come out so."""
    for fence in read_fences(page):
        if fence.title == NOT_RUN:
            continue
        if FILE_NAME.fullmatch(fence.title):
            path = folder / fence.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(fence.text, "utf-8")
        elif fence.language == "python":
            execute([sys.executable, "-c", fence.text], folder, Shown(fence.text, ()))
        elif fence.language == "console":
            for shown in read_console(fence.text):
                execute(["bash", "-c", shown.command], folder, shown)


def execute(line: list[str], folder: Path, shown: Shown) -> None:
    """Runs a command line; what it prints on either stream is held against what is shown, if anything is."""
    # a width leaves columns of a table out; pytest-xdist sets one
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    done = subprocess.run(line, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)  # fmt: skip
    out = re.sub(r"[ \t]+$", "", done.stdout.decode().rstrip("\n"), flags=re.M) + "\n"
    mistaken = bool(MISTAKE.search("\n".join(shown.lines)))
    assert bool(done.returncode) == mistaken, f"`{shown.command}` ends with {done.returncode}:\n{out}"
    if shown.lines:
        assert re.fullmatch(output_pattern(shown.lines), out), f"`{shown.command}` prints:\n{out}"
