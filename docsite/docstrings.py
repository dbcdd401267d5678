"""Docstrings as Markdown. They are prose; aligned lines of a name and what it means are a table, indented lines are code, and sentences that begin
with Raises or Warns stand apart."""

from __future__ import annotations

import re
import textwrap
from typing import NamedTuple

from .markdown import escape_markdown
from .markup import table

# `name      what it is`, with at least two spaces between; what goes on below is indented further
ENTRY = re.compile(r"^(\w+) {2,}(\S.*)$")
ITEM = re.compile(r"^- (.*)$")
ERRORS = re.compile(r"(?:^|(?<=[.:)] ))(?:Raises|Warns)\b.*?[.)](?= [A-Z(]|$)")


class Docstring(NamedTuple):
    """The parts of a docstring: what it says in `prose`, what it says of `names`, and its `errors`."""

    prose: tuple[str, ...]
    names: dict[str, str]
    errors: tuple[str, ...]


def parse_docstring(text: str) -> Docstring:
    """The parts of a docstring, which is indented as in the source."""
    prose: list[str] = []
    names: dict[str, str] = {}
    errors: list[str] = []
    for block in textwrap.dedent(with_first_line(text)).strip().split("\n\n"):
        lines = block.split("\n")
        if ENTRY.match(lines[0]):
            names |= parse_entries(lines)
        elif all(line.startswith("    ") for line in lines):
            prose.append("```python\n" + textwrap.dedent(block) + "\n```")
        elif any(ITEM.match(line) for line in lines):
            prose.append(block)
        else:
            paragraph = " ".join(" ".join(lines).split())
            errors += [each.strip() for each in ERRORS.findall(paragraph)]
            prose.append(" ".join(ERRORS.sub("", paragraph).split()))
    return Docstring(tuple(filter(None, prose)), names, tuple(errors))


def with_first_line(text: str) -> str:
    """The docstring with its first line indented as the others are."""
    first, newline, rest = text.partition("\n")
    indents = [len(line) - len(line.lstrip()) for line in rest.split("\n") if line.strip()]
    return " " * min(indents, default=0) + first.strip() + newline + rest


def parse_entries(lines: list[str]) -> dict[str, str]:
    """What aligned lines say of each name."""
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        if entry := ENTRY.match(line):
            name = entry[1]
            found[name] = entry[2]
        else:
            found[name] += " " + line.strip()
    return found


def prose_markdown(prose: tuple[str, ...], page: str) -> str:
    """Paragraphs, lists and code for the page at the path `page`."""
    return "\n".join(block_markdown(block, page) + "\n" for block in prose)


def block_markdown(block: str, page: str) -> str:
    """One paragraph, list or piece of code."""
    if block.startswith("```"):
        return block
    lines: list[str] = []
    for line in block.split("\n"):
        item = ITEM.match(line)
        if item and lines and not lines[-1].startswith("- "):
            lines.append("")
        if item or not lines:
            lines.append(("- " if item else "") + escape_markdown(item[1] if item else line, page))
        else:
            lines[-1] += " " + escape_markdown(line.strip(), page)
    return "\n".join(lines)


def names_table(names: dict[str, str], page: str) -> str:
    """What is said of names, as a table."""
    return table(("name", "meaning"), ((f"`{name}`", escape_markdown(text, page)) for name, text in names.items()))


def first_sentence(text: str) -> str:
    """A docstring's first sentence, on one line."""
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    sentence, stop, _ = paragraph.partition(". ")
    return sentence + stop.rstrip()
