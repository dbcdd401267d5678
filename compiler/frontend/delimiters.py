"""Quotes and brackets of a YAML text that no parser can read: which of them are never closed, or closed too late.

It reads the text as YAML's tokens are found, but goes on behind every mistake. Places are indices into the text.
"""

from __future__ import annotations

import re
from typing import NamedTuple

CLOSING = {"{": "}", "[": "]"}
# characters: what stands before a value is near it
LOOK_BACK = 80
BLOCK_TEXT = re.compile(r"(?:^|[\s:])[|>][-+0-9]*[ \t]*(?:#.*)?\Z")
SPECIAL = re.compile(r"['\"\[\]{}#]")


class Delimiters(NamedTuple):
    """What is wrong with the quotes and brackets of a text.

    `unclosed` are openings without an end, outermost first; `mismatched` are pairs of an opening and the other kind's closing
    that comes before its own; `long_quotes` are (start, end) of quoted texts over several lines.
    """

    unclosed: tuple[int, ...]
    mismatched: tuple[tuple[int, int], ...]
    long_quotes: tuple[tuple[int, int], ...]


class Brackets:
    """The brackets of a text as it is read: those that are open, outermost first, and the pairs of different kinds so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.opened: list[int] = []
        self.mismatched: list[tuple[int, int]] = []
        # how many that each closing bracket could close are open
        self.of_kind = dict.fromkeys(CLOSING.values(), 0)

    def open(self, at: int) -> None:
        """Takes the opening bracket at a place."""
        self.opened.append(at)
        self.of_kind[CLOSING[self.text[at]]] += 1

    def close(self, at: int) -> None:
        """Takes a character that may be a closing bracket: it closes all up to the last of its kind, or, where none is open, nothing."""
        character, skipped = self.text[at], []
        if not self.of_kind.get(character):
            return
        while CLOSING[self.text[start := self.opened.pop()]] != character:
            self.of_kind[CLOSING[self.text[start]]] -= 1
            skipped.append((start, at))
        self.of_kind[character] -= 1
        self.mismatched += reversed(skipped)


def find_delimiters(text: str, mistake: int) -> Delimiters:
    """Reads a text, whose lines end in `\\n`, as far as what stands before the place `mistake` is still open."""
    brackets = Brackets(text)
    opened = brackets.opened
    long_quotes: list[tuple[int, int]] = []
    at, block_indent = 0, -1
    while at < len(text) and (at <= mistake or (opened and opened[0] < mistake)):
        line_end = text.find("\n", at)
        line_end = len(text) if line_end < 0 else line_end
        line_start = at
        line = text[at:line_end]
        indent = len(line) - len(line.lstrip())
        if block_indent >= 0 and (indent > block_indent or not line.strip()):
            at = line_end + 1
            continue
        block_indent = -1
        while (special := SPECIAL.search(text, at, line_end)) is not None:
            at = special.start()
            if at > mistake and not (opened and opened[0] < mistake):
                break
            character, before = text[at], text[max(line_start, at - LOOK_BACK) : at]
            if character == "#" and before[-1:] in ("", " ", "\t"):
                break
            looks_open = character in "'\"[{"
            starts_value = looks_open and begins_value(before, bool(opened))
            if character in "'\"" and starts_value:
                end = end_of_quote(text, at)
                if end is None:
                    return Delimiters((*opened, at), tuple(brackets.mismatched), tuple(long_quotes))
                if "\n" in text[at:end]:
                    long_quotes.append((at, end))
                    line_start, line_end = text.rfind("\n", 0, end) + 1, text.find("\n", end)
                    line_end = len(text) if line_end < 0 else line_end
                at = end
                continue
            if character in CLOSING and (opened or starts_value):
                brackets.open(at)
            else:
                brackets.close(at)
            at += 1
        if not opened and BLOCK_TEXT.search(text[line_start:line_end]):
            block_indent = indent
        at = line_end + 1
    return Delimiters(tuple(opened), tuple(brackets.mismatched), tuple(long_quotes))


def begins_value(before: str, in_flow: bool) -> bool:
    """Whether a value may begin behind a part of a line: only there a quote or a bracket is one."""
    last = before.rstrip()
    if not last or last[-1] == ":":
        return True
    return last[-1] in "[{," if in_flow else last[-1] in "-?" and last[-2:-1] in ("", " ", "\t")


def end_of_quote(text: str, start: int) -> int | None:
    """The place behind a quoted text that begins at `start`; None where it has no end."""
    quote = text[start]
    # a star over single characters would remember each of them
    pattern = r"'[^']*(?:''[^']*)*'" if quote == "'" else r'"[^"\\]*(?:\\.[^"\\]*)*"'
    found = re.compile(pattern, re.DOTALL).match(text, start)
    return found.end() if found else None
