"""Markdown of generated pages: cells and tables, fences, links."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

CODE = re.compile(r"(`[^`]+`)")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: str = "") -> str:
    """Rows of Markdown under their heads. `right` has a character for each column: `>` aligns it at the right."""
    rule = ["--:" if right[at : at + 1] == ">" else "---" for at in range(len(head))]
    lines = [f"| {' | '.join(cell(each) for each in row)} |" for row in (head, rule, *rows)]
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """A text in one cell of a table. A stroke in code ends no cell, and a backslash before it would be shown."""
    parts = CODE.split(" ".join(text.split()))
    return "".join(part if at % 2 else part.replace("|", "\\|") for at, part in enumerate(parts))


def code(text: str) -> str:
    """A text as code, in as many backticks as it needs; nothing for none."""
    if not text:
        return ""
    ticks = "`" if "`" not in text else "``"
    space = " " if "`" in (text[0], text[-1]) else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def fence(language: str, text: str) -> str:
    """A block of code."""
    return f"```{language}\n{text.rstrip()}\n```\n"


def folded(title: str, content: str) -> str:
    """Blocks of Markdown that open by a click on their title."""
    lines = [f"    {line}" if line else "" for line in content.rstrip("\n").split("\n")]
    return "\n".join([f'??? note "{title}"', "", *lines, ""]) + "\n"


def link(text: str, page: str, here: str) -> str:
    """A link from the page `here` to another one; both are paths below the root of the site's sources, the second with an anchor or without."""
    return f"[{text}]({relative(page, here)})"


def relative(path: str, here: str) -> str:
    """The path of a file as the page `here` names it."""
    return os.path.relpath(path, PurePosixPath(here).parent).replace(os.sep, "/")
