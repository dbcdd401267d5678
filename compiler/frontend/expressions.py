"""Expressions: `$name` and `$(…)` inside YAML scalars.

A small language of its own, with a tokenizer, a precedence parser and bounds on length, depth, size and steps. There is no
host language behind it: Python's `ast` leaks MemoryError and folds letters, and nothing here can be called but FUNCTIONS.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from ..diagnostics import nearest
from ..ops.fields import is_int, is_number, show

Lookup = Callable[[str], Any]
MAX_LENGTH = 2_000
MAX_DEPTH = 50
MAX_LIST = 10_000
MAX_STEPS = 100_000
LIMIT = 2**63


class ExpressionError(Exception):
    """What is wrong, and where in the scalar's text."""

    def __init__(self, code: str, message: str, offset: int = 0, length: int = 1, help: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.offset, self.length, self.help = code, message, offset, length, help


class Token(NamedTuple):
    kind: str  # number, string, name, symbol, end
    text: str
    offset: int


TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)|(?P<number>(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?)|(?P<string>'[^'\n]*')"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<symbol>\*\*|//|==|!=|<=|>=|[-+*/%<>()\[\],.:])",
    re.ASCII,
)
INSTEAD = {"=": "write `==` to compare; arguments have no names", "&": "write `and`", "|": "write `or`", "!": "write `not`", "^": "the power is `**`",
           "×": "the product is `*`", "÷": "the quotient is `/` or `//`", "{": "there are no braces here; write `$name` or `$(name)`",
           '"': "strings stand in single quotes", "$": "inside `$(…)` a name has no dollar", "\\": "a quotient is `/` or `//`",
           "?": "write `a if c else b`", "'": "the string has no closing quote", "≤": "write `<=`", "≥": "write `>=`", "≠": "write `!=`",
           "−": "write a plain `-`", "·": "the product is `*`", "‘": "a string stands in plain quotes: '…'", "’": "a string stands in plain quotes: '…'"}  # fmt: skip
WORDS = ("and", "or", "not", "if", "else", "true", "false")
BINARY = (("or",), ("and",), ("==", "!=", "<", "<=", ">", ">="), ("+", "-"), ("*", "/", "//", "%"))


def tokens(text: str, start: int) -> list[Token]:
    """The tokens from `start` up to the parenthesis that closes the expression, and an end token on it."""
    found: list[Token] = []
    position, depth = start, 0
    while position < len(text):
        if text[position] == ")" and depth == 0:
            return [*found, Token("end", ")", position)]
        match = TOKEN.match(text, position)
        if match is None:
            char = text[position]
            help = INSTEAD.get(char, "write a plain space" if char.isspace() else "")
            named = f"U+{ord(char):04X}" if not char.isprintable() or ord(char) > 126 else f"`{char}`"
            raise ExpressionError("expression-syntax", f"{named} is not part of the language", position, 1, help)
        kind = str(match.lastgroup)
        kind = "number" if match["number"] else kind
        if kind != "space":
            found.append(Token(kind, match[0], position))
            depth += (match[0] in "([") - (match[0] in ")]") if kind == "symbol" else 0
        position = match.end()
    raise unclosed(text, start - 2)


def unclosed(text: str, offset: int) -> ExpressionError:
    return ExpressionError("expression-unclosed", "`$(` is not closed by `)` in this value: a quote is missing", offset, 2,
                           "inside { } and [ ] YAML ends a plain value at `,` `[` `]`, and ` #` begins a comment: put it in quotes, \"$(…)\"")  # fmt: skip


Evaluate = Callable[["Run"], Any]


class Run:
    """One evaluation: the lookup of names, and the count of steps."""

    __slots__ = ("lookup", "steps")

    def __init__(self, lookup: Lookup) -> None:
        self.lookup, self.steps = lookup, 0

    def made(self, value: Any, offset: int) -> Any:
        """Bounds a result and counts it: one step, and one more for each element of a list."""
        check(value, offset)
        self.steps += 1 + len(value) if isinstance(value, list) else 1
        if self.steps > MAX_STEPS:
            raise ExpressionError("expression-limit", f"the expression takes over {MAX_STEPS} steps, the limit", offset)
        return value


