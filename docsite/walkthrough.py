"""What a page has people do, in its order: commands to give, files to save, programs to run, and what is printed.

Its fenced blocks say so, by the words behind their three backticks:

- ```console: a line that begins with `$ ` is a command, and what stands below it is what it prints. A command whose line ends with a backslash goes on in
  the next. The site copies the commands of a block alone.
- ```sh: one paste of several lines, such as an edit by `patch`; a ```text or ```yaml with the title PRINTS or DIFFERS right below is what it prints.
- ```python: a program.
- title="net.yaml": that file, of any language. A title that is no file's name is a caption.
- title="not run by the tests": what no test runs, of any language.

`…` alone on a line of what is printed stands for lines that are left out, elsewhere for a part of its line. Under the title DIFFERS its numbers are those
of one machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

FENCE = re.compile(r'^( *)```(\w+)(?: title="([^"]*)")?\n(.*?)^ *```$', re.M | re.S)
PRINTS = "it prints"
DIFFERS = "with other numbers on yours"
NOT_RUN = "not run by the tests"
FILE_NAME = re.compile(r"[\w./-]+")
NUMBER = re.compile(r"\d[\d,.]*")


class Fence(NamedTuple):
    """A fenced block: its language, its title, which is empty where it has none, and its text."""

    language: str
    title: str
    text: str


class Doing(NamedTuple):
    """A step of a page: `text` is saved as the file `saved_as`, or is commands or a program in `language`, of which the lines `printed` are shown."""

    text: str
    language: str = "sh"
    saved_as: str = ""
    printed: tuple[str, ...] = ()
    numbers_differ: bool = False


def read_fences(page: str) -> list[Fence]:
    """The blocks of a page that name their language, from its text. One in a list is indented, and is read without that."""
    return [Fence(each[2], each[3] or "", re.sub(rf"^{each[1]}", "", each[4], flags=re.M)) for each in FENCE.finditer(page)]  # fmt: skip


def read_doings(page: str) -> Iterator[Doing]:
    """The steps of a page, from its text."""
    for fence, after in pairwise([*read_fences(page), Fence("", "", "")]):
        if fence.title == NOT_RUN:
            continue
        if FILE_NAME.fullmatch(fence.title):
            yield Doing(fence.text, fence.language, saved_as=fence.title)
        elif fence.language == "console":
            yield from (each._replace(numbers_differ=fence.title == DIFFERS) for each in read_console(fence.text))
        elif fence.language == "sh":
            shown = after.text.splitlines() if after.title in (PRINTS, DIFFERS) and after.language != "console" else ()
            yield Doing(fence.text, printed=tuple(shown), numbers_differ=after.title == DIFFERS)
        elif fence.language == "python":
            yield Doing(fence.text, "python")


def read_console(block: str) -> Iterator[Doing]:
    """Each command of a ```console block with the lines below it."""
    for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
        command, *lines = part.rstrip("\n").split("\n")
        while command.endswith("\\"):
            command += "\n" + lines.pop(0)
        yield Doing(command, printed=tuple(lines))


def printed_pattern(lines: Sequence[str], numbers_differ: bool = False) -> str:
    """A regular expression that all of what is printed matches."""
    return "".join(map(differing_line if numbers_differ else exact_line, lines))


def exact_line(line: str) -> str:
    """The expression for one line, and for lines that are left out."""
    if line.strip() == "…":
        return r"(?:.*\n)*?"
    # a column is as wide as its numbers, so the spaces before what is left out count for nothing
    return ".*".join(map(re.escape, re.split(" *…", line))) + r"\n"


def differing_line(line: str) -> str:
    """The same where numbers differ: columns move with their widths, and a bar is as long as its number."""
    if line.strip() == "…":
        return exact_line(line)
    words = [NUMBER.sub(lambda _: r"\d[\d,.]*", re.escape(word)) for word in line.removesuffix(" …").split()]
    return r"[ ]*" + r"[ ]+".join(words) + (r".*\n" if line.endswith(" …") else r"[ ]*\n")
