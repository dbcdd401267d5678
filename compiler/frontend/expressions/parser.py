"""The grammar of an expression: tokens in, a closure that evaluates out."""

from __future__ import annotations

from typing import Any

from ...diagnostics import nearest
from ...ops.fields import show
from .arithmetic import (
    FUNCTIONS,
    Evaluate,
    Run,
    arithmetic,
    bound,
    check,
    found,
    integer,
    itself,
    logic,
    number,
    sequence,
    truth,
)
from .tokens import MAX_DEPTH, ExpressionError, Token

WORDS = ("and", "or", "not", "if", "else", "true", "false")
BINARY = (("or",), ("and",), ("==", "!=", "<", "<=", ">", ">="), ("+", "-"), ("*", "/", "//", "%"))


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