class Parser:
    """Precedence climbing; each rule returns a closure that evaluates."""

    def __init__(self, found: list[Token]) -> None:
        self.tokens, self.at, self.depth = found, 0, 0
        self.names: list[tuple[str, int]] = []

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def take(self, *texts: str) -> Token | None:
        token = self.token
        if token.kind in ("symbol", "name") and token.text in texts:
            self.at += 1
            return token
        return None

    def fail(self, message: str, help: str = "", token: Token | None = None) -> ExpressionError:
        token = token or self.token
        return ExpressionError("expression-syntax", message, token.offset, max(len(token.text), 1), help)

    def deeper(self, token: Token) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionError(
                "expression-limit", f"the expression is nested over {MAX_DEPTH} deep, the limit", token.offset
            )

    def want(self, text: str, what: str) -> None:
        if not self.take(text):
            raise self.fail(f"`{text}` is missing {what}")

    def whole(self) -> Evaluate:
        if self.token.kind == "end":
            raise self.fail("the expression is empty")
        value = self.conditional()
        if self.token.kind != "end":
            raise self.fail(
                f"`{self.token.text}` is not expected here",
                "" if self.token.text != ":" else "there is no lambda and no `:=`",
            )
        return value

    def conditional(self) -> Evaluate:
        self.deeper(self.token)
        then = self.binary(0)
        token = self.take("if")
        if token:
            test = self.binary(0)
            if not self.take("else"):
                raise self.fail("a conditional needs its `else`: a if c else b", token=token)
            other = self.conditional()
            value, offset = then, token.offset
            then = lambda run: value(run) if truth(test(run), "if", offset) else other(run)  # noqa: E731
        self.depth -= 1
        return then

    def binary(self, level: int) -> Evaluate:
        if level == len(BINARY):
            return self.unary()
        if level == 2 and (token := self.take("not")):
            self.deeper(token)
            inner, offset = self.binary(2), token.offset
            self.depth -= 1
            return lambda run: not truth(inner(run), "not", offset)
        left = self.binary(level + 1)
        terms: list[tuple[Token, Evaluate]] = []
        while token := self.take(*BINARY[level]):
            if terms and level == 2:
                raise self.fail("comparisons do not chain", "write `a < b and b < c`", token)
            terms.append((token, self.binary(level + 1)))
        if not terms:
            return left
        return logic(left, terms) if level < 2 else arithmetic(left, terms)

    def unary(self) -> Evaluate:
        token = self.take("-", "+")
        if not token:
            return self.power()
        self.deeper(token)
        inner, sign, offset = self.unary(), token.text, token.offset
        self.depth -= 1

        def evaluate(run: Run) -> Any:
            value = number(inner(run), sign, offset)
            return check(-value if sign == "-" else value, offset)

        return evaluate

    def power(self) -> Evaluate:
        left = self.postfix()
        token = self.take("**")
        if not token:
            return left
        self.deeper(token)
        right = self.unary()
        self.depth -= 1
        return arithmetic(left, [(token, right)])

    def postfix(self) -> Evaluate:
        value = self.atom()
        count = 0
        while token := self.take("["):
            count += 1
            if count > MAX_DEPTH:
                raise ExpressionError("expression-limit", f"over {MAX_DEPTH} indices, the limit", token.offset)
            value = self.index(value, token)
        return value

    def index(self, value: Evaluate, token: Token) -> Evaluate:
        first = None if self.token.text == ":" else self.conditional()
        if self.take(":"):
            last = None if self.token.text in ("]", ":") else self.conditional()
            if self.token.text == ":":
                raise self.fail("a slice has no step: it is [start:stop]")
            self.want("]", "after the slice")
            return lambda run: sequence(value(run), token.offset)[
                bound(first, run, token.offset) : bound(last, run, token.offset)
            ]
        self.want("]", "after the index")
        assert first is not None
        index: Evaluate = first

        def evaluate(run: Run) -> Any:
            items, i = sequence(value(run), token.offset), integer(index(run), "an index", token.offset)
            if not -len(items) <= i < len(items):
                raise ExpressionError("index-out-of-range", f"index {i} of a list of {len(items)}", token.offset)
            return items[i]

        return evaluate

    def atom(self) -> Evaluate:
        token = self.token
        self.at += 1 if token.kind != "end" else 0
        if token.kind == "number":
            return self.literal(token)
        if token.kind == "string":
            text = token.text[1:-1]
            return lambda run: text
        if token.kind == "name":
            return self.name(token)
        if token.text == "(" and token.kind == "symbol":
            value = self.conditional()
            self.want(")", "after the group")
            return value
        if token.text == "[":
            items = self.items("]")
            return lambda run: run.made([item(run) for item in items], token.offset)
        if token.kind == "end":
            raise ExpressionError("expression-syntax", "the expression ends where a value is wanted", token.offset)
        raise self.fail(f"a value is wanted here, not `{token.text}`", token=token)

    def literal(self, token: Token) -> Evaluate:
        text = token.text
        following = self.token
        if following.kind == "name" and following.offset == token.offset + len(text):
            raise self.fail(f"`{text}{following.text}` is no number", "digits have no underscores or units", token)
        if len(text) > 40:
            raise ExpressionError(
                "expression-overflow", f"a number of {len(text)} digits is too large", token.offset, len(text)
            )
        value = int(text) if text.isdigit() else float(text)
        check(value, token.offset)
        return lambda run: value

    def name(self, token: Token) -> Evaluate:
        name, offset = token.text, token.offset
        if name in ("true", "false"):
            return lambda run: name == "true"
        if name in WORDS or name == "lambda":
            raise self.fail(
                f"a value is wanted here, not `{name}`",
                "there are no functions of one's own" if name == "lambda" else "",
                token,
            )
        if name in ("True", "False"):
            raise self.fail(f"there is no `{name}`", f"write `{name.lower()}`", token)
        if self.token.kind == "symbol" and self.token.text == "(":
            self.at += 1
            return self.call(token)
        if self.token.kind == "string" and self.token.offset == offset + len(name):
            raise self.fail(f"`{name}'…'` is no string: there are no prefixes", token=token)
        self.names.append((name, offset))
        if self.take("."):
            return self.attribute(token)

        if name == "x":
            return lambda run: itself(offset)
        return lambda run: found(run, name, offset)

    def attribute(self, token: Token) -> Evaluate:
        field = self.token
        self.at += 1 if field.kind != "end" else 0
        if token.text != "x" or field.text not in ("channels", "height", "width", "features"):
            near = (
                "x has channels, height, width and features"
                if token.text == "x"
                else "only `x` has fields: x.channels, …"
            )
            raise self.fail(f"`{token.text}` has no field `{field.text}`", near, field)

        def evaluate(run: Run) -> Any:
            x = found(run, "x", token.offset)
            if field.text == "features":
                return x.elements
            if field.text != "channels" and not x.is_image:
                raise ExpressionError("wrong-type", f"a flat {x} has no {field.text}", field.offset, len(field.text))
            if x.rank < 2:
                raise ExpressionError("wrong-type", "no tensor arrives here", token.offset)
            return getattr(x, field.text)

        return evaluate

    def items(self, close: str) -> list[Evaluate]:
        found: list[Evaluate] = []
        while not self.take(close):
            if found:
                self.want(",", f"between values, or `{close}`")
            if self.token.text == close:
                continue
            found.append(self.conditional())
            if self.token.kind == "end":
                raise self.fail(f"`{close}` is missing")
        return found

    def call(self, token: Token) -> Evaluate:
        name, offset = token.text, token.offset
        if name not in FUNCTIONS:
            near = nearest(name, FUNCTIONS)
            raise self.fail(
                f"there is no function `{name}`",
                f"did you mean `{near}`?" if near else f"there are {', '.join(FUNCTIONS)}",
                token,
            )
        arguments = self.items(")")

        def evaluate(run: Run) -> Any:
            values = [argument(run) for argument in arguments]
            try:
                return run.made(FUNCTIONS[name](*values), offset)
            except ExpressionError:
                raise
            except ZeroDivisionError:
                raise ExpressionError("division-by-zero", f"{name} divides by zero", offset, len(name)) from None
            except OverflowError:
                raise ExpressionError(
                    "expression-overflow", f"{name} gives a number that is too large", offset, len(name)
                ) from None
            except (TypeError, ValueError) as error:
                why = str(error) if isinstance(error, ValueError) else ", ".join(show(v) for v in values) or "nothing"
                raise ExpressionError("wrong-type", f"{name} cannot take {why}", offset, len(name)) from None

        return evaluate


