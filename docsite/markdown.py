"""Plain text as Markdown: help texts and docstrings say `code` in backticks, and nothing else in them is markup."""

from __future__ import annotations

import re
from functools import lru_cache

from .markup import CODE, relative
from .sources import DOCS

MARKUP = re.compile(r"([\\*_\[\]{}<>#~])")
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
        parts[at] = f"[{title_of(part)}]({relative(part, page)})" if at % 2 else MARKUP.sub(r"\\\1", part)
    return "".join(parts)


def link_code(code: str, page: str) -> str:
    """Code in its backticks; the code of a diagnostic leads to its page."""
    word = code.strip("`")
    path = f"diagnostics/{word}.md"
    return f"[{code}]({relative(path, page)})" if "-" in word and (DOCS / path).is_file() else code


@lru_cache(maxsize=256)
def title_of(path: str) -> str:
    """The title of a page of docs/, without its code marks."""
    return (DOCS / path).read_text("utf-8").partition("\n")[0].lstrip("# ").replace("`", "")
