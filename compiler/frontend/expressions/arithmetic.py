"""What an expression may compute: operators and functions on bounded values, each step counted.

There is no host language behind it: nothing can be called but FUNCTIONS, and every result is checked.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from ...ops.fields import is_int, is_number, show
from .tokens import LIMIT, MAX_DEPTH, MAX_LIST, MAX_STEPS, ExpressionError, Token

Lookup = Callable[[str], Any]
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