def found(run: Run, name: str, offset: int) -> Any:
    try:
        return run.lookup(name)
    except KeyError:
        raise ExpressionError("unknown-name", f"unknown name `{name}`", offset, len(name)) from None


def itself(offset: int) -> None:
    raise ExpressionError(
        "wrong-type", "`x` itself is no value; use x.channels, x.height, x.width or x.features", offset
    )


def bound(value: Evaluate | None, run: Run, offset: int) -> int | None:
    return None if value is None else integer(value(run), "a slice", offset)


def truth(value: Any, what: str, offset: int) -> bool:
    if value is True or value is False:
        return bool(value)
    raise ExpressionError("wrong-type", f"`{what}` wants a boolean, not {show(value)}", offset, len(what))


def number(value: Any, what: str, offset: int) -> Any:
    if not is_number(value):
        raise ExpressionError("wrong-type", f"`{what}` wants numbers, not {show(value)}", offset, len(what))
    return value


def integer(value: Any, what: str, offset: int) -> int:
    if not is_int(value):
        raise ExpressionError("wrong-type", f"{what} is an integer, not {show(value)}", offset)
    return int(value)


def sequence(value: Any, offset: int) -> Any:
    if not isinstance(value, (list, str)):
        raise ExpressionError("wrong-type", f"{show(value)} has no elements: only a list is indexed", offset)
    return value


