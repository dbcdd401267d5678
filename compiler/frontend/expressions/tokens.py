"""The tokens of an expression, and the limits of its size.

Python's `ast` is not used: it may raise MemoryError or RecursionError, and it takes full-width letters for plain ones.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_LENGTH = 2_000
MAX_DEPTH = 50
MAX_LIST = 10_000
MAX_STEPS = 200_000
# characters of a text that is made
CHARACTERS_PER_STEP = 8
LIMIT = 2**63


class ExpressionError(Exception):
    """An expression is wrong: the diagnostic's code, message and help, and the place as an offset into the scalar's text."""

    def __init__(self, code: str, message: str, offset: int = 0, length: int = 1, help: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.offset, self.length, self.help = code, message, offset, length, help


class Token(NamedTuple):
    """A token. `kind` is number, string, name, symbol or end; `offset` counts from the start of the scalar's text."""

    kind: str
    text: str
    offset: int


TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)|(?P<string>'[^'\n]*')"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<symbol>\*\*|//|==|!=|<=|>=|[-+*/%<>()\[\],.:])",
    re.ASCII,
)
INSTEAD = {"=": "write `==` to compare; arguments have no names", "&": "write `and`", "|": "write `or`", "!": "write `not`", "^": "the power is `**`",
           "×": "the product is `*`", "÷": "the quotient is `/` or `//`", "{": "there are no braces here; write `$name` or `$(name)`",
           '"': "strings stand in single quotes", "$": "inside `$(…)` a name has no dollar", "\\": "a quotient is `/` or `//`",
           "?": "write `a if c else b`", "'": "the string has no closing quote", "≤": "write `<=`", "≥": "write `>=`", "≠": "write `!=`",
           "−": "write a plain `-`", "·": "the product is `*`", "‘": "a string stands in plain quotes: '…'", "’": "a string stands in plain quotes: '…'"}  # fmt: skip


def tokenize(text: str, start: int) -> list[Token]:
    """The tokens from `start` on; the last one, of the kind end, is the parenthesis that closes the expression.

    Raises ExpressionError for a character that begins no token, and where nothing closes the expression.
    """
    tokens: list[Token] = []
    position, depth = start, 0
    while position < len(text):
        if text[position] == ")" and depth == 0:
            return [*tokens, Token("end", ")", position)]
        match = TOKEN.match(text, position)
        if match is None:
            char = text[position]
            help = INSTEAD.get(char, "write a plain space" if char.isspace() else "")
            char_name = f"U+{ord(char):04X}" if not char.isprintable() or ord(char) > 126 else f"`{char}`"
            raise ExpressionError("expression-syntax", f"{char_name} is not part of the language", position, 1, help)
        kind = str(match.lastgroup)
        if kind != "space":
            tokens.append(Token(kind, match[0], position))
            depth += (match[0] in "([") - (match[0] in ")]") if kind == "symbol" else 0
        position = match.end()
    raise unclosed_error(text, start - 2)


def unclosed_error(text: str, offset: int) -> ExpressionError:
    return ExpressionError("expression-unclosed", "`$(` is not closed by `)` in this value: a quote is missing", offset, 2,
                           "inside { } and [ ] YAML ends a plain value at `,` `[` `]`, and ` #` begins a comment: put it in quotes, \"$(…)\"")  # fmt: skip
