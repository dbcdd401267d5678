"""The grammar of an expression: a list of tokens becomes a closure, which computes the value."""

from __future__ import annotations

from typing import Any

from ...diagnostics import nearest
from ...ops.fields import quote_value
from .arithmetic import (
    FUNCTIONS,
    Closure,
    Evaluation,
    boolean_chain,
    check_size,
    conditional,
    look_up,
    operator_chain,
    refuse_tensor,
    require_boolean,
    require_integer,
    require_number,
    require_sequence,
    slice_bound,
)
from .tokens import MAX_DEPTH, ExpressionError, Token

WORDS = ("and", "or", "not", "if", "else", "true", "false")
# the operators of two operands, those that bind the least first
BINARY = (("or",), ("and",), ("==", "!=", "<", "<=", ">", ">="), ("+", "-"), ("*", "/", "//", "%"))
COMPARISON = 2
LEVELS = {sign: level for level, signs in enumerate(BINARY) for sign in signs}


class Parser:
    """A recursive-descent parser over `tokens`, the last of which has the kind end.

    `names` are the variables that it has met, with their offsets. Each rule of the grammar is a method. It takes
    its tokens, returns a closure, and raises ExpressionError for a mistake.
    """

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens, self.position, self.depth = tokens, 0, 0
        self.names: list[tuple[str, int]] = []

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def take(self, *texts: str) -> Token | None:
        """The current token, and goes on behind it, if it is one of these; else None."""
        token = self.tokens[self.position]
        if token.text in texts and token.kind != "end":
            self.position += 1
            return token
        return None

    def error(self, message: str, help: str = "", token: Token | None = None) -> ExpressionError:
        token = token or self.token
        return ExpressionError("expression-syntax", message, token.offset, max(len(token.text), 1), help)

    def enter(self, token: Token) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionError(
                "expression-limit", f"the expression is nested over {MAX_DEPTH} deep, the limit", token.offset
            )

    def expect(self, text: str, what: str) -> None:
        if not self.take(text):
            raise self.error(f"`{text}` is missing {what}")

    def parse(self) -> Closure:
        """The whole expression, up to the end token."""
        if self.token.kind == "end":
            raise self.error("the expression is empty")
        value = self.parse_conditional()
        if self.token.kind != "end":
            raise self.error(
                f"`{self.token.text}` is not expected here",
                "" if self.token.text != ":" else "there is no lambda and no `:=`",
            )
        return value

    def parse_conditional(self) -> Closure:
        """`a if condition else b`, or what stands in the place of `a` alone."""
        self.enter(self.token)
        then = self.parse_binary(0)
        token = self.take("if")
        if token:
            test = self.parse_binary(0)
            if not self.take("else"):
                raise self.error("a conditional needs its `else`: a if c else b", token=token)
            then = conditional(then, test, self.parse_conditional(), token.offset)
        self.depth -= 1
        return then

    def parse_binary(self, level: int) -> Closure:
        """Operators of BINARY[level] and of those that bind tighter. `not a == b` is `not (a == b)`.

        It climbs from the operators that bind the most, so that a lone value costs no call for each level.
        """
        token = self.take("not") if level <= COMPARISON else None
        left = self.parse_negation(token) if token else self.parse_unary()
        while (found := LEVELS.get(self.token.text, -1)) >= level:
            left = self.parse_chain(left, found)
        return left

    def parse_chain(self, left: Closure, level: int) -> Closure:
        """`left` and the operators of BINARY[level] behind it, with what each of them takes."""
        terms: list[tuple[Token, Closure]] = []
        while token := self.take(*BINARY[level]):
            if terms and level == COMPARISON:
                raise self.error("comparisons do not chain", "write `a < b and b < c`", token)
            terms.append((token, self.parse_binary(level + 1)))
        return boolean_chain(left, terms) if level < COMPARISON else operator_chain(left, terms)

    def parse_negation(self, token: Token) -> Closure:
        """What follows a `not`, which is `token`, already taken."""
        self.enter(token)
        inner, offset = self.parse_binary(COMPARISON), token.offset
        self.depth -= 1
        return lambda evaluation: not require_boolean(inner(evaluation), "not", offset)

    def parse_unary(self) -> Closure:
        """A sign before a power: `-a`, `+a`."""
        token = self.take("-", "+")
        if not token:
            return self.parse_power()
        self.enter(token)
        inner, sign, offset = self.parse_unary(), token.text, token.offset
        self.depth -= 1

        def evaluate(evaluation: Evaluation) -> Any:
            value = require_number(inner(evaluation), sign, offset)
            return evaluation.count(-value if sign == "-" else value, offset)

        return evaluate

    def parse_power(self) -> Closure:
        """`a ** b`; groups from the right, and binds tighter than a sign before it: `-2 ** 2` is -4."""
        left = self.parse_postfix()
        token = self.take("**")
        if not token:
            return left
        self.enter(token)
        right = self.parse_unary()
        self.depth -= 1
        return operator_chain(left, [(token, right)])

    def parse_postfix(self) -> Closure:
        """A value with any number of indices or slices behind it."""
        value = self.parse_atom()
        count = 0
        while token := self.take("["):
            count += 1
            if count > MAX_DEPTH:
                raise ExpressionError("expression-limit", f"over {MAX_DEPTH} indices, the limit", token.offset)
            value = self.parse_index(value, token)
        return value

    def parse_index(self, value: Closure, token: Token) -> Closure:
        """`[i]` or `[start:stop]` behind `value`; `token` is the bracket, already taken."""
        first = None if self.token.text == ":" else self.parse_conditional()
        if self.take(":"):
            last = None if self.token.text in ("]", ":") else self.parse_conditional()
            if self.token.text == ":":
                raise self.error("a slice has no step: it is [start:stop]")
            self.expect("]", "after the slice")
            return lambda evaluation: evaluation.count(
                require_sequence(value(evaluation), token.offset)[
                    slice_bound(first, evaluation, token.offset) : slice_bound(last, evaluation, token.offset)
                ],
                token.offset,
            )
        self.expect("]", "after the index")
        assert first is not None
        index: Closure = first

        def evaluate(evaluation: Evaluation) -> Any:
            """The element; a negative index counts from the end."""
            items = require_sequence(value(evaluation), token.offset)
            i = require_integer(index(evaluation), "an index", token.offset)
            if not -len(items) <= i < len(items):
                raise ExpressionError("index-out-of-range", f"index {i} of a list of {len(items)}", token.offset)
            return items[i]

        return evaluate

    def parse_atom(self) -> Closure:
        """A number, a string, a name, a call, a list, or an expression in parentheses."""
        token = self.token
        self.position += 1 if token.kind != "end" else 0
        if token.kind == "number":
            return self.parse_number(token)
        if token.kind == "string":
            text = token.text[1:-1]
            return lambda evaluation: text
        if token.kind == "name":
            return self.parse_name(token)
        if token.text == "(" and token.kind == "symbol":
            value = self.parse_conditional()
            self.expect(")", "after the group")
            return value
        if token.text == "[":
            items = self.parse_items("]")
            return lambda evaluation: evaluation.count([item(evaluation) for item in items], token.offset)
        if token.kind == "end":
            raise ExpressionError("expression-syntax", "the expression ends where a value is wanted", token.offset)
        raise self.error(f"a value is wanted here, not `{token.text}`", token=token)

    def parse_number(self, token: Token) -> Closure:
        """The number of `token`, which no letter may follow: no `1_000`, no `3px`."""
        text = token.text
        following = self.token
        if following.kind == "name" and following.offset == token.offset + len(text):
            raise self.error(f"`{text}{following.text}` is no number", "digits have no underscores or units", token)
        if len(text) > 40:
            raise ExpressionError(
                "expression-overflow", f"a number of {len(text)} digits is too large", token.offset, len(text)
            )
        value = int(text) if text.isdigit() else float(text)
        check_size(value, token.offset)
        return lambda evaluation: value

    def parse_name(self, token: Token) -> Closure:
        """What a name begins: `true`, `false`, a call, a field of `x`, or a variable."""
        name, offset = token.text, token.offset
        if name in ("true", "false"):
            return lambda evaluation: name == "true"
        if name in WORDS or name == "lambda":
            raise self.error(
                f"a value is wanted here, not `{name}`",
                "there are no functions of one's own" if name == "lambda" else "",
                token,
            )
        if name in ("True", "False"):
            raise self.error(f"there is no `{name}`", f"write `{name.lower()}`", token)
        if self.token.kind == "symbol" and self.token.text == "(":
            self.position += 1
            return self.parse_call(token)
        if self.token.kind == "string" and self.token.offset == offset + len(name):
            raise self.error(f"`{name}'…'` is no string: there are no prefixes", token=token)
        self.names.append((name, offset))
        if self.take("."):
            return self.parse_attribute(token)

        if name == "x":
            return lambda evaluation: refuse_tensor(offset)
        return lambda evaluation: look_up(evaluation, name, offset)

    def parse_attribute(self, token: Token) -> Closure:
        """A field of the arriving tensor, such as `x.channels`; `token` is the name before the dot."""
        field = self.token
        self.position += 1 if field.kind != "end" else 0
        if token.text != "x" or field.text not in ("channels", "height", "width", "features"):
            hint = (
                "x has channels, height, width and features"
                if token.text == "x"
                else "only `x` has fields: x.channels, …"
            )
            raise self.error(f"`{token.text}` has no field `{field.text}`", hint, field)

        def evaluate(evaluation: Evaluation) -> Any:
            """The field of the tensor; `features` is its number of elements in one image."""
            x = look_up(evaluation, "x", token.offset)
            if field.text == "features":
                return x.elements
            if field.text != "channels" and not x.is_image:
                raise ExpressionError("wrong-type", f"a flat {x} has no {field.text}", field.offset, len(field.text))
            if x.rank < 2:
                raise ExpressionError("wrong-type", "no tensor arrives here", token.offset)
            return getattr(x, field.text)

        return evaluate

    def parse_items(self, close: str) -> list[Closure]:
        """Values between commas, up to the bracket `close`; a last comma may follow them."""
        items: list[Closure] = []
        while not self.take(close):
            if items:
                self.expect(",", f"between values, or `{close}`")
            if self.token.text == close:
                continue
            items.append(self.parse_conditional())
            if self.token.kind == "end":
                raise self.error(f"`{close}` is missing")
        return items

    def parse_call(self, token: Token) -> Closure:
        """A call of one of FUNCTIONS; `token` is its name, and the bracket is already taken."""
        name, offset = token.text, token.offset
        if name not in FUNCTIONS:
            near = nearest(name, FUNCTIONS)
            raise self.error(
                f"there is no function `{name}`",
                f"did you mean `{near}`?" if near else f"there are {', '.join(FUNCTIONS)}",
                token,
            )
        arguments = self.parse_items(")")

        def evaluate(evaluation: Evaluation) -> Any:
            """The result, counted; whatever Python raises becomes an ExpressionError at the call."""
            values = [argument(evaluation) for argument in arguments]
            try:
                evaluation.count_operands(*values, offset=offset)
                return evaluation.count(FUNCTIONS[name](*values), offset)
            except ExpressionError:
                raise
            except ZeroDivisionError:
                raise ExpressionError("division-by-zero", f"{name} divides by zero", offset, len(name)) from None
            except OverflowError:
                raise ExpressionError(
                    "expression-overflow", f"{name} gives a number that is too large", offset, len(name)
                ) from None
            except (TypeError, ValueError) as error:
                why = (
                    str(error)
                    if isinstance(error, ValueError)
                    else ", ".join(quote_value(v) for v in values) or "nothing"
                )
                raise ExpressionError("wrong-type", f"{name} cannot take {why}", offset, len(name)) from None

        return evaluate