def check(value: Any, offset: int) -> Any:
    """Bounds every result: 64 bits, finite floats, lists of limited length."""
    if isinstance(value, int):
        if not -LIMIT <= value < LIMIT:
            raise ExpressionError("expression-overflow", "the result is too large: integers have 64 bits", offset)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ExpressionError("expression-overflow", "the result is too large: it is not finite", offset)
    elif isinstance(value, list):
        check_list(value, offset)
    elif isinstance(value, str) and len(value) > MAX_LIST:
        raise ExpressionError(
            "expression-overflow", f"a text of {len(value)} characters is too large: the limit is {MAX_LIST}", offset
        )
    return value


def check_list(value: list[Any], offset: int) -> None:
    """Counts nested elements too: `[a, a]` of `[b, b]` of … holds little and stands for a great deal."""
    total, depth, level = 0, 0, [value]
    while level:
        total, depth = total + sum(map(len, level)), depth + 1
        if total > MAX_LIST:
            raise ExpressionError(
                "expression-overflow", f"a list of {total} elements is too large: the limit is {MAX_LIST}", offset
            )
        if depth > MAX_DEPTH:
            raise ExpressionError("expression-limit", f"a list is nested over {MAX_DEPTH} deep, the limit", offset)
        level = [item for items in level for item in items if isinstance(item, list)]


def logic(first: Evaluate, terms: list[tuple[Token, Evaluate]]) -> Evaluate:
    """A run of `and`, or of `or`; stops early."""
    decided = terms[0][0].text == "or"

    def evaluate(run: Run) -> bool:
        value = truth(first(run), terms[0][0].text, terms[0][0].offset)
        for token, right in terms:
            if value == decided:
                return value
            value = truth(right(run), token.text, token.offset)
        return value

    return evaluate


def arithmetic(first: Evaluate, terms: list[tuple[Token, Evaluate]]) -> Evaluate:
    """Operators of one rank, from the left; a loop, so that a long sum needs no deep stack."""
    steps = [(OPERATORS.get(token.text, numeric), token.text, right, token.offset) for token, right in terms]

    def evaluate(run: Run) -> Any:
        value = first(run)
        for operate, sign, right, offset in steps:
            value = run.made(operate(sign, value, right(run), offset), offset)
        return value

    return evaluate


