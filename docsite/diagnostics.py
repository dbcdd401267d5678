"""The index of the diagnostics: each code with the first sentence of its page."""

from __future__ import annotations

from collections.abc import Iterator

from .page import Page
from .sources import DOCS

INTRODUCTION = """\
# Diagnostics

Each mistake has a code, which is printed with the message and stands in `--format json`; `archc explain CODE` prints its page in a
terminal. There are {count}.

| code | what it says |
| --- | --- |
"""


def diagnostics_index() -> Iterator[Page]:
    """The page that lists all codes."""
    codes = {path.stem: first_sentence(path.read_text("utf-8")) for path in sorted((DOCS / "diagnostics").glob("*.md"))}
    rows = "".join(f"| [{code}]({code}.md) | {sentence} |\n" for code, sentence in codes.items())
    yield Page("diagnostics/index.md", INTRODUCTION.format(count=len(codes)) + rows)


def first_sentence(page: str) -> str:
    """What stands below the title, up to the first full stop."""
    paragraph = " ".join(page.split("\n\n")[1].split())
    sentence, stop, _ = paragraph.partition(". ")
    return (sentence + stop.rstrip()).replace("|", "\\|")
