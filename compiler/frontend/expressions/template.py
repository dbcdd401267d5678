"""Expressions: `$name` and `$(…)` inside YAML scalars.

A small language of its own, with a tokenizer, a precedence parser, and bounds on length, depth, size and steps.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from ...ops.fields import show
from .arithmetic import Evaluate, Lookup, Run
from .parser import Parser
from .tokens import MAX_LENGTH, MAX_LIST, ExpressionError, Token, tokens


def too_deep() -> ExpressionError:
    """The stack was nearly used up before the expression began; what it nests itself is bounded by MAX_DEPTH."""
    return ExpressionError("expression-limit", "the expression is nested too deep where it stands")


class Template:
    """A scalar with expressions: its parts in order, texts and evaluations."""

    def __init__(self, parts: list[str | Evaluate], names: list[tuple[str, int]]) -> None:
        self.parts, self.names = parts, tuple(names)
        self.whole = len(parts) == 1 and not isinstance(parts[0], str)

    def evaluate(self, lookup: Lookup) -> Any:
        """The value; inside a longer string it is written out as text. Raises ExpressionError."""
        run = Run(lookup)
        try:
            if self.whole:
                return self.parts[0](run)  # type: ignore[operator]
            return self.joined(run)
        except RecursionError:
            raise too_deep() from None

    def joined(self, run: Run) -> str:
        texts: list[str] = []
        size = 0
        for part in self.parts:
            texts.append(part if isinstance(part, str) else written(part(run)))
            size += len(texts[-1])
            if size > MAX_LIST:
                raise ExpressionError(
                    "expression-overflow", f"the text is too large: over {MAX_LIST} characters, the limit"
                )
        return "".join(texts)


def written(value: Any) -> str:
    return value if isinstance(value, str) else show(value)


@lru_cache(maxsize=4096)
def template(text: str) -> Template | None:
    """The template of a scalar, or None where it holds no `$`. Raises ExpressionError."""
    if "$" not in text:
        return None
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            "expression-limit", f"an expression of {len(text)} characters is too long, the limit is {MAX_LENGTH}"
        )
    parts: list[str | Evaluate] = []
    names: list[tuple[str, int]] = []
    position = 0
    while position < len(text):
        dollar = text.find("$", position)
        if dollar < 0:
            dollar = len(text)
        if dollar > position:
            parts.append(text[position:dollar])
        if dollar == len(text):
            break
        try:
            position = one_part(text, dollar, parts, names)
        except RecursionError:
            raise too_deep() from None
    return Template(parts, names)


def one_part(text: str, dollar: int, parts: list[str | Evaluate], names: list[tuple[str, int]]) -> int:
    """Parses what a dollar begins; returns where the text goes on."""
    following = text[dollar + 1 : dollar + 2]
    if following == "$":
        parts.append("$")
        return dollar + 2
    if following == "(":
        found_tokens = tokens(text, dollar + 2)
        parser = Parser(found_tokens)
        parts.append(parser.whole())
        names += parser.names
        return found_tokens[-1].offset + 1
    match = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII).match(text, dollar + 1)
    if not match:
        inside = text[dollar + 2 :].partition("}")[0]
        help = (
            f"write `${inside}` or `$({inside})`"
            if following == "{"
            else "write `$name` or `$(…)`; a dollar itself is `$$`"
        )
        raise ExpressionError("expression-syntax", f"`${following}` begins no expression", dollar, 2, help)
    if match[0] == "x" and (field := re.compile(r"\.([a-z]+)").match(text, match.end())):
        raise ExpressionError("expression-syntax", "`$x` ends at the dot", dollar, 2, f"write `$(x.{field[1]})`")
    parser = Parser([Token("name", match[0], dollar + 1), Token("end", "", match.end())])
    parts.append(parser.whole())
    names += parser.names
    return match.end()