def same(a: Any, b: Any) -> bool:
    """Equality in which `1` is not `true`, inside lists either."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def equality(sign: str, a: Any, b: Any, offset: int) -> bool:
    return same(a, b) == (sign == "==")


def order(sign: str, a: Any, b: Any, offset: int) -> bool:
    if not (isinstance(a, str) and isinstance(b, str)):
        number(a, sign, offset)
        number(b, sign, offset)
    return COMPARE[sign](a, b)


def plus(sign: str, a: Any, b: Any, offset: int) -> Any:
    """A sum of numbers; two lists, or two strings, in a row."""
    if (isinstance(a, list) and isinstance(b, list)) or (isinstance(a, str) and isinstance(b, str)):
        return ARITHMETIC["+"](a, b)
    return numeric(sign, a, b, offset)


def numeric(sign: str, a: Any, b: Any, offset: int) -> Any:
    number(a, sign, offset)
    number(b, sign, offset)
    if b == 0 and sign in ("/", "//", "%"):
        raise ExpressionError("division-by-zero", f"`{sign}` divides by zero", offset, len(sign))
    if sign == "**":
        return power(a, b, offset)
    try:
        return ARITHMETIC[sign](a, b)
    except OverflowError:
        raise ExpressionError("expression-overflow", "the result is too large", offset) from None


def power(a: Any, b: Any, offset: int) -> Any:
    """Bounded before it is computed."""
    if a == 0 and b < 0:
        raise ExpressionError("division-by-zero", "zero to a negative power divides by zero", offset, 2)
    if is_int(a) and is_int(b) and b > 0 and abs(a) > 1 and b * math.log2(abs(a)) > 64:
        raise ExpressionError("expression-overflow", "the power is too large: integers have 64 bits", offset, 2)
    try:
        result = a**b
    except OverflowError:
        raise ExpressionError("expression-overflow", "the power is too large", offset, 2) from None
    if isinstance(result, complex):
        raise ExpressionError("wrong-type", "a root of a negative number is no number", offset, 2)
    return result


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv, "%": operator.mod,
}  # fmt: skip
OPERATORS: dict[str, Callable[[str, Any, Any, int], Any]] = {
    "==": equality, "!=": equality, "<": order, "<=": order, ">": order, ">=": order, "+": plus,
}  # fmt: skip


def numbers(*values: Any) -> list[Any]:
    items = values[0] if len(values) == 1 and isinstance(values[0], list) else list(values)
    if not items:
        raise ValueError("nothing")
    for item in items:
        if not is_number(item):
            raise ValueError(show(item))
    return list(items)


def one(value: Any) -> Any:
    if not is_number(value) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(show(value))
    return value


def counted(*bounds: Any) -> list[int]:
    """range(stop), range(start, stop) or range(start, stop, step) as a list of limited length."""
    if not 1 <= len(bounds) <= 3 or not all(is_int(b) for b in bounds):
        raise ValueError(", ".join(map(show, bounds)) or "nothing")
    if len(bounds) == 3 and bounds[2] == 0:
        raise ValueError("a step of 0")
    steps = range(*bounds)
    count = max(0, -(-(steps.stop - steps.start) // steps.step))
    if count > MAX_LIST:
        raise ValueError(f"that many: a range of {count} is too large, the limit is {MAX_LIST}")
    return list(steps)


def divisible(value: Any, by: Any) -> int:
    """`value` rounded to a multiple of `by`, never losing more than a tenth (MobileNet's make_divisible)."""
    one(value)
    if not is_int(by) or by <= 0:
        raise ZeroDivisionError if is_int(by) and by == 0 else ValueError(show(by))
    near: int = max(by, int(value + by / 2) // by * by)
    return near + by if near < 0.9 * value else near


def length(value: Any) -> int:
    if not isinstance(value, (list, str)):
        raise ValueError(f"{show(value)}: it has no length")
    return len(value)


def to_number(kind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: kind(one(value))


def rounded(value: Any, digits: Any = None) -> Any:
    if digits is None:
        return round(one(value))
    if not is_int(digits) or not 0 <= digits <= 15:  # Python raises ten to the power of it
        raise ValueError(f"{show(digits)} for its digits: they are 0 to 15")
    return round(one(value), digits)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": lambda *v: min(numbers(*v)), "max": lambda *v: max(numbers(*v)), "abs": lambda v: abs(one(v)), "round": rounded,
    "floor": to_number(math.floor), "ceil": to_number(math.ceil), "int": to_number(int), "float": to_number(float),
    "len": length, "sum": lambda v: sum(numbers(v)) if v != [] else 0, "range": counted, "divisible": divisible,
}  # fmt: skip


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
