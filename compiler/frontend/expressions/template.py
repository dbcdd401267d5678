"""Templates: YAML scalars that hold expressions, `$name` and `$(…)`.

Expressions are a small language with its own tokenizer and parser, and with limits of length, depth, size and steps.
"""

from __future__ import annotations

import re
from typing import Any

from ...ops.fields import quote_value
from .arithmetic import Closure, Evaluation
from .parser import Parser
from .tokens import CHARACTERS_PER_STEP, MAX_LENGTH, MAX_LIST, ExpressionError, Token, tokenize

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
FIELD = re.compile(r"\.([a-z]+)")


def nesting_error() -> ExpressionError:
    """For a stack that was nearly full before the expression began: MAX_DEPTH alone keeps the expression's own nesting small."""
    return ExpressionError("expression-limit", "the expression is nested too deep where it stands")


class Template:
    """A scalar with expressions: `parts` are its texts and closures in order, `names` the names in it, with their offsets, `words` each
    of them once.

    `tokens` is how many tokens were read.
    """

    def __init__(self, parts: list[str | Closure], names: list[tuple[str, int]], tokens: int) -> None:
        self.parts, self.names, self.tokens = parts, tuple(names), tokens
        self.words = frozenset([name for name, _ in names])
        self.is_one_expression = len(parts) == 1 and not isinstance(parts[0], str)

    def evaluate(self, evaluation: Evaluation) -> Any:
        """The value of the scalar: of any type if it is one expression and nothing else, otherwise a string.

        The evaluation counts the steps that it takes. Raises ExpressionError.
        """
        try:
            if self.is_one_expression:
                return self.parts[0](evaluation)  # type: ignore[operator]
            return self.format_parts(evaluation)
        except RecursionError:
            raise nesting_error() from None

    def format_parts(self, evaluation: Evaluation) -> str:
        """The parts as one string, each value written out. Raises ExpressionError where it grows too long."""
        texts: list[str] = []
        size = 0
        for part in self.parts:
            texts.append(part if isinstance(part, str) else value_as_text(part(evaluation)))
            evaluation.steps += 1 + len(texts[-1]) // CHARACTERS_PER_STEP
            size += len(texts[-1])
            if size > MAX_LIST:
                raise ExpressionError(
                    "expression-overflow", f"the text is too large: over {MAX_LIST} characters, the limit"
                )
        return "".join(texts)


def value_as_text(value: Any) -> str:
    return value if isinstance(value, str) else quote_value(value)


def parse_template(text: str) -> Template | None:
    """The template of a scalar, or None where it holds no `$`. Raises ExpressionError."""
    if "$" not in text:
        return None
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            "expression-limit", f"an expression of {len(text)} characters is too long, the limit is {MAX_LENGTH}"
        )
    parts: list[str | Closure] = []
    names: list[tuple[str, int]] = []
    position = tokens = 0
    while position < len(text):
        dollar = text.find("$", position)
        if dollar < 0:
            dollar = len(text)
        if dollar > position:
            parts.append(text[position:dollar])
        if dollar == len(text):
            break
        try:
            position, read = parse_part(text, dollar, parts, names)
        except RecursionError:
            raise nesting_error() from None
        tokens += read
    return Template(parts, names, tokens)


def advise_braced(text: str) -> str:
    """What to write for `${name}`, `${{ name }}` or `${params.name}`; `text` is what follows the first brace."""
    inside = re.sub(r"^(?:params|vars|self|cfg|config)\.(?=\w)", "", text.partition("}")[0].strip(" {"))
    return f"write `${inside}` or `$({inside})`" if inside.isidentifier() else f"write `$({inside})`"


def parse_part(text: str, dollar: int, parts: list[str | Closure], names: list[tuple[str, int]]) -> tuple[int, int]:
    """Parses what begins at the dollar, and adds it to `parts` and `names`. Returns the offset behind it, and how many tokens it has.

    Raises ExpressionError.
    """
    following = text[dollar + 1 : dollar + 2]
    if following == "$":
        parts.append("$")
        return dollar + 2, 1
    if following == "(":
        tokens = tokenize(text, dollar + 2)
        parser = Parser(tokens)
        parts.append(parser.parse())
        names += parser.names
        return tokens[-1].offset + 1, len(tokens) + 1
    match = NAME.match(text, dollar + 1)
    if not match:
        braced = following == "{"
        help = advise_braced(text[dollar + 2 :]) if braced else "write `$name` or `$(…)`; a dollar itself is `$$`"
        raise ExpressionError("expression-syntax", f"`${following}` begins no expression", dollar, 2, help)
    if match[0] == "x" and (field := FIELD.match(text, match.end())):
        raise ExpressionError("expression-syntax", "`$x` ends at the dot", dollar, 2, f"write `$(x.{field[1]})`")
    parser = Parser([Token("name", match[0], dollar + 1), Token("end", "", match.end())])
    parts.append(parser.parse())
    names += parser.names
    return match.end(), 3
