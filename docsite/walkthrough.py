"""What a page has people do, in its order: commands to paste, files to save, and what is printed.

A fence of `sh` is commands, which are pasted as a whole; what follows it directly, as `text` or `yaml`, is what they print. `…` alone on a line of that stands
for lines that are left out, at the end of a line for the rest of it. With the title DIFFERS its numbers are those of one machine. A fence with a file's name as
its title is that file, to be saved; other titles are for readers alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

FENCE = re.compile(r'^```(\w+)(?: title="([^"]*)")?\n(.*?)^```$', re.M | re.S)
PRINTED = ("text", "yaml")
DIFFERS = "prints, with other numbers on yours"
FILE_NAME = re.compile(r"[\w-]+\.\w+")
NUMBER = re.compile(r"\d[\d,.]*")


class Doing(NamedTuple):
    """A step of a page: `text` is saved as the file `saved_as`, or is commands of which `printed` is shown."""

    text: str
    saved_as: str = ""
    printed: str = ""
    numbers_differ: bool = False


def read_doings(page: str) -> Iterator[Doing]:
    """The steps of a page, from its text."""
    fences = list(FENCE.finditer(page))
    for fence, after in zip(fences, [*fences, None][1:], strict=True):
        language, title, text = fence.groups()
        if title and FILE_NAME.fullmatch(title):
            yield Doing(text, saved_as=title)
        elif language == "sh":
            shows = after and after[1] in PRINTED and not page[fence.end() : after.start()].strip()
            printed, differs = (after[3], after[2] == DIFFERS) if after and shows else ("", False)
            yield Doing(text, printed=printed, numbers_differ=differs)


def printed_pattern(doing: Doing) -> str:
    """A regular expression that all of what is printed matches."""
    return "".join(map(line_of_differing if doing.numbers_differ else exact_line, doing.printed.splitlines()))


def exact_line(line: str) -> str:
    """The expression for one line, and for lines that are left out."""
    if line == "…":
        return r"(?:.*\n)*?"
    return re.escape(line[:-2]) + r".*\n" if line.endswith(" …") else re.escape(line) + r"\n"


def line_of_differing(line: str) -> str:
    """The same where numbers differ: columns move with their widths, and a bar is as long as its number."""
    if line == "…":
        return exact_line(line)
    words = [NUMBER.sub(lambda _: r"\d[\d,.]*", re.escape(word)) for word in line.removesuffix(" …").split()]
    return r"[ ]*" + r"[ ]+".join(words) + (r".*\n" if line.endswith(" …") else r"[ ]*\n")
