"""The first page of each kind of pages: all of them in the order in which they are read, each with its own first sentence.

A hand-written first page, as the tutorial's, gets a list of those alone that it does not name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from .markup import link, relative
from .navigation import NAVIGATION, Link, Section
from .page import Page
from .site_error import SiteError

INTRODUCTIONS = {
    "howto/index.md": """\
# How-tos

A page for each aim: what you need before, steps that work as pasted in an empty folder, what you should see, and what goes wrong. New here?
[The tutorial](../tutorial/index.md) comes first.
""",
    "reference/index.md": """\
# Reference

The facts, to look up. What most people look for: [a command](commands/index.md), [an operation](ops/index.md), [a key of a spec](language.md),
[a message](../diagnostics/index.md).
""",
    "explanation/index.md": """\
# Explanation

Why archc is as it is, what it promises, and how well it does: no steps, and nothing that you must know to use it.
""",
}
TARGET = re.compile(r" \(\[[^\]]+\]\([^)]*\)\)|\[([^\]]+)\]\([^)]*\)")
COMMENT = re.compile(r"<!--.*?-->\s*", re.S)
SENTENCE = re.compile(r"[\w`*\"'(]")


def index_pages(texts: Mapping[str, str]) -> Iterator[Page]:
    """The first pages that are made of the navigation. `texts` are all other pages by their paths."""
    for first, parts in indexed_sections():
        if first in INTRODUCTIONS:
            yield Page(first, INTRODUCTIONS[first] + "".join(list_parts(parts, first, texts)))


def add_list(text: str, path: str, texts: Mapping[str, str]) -> str:
    """A hand-written page; where it is the first of its kind, with a list of those that it does not name."""
    for first, parts in indexed_sections():
        if first == path:
            missing = [part for part in linked_parts(parts) if f"]({relative(part.path, path)}" not in text]
            if missing:
                head, mark, rest = text.partition("\n## ")
                return f"{head}\n## More about them\n\n{''.join(list_links(missing, path, texts))}{mark}{rest}"
    return text


def indexed_sections() -> Iterator[tuple[str, Sequence[Any]]]:
    """The path of each first page, and what follows it in its part of the navigation."""
    for section in NAVIGATION:
        if isinstance(section, Section):
            first, *parts = section.parts
            yield first.path, parts


def list_parts(parts: Sequence[Any], here: str, texts: Mapping[str, str]) -> Iterator[str]:
    """A list of the pages, and one below its title for each section."""
    if alone := [part for part in parts if isinstance(part, Link)]:
        yield "\n"
        yield from list_links(alone, here, texts)
    for section in parts:
        if isinstance(section, Section):
            yield f"\n## {section.title}\n\n"
            yield from list_links(list(linked_parts(section.parts)), here, texts)


def linked_parts(parts: Sequence[Any]) -> Iterator[Link]:
    """The pages that a list names: of a folder of generated pages the first one alone, which lists the others."""
    for part in parts:
        if isinstance(part, Section):
            yield from linked_parts(part.parts)
        elif isinstance(part, Link):
            yield part
        else:
            index = f"{part.path}index.md"
            if all(not isinstance(each, Link) or each.path != index for each in parts):
                yield Link("", index)


def list_links(links: Sequence[Link], here: str, texts: Mapping[str, str]) -> Iterator[str]:
    """A line for each page."""
    for each in links:
        text = texts[each.path]
        title = each.title or text.partition("\n")[0].lstrip("# ")
        yield f"- **{link(title, each.path, here)}**. {opening_sentence(text, each.path)}\n"


def opening_sentence(text: str, path: str) -> str:
    """The first sentence of a page, without its links; one in brackets is left out. Raises SiteError where a page begins with something else."""
    blocks = COMMENT.sub("", text).split("\n\n", 2)
    sentence, stop, _ = " ".join(blocks[1].split() if len(blocks) > 1 else "").partition(". ")
    if not SENTENCE.match(sentence) or sentence.startswith(("```", "**")) or not (stop or sentence.endswith(".")):
        raise SiteError(f"{PurePosixPath(path)}: begins with no sentence, which a list of pages shows: {sentence[:60]}")
    return TARGET.sub(lambda link: link[1] or "", sentence.rstrip(".")) + "."
