"""The commands of docs/howto/install.md, read and not run: they name what pyproject.toml and the checkout have, and the README has none of its own.

That a wheel installs, and what it does without some packages, tests/test_installs.py shows.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/howto/install.md"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = {*PROJECT["optional-dependencies"]}
# a command as a line, or in backticks
COMMAND = re.compile(r"^ *(?:\$ )?((?:python -m )?pip install .*)$|`((?:python -m )?pip install [^`]+)`", re.M)
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# where it stands as what not to do
SOMEBODY_ELSES = "archc"


def pip_commands(text: str) -> Iterator[list[str]]:
    """The words behind `pip install` of each command that a text has."""
    for found in COMMAND.finditer(text):
        words = shlex.split(found[1] or found[2], comments=True)
        yield words[words.index("install") + 1 :]


def extras_in(word: str) -> list[str]:
    """The extras that a requirement on this checkout names: `.[train,png]`."""
    found = re.fullmatch(r"\.\[([\w,]+)\]", word)
    return found[1].split(",") if found else []


def test_every_command_installs_what_there_is() -> None:
    commands = list(pip_commands(PAGE.read_text("utf-8")))
    assert len(commands) >= 6, commands
    assert {word for words in commands for word in words if word.startswith(".")} >= {".[train]", ".[cuda]"}
    for words in commands:
        for at, word in enumerate(words):
            if word == "-c":
                assert (ROOT / words[at + 1]).is_file(), words
            assert {*extras_in(word)} <= EXTRAS, words
            # what is installed by its name is an own requirement of archc's, or told as somebody else's
            if re.fullmatch(r"[a-z][\w-]*", word) and words[at - 1] not in ("-c", "--index-url"):
                assert word == SOMEBODY_ELSES or any(re.match(rf"{word}\b", each) for each in PROJECT["dependencies"])


def test_the_constraints_pin_a_torch_that_archc_takes() -> None:
    (pin,) = re.findall(r"^torch==(\S+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.M)
    (asked,) = (each for each in PROJECT["dependencies"] if each.startswith("torch>"))
    specifiers = pytest.importorskip("packaging.requirements").Requirement(asked).specifier
    assert specifiers.contains(pin)


def test_the_page_lists_every_extra_and_no_other() -> None:
    table = PAGE.read_text("utf-8").partition("## Extras")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert sorted(name for row in rows for name in re.findall(r"`(\w+)`", row)) == sorted(EXTRAS)


def test_the_readme_s_commands_are_the_page_s() -> None:
    known = list(pip_commands(PAGE.read_text("utf-8")))
    of_readme = list(pip_commands((ROOT / "README.md").read_text("utf-8")))
    assert of_readme and all(words in known for words in of_readme)


def test_no_page_asks_the_index_for_archc() -> None:
    """It is on none: an extra is one of the checkout's, and has the name of one that there is."""
    for path in DOCUMENTS:
        for words in pip_commands(path.read_text("utf-8")):
            assert path == PAGE or SOMEBODY_ELSES not in words, path
            assert not [word for word in words if re.match(r"archc-onnx(\[|$)", word)], path
            assert {extra for word in words for extra in extras_in(word)} <= EXTRAS, path
