"""Plain text as Markdown: help texts and docstrings say `code` in backticks, and nothing else in them is markup."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from .sources import DOCS

CODE = re.compile(r"(`[^`]+`)")
MARKUP = re.compile(r"([\\*_\[\]{}<>|#~])")
PAGE = re.compile(r"\bdocs/([\w/]+\.md)(?![\w#])")


def escape_markdown(text: str, page: str) -> str:
    """`text` for the page of the site at the path `page`: what would be markup is escaped, and pages of docs/ and diagnostics are links."""
    parts = CODE.split(text)
    for at, part in enumerate(parts):
        parts[at] = link_code(part, page) if at % 2 else link_pages(part, page)
    return "".join(parts)


def link_pages(text: str, page: str) -> str:
    """Text without code, escaped, in which the name of a page of docs/ is a link with the page's title."""
    parts = PAGE.split(text)
    for at, part in enumerate(parts):
        parts[at] = f"[{title_of(part)}]({link_from(page, part)})" if at % 2 else MARKUP.sub(r"\\\1", part)
    return "".join(parts)


def link_code(code: str, page: str) -> str:
    """Code in its backticks; the code of a diagnostic leads to its page."""
    word = code.strip("`")
    path = f"diagnostics/{word}.md"
    return f"[{code}]({link_from(page, path)})" if "-" in word and (DOCS / path).is_file() else code


def link_from(page: str, target: str) -> str:
    """The link from one page of the site to another, by their paths."""
    return os.path.relpath(target, os.path.dirname(page))


@lru_cache(maxsize=256)
def title_of(path: str) -> str:
    """The title of a page of docs/, without its code marks."""
    return (DOCS / path).read_text("utf-8").partition("\n")[0].lstrip("# ").replace("`", "")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') if '`' not in cell else cell for cell in line)} |\n"
        for line in lines
    )
