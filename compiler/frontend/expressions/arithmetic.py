"""What an expression can compute: operators and functions on values of limited size, with a limit of steps.

An expression cannot reach Python: it can call nothing but FUNCTIONS, and every result is checked.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from ...ops.fields import is_int, is_number, quote_value
from .tokens import CHARACTERS_PER_STEP, LIMIT, MAX_DEPTH, MAX_LIST, MAX_STEPS, ExpressionError, Token

Lookup = Callable[[str], Any]
# a parsed expression: gives its value in an evaluation
Closure = Callable[["Evaluation"], Any]


class Evaluation:
    """One evaluation of an expression: `lookup` gives the values of names, `steps` counts."""

    __slots__ = ("lookup", "steps")

    def __init__(self, lookup: Lookup) -> None:
        self.lookup, self.steps = lookup, 0

    def count(self, value: Any, offset: int) -> Any:
        """The result `value`, counted: one step, and one more for each element of a list, nested ones included.

        Raises ExpressionError where the result is too large or the steps are too many.
        """
        self.spend(1 + check_size(value, offset), offset)
        return value

    def count_operands(self, *values: Any, offset: int) -> None:
        """Counts what an operator or a function looks through: the elements of lists."""
        for value in values:
            if type(value) is list:
                self.spend(count_elements(value, offset), offset)

    def spend(self, steps: int, offset: int) -> None:
        """Counts steps. Raises ExpressionError where they are too many."""
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise ExpressionError("expression-limit", f"the expression takes over {MAX_STEPS} steps, the limit", offset)


def look_up(evaluation: Evaluation, name: str, offset: int) -> Any:
    try:
        value = evaluation.lookup(name)
    except KeyError:
        raise ExpressionError("unknown-name", f"unknown name `{name}`", offset, len(name)) from None
    if type(value) is str:
        check_size(value, offset)
    return value


def refuse_tensor(offset: int) -> None:
    raise ExpressionError(
        "wrong-type", "`x` itself is no value; use x.channels, x.height, x.width or x.features", offset
    )


def slice_bound(value: Closure | None, evaluation: Evaluation, offset: int) -> int | None:
    return None if value is None else require_integer(value(evaluation), "a slice", offset)


def require_boolean(value: Any, what: str, offset: int) -> bool:
    if value is True or value is False:
        return bool(value)
    help = "a number is neither true nor false; compare it, as `i > 0`" if is_number(value) else ""
    raise ExpressionError("wrong-type", f"`{what}` wants a boolean, not {quote_value(value)}", offset, len(what), help)


def require_number(value: Any, what: str, offset: int) -> Any:
    if not is_number(value):
        raise ExpressionError("wrong-type", f"`{what}` wants numbers, not {quote_value(value)}", offset, len(what))
    return value


def require_integer(value: Any, what: str, offset: int) -> int:
    if not is_int(value):
        raise ExpressionError("wrong-type", f"{what} is an integer, not {quote_value(value)}", offset)
    return int(value)


def require_sequence(value: Any, offset: int) -> Any:
    if not isinstance(value, (list, str)):
        raise ExpressionError("wrong-type", f"{quote_value(value)} has no elements: only a list is indexed", offset)
    return value


def check_size(value: Any, offset: int) -> int:
    """How many steps a value takes to be made, beside the one of its operator: its elements, or the eighth of its characters.

    Raises ExpressionError unless integers have 64 bits, floats are finite, lists and strings are short enough.
    """
    if isinstance(value, int):
        if not -LIMIT <= value < LIMIT:
            raise ExpressionError("expression-overflow", "the result is too large: integers have 64 bits", offset)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ExpressionError("expression-overflow", "the result is too large: it is not finite", offset)
    elif isinstance(value, list):
        return count_elements(value, offset)
    elif isinstance(value, str):
        if len(value) > MAX_LIST:
            raise ExpressionError(
                "expression-overflow",
                f"a text of {len(value)} characters is too large: the limit is {MAX_LIST}",
                offset,
            )
        return len(value) // CHARACTERS_PER_STEP
    return 0


def count_elements(value: list[Any], offset: int) -> int:
    """How many elements a list has, nested ones and the eighth of the characters of texts included: a short one may hold very many.

    Raises ExpressionError where they are too many, or nested too deep.
    """
    total, depth, level = 0, 0, [value]
    characters = 0
    while level:
        total, depth = total + sum(map(len, level)), depth + 1
        characters += sum([len(item) for items in level for item in items if type(item) is str])
        if total > MAX_LIST:
            raise ExpressionError(
                "expression-overflow", f"a list of {total} elements is too large: the limit is {MAX_LIST}", offset
            )
        if depth > MAX_DEPTH:
            raise ExpressionError("expression-limit", f"a list is nested over {MAX_DEPTH} deep, the limit", offset)
        level = [item for items in level for item in items if isinstance(item, list)]
    return total + characters // CHARACTERS_PER_STEP


def conditional(then: Closure, test: Closure, other: Closure, offset: int) -> Closure:
    """`then if test else other`; only the one that is chosen is evaluated."""
    return lambda evaluation: then(evaluation) if require_boolean(test(evaluation), "if", offset) else other(evaluation)


def boolean_chain(first: Closure, terms: list[tuple[Token, Closure]]) -> Closure:
    """`first` and its `terms`, joined by `and` or all by `or`; stops at the first value that decides."""
    decisive = terms[0][0].text == "or"

    def evaluate(evaluation: Evaluation) -> bool:
        value = require_boolean(first(evaluation), terms[0][0].text, terms[0][0].offset)
        for token, right in terms:
            if value == decisive:
                return value
            value = require_boolean(right(evaluation), token.text, token.offset)
        return value

    return evaluate


def operator_chain(first: Closure, terms: list[tuple[Token, Closure]]) -> Closure:
    """`first` and its `terms`, joined by operators of one precedence, from left to right.

    Evaluation is a loop, so that a long sum needs no deep stack.
    """
    steps = [(OPERATORS.get(token.text, calculate), token.text, right, token.offset) for token, right in terms]

    def evaluate(evaluation: Evaluation) -> Any:
        value = first(evaluation)
        for operate, sign, right, offset in steps:
            other = right(evaluation)
            if type(value) is list:
                evaluation.count_operands(value, offset=offset)
            value = evaluation.count(operate(sign, value, other, offset), offset)
        return value

    return evaluate


def is_equal(a: Any, b: Any) -> bool:
    """Whether two values are equal; `1` is not `true`, inside lists either."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(is_equal, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def compare_equal(sign: str, a: Any, b: Any, offset: int) -> bool:
    return is_equal(a, b) == (sign == "==")


def compare_order(sign: str, a: Any, b: Any, offset: int) -> bool:
    if not (isinstance(a, str) and isinstance(b, str)):
        require_number(a, sign, offset)
        require_number(b, sign, offset)
    return COMPARE[sign](a, b)


def add(sign: str, a: Any, b: Any, offset: int) -> Any:
    """The sum of two numbers, or two lists or two strings one after the other."""
    if (isinstance(a, list) and isinstance(b, list)) or (isinstance(a, str) and isinstance(b, str)):
        return ARITHMETIC["+"](a, b)
    return calculate(sign, a, b, offset)


def calculate(sign: str, a: Any, b: Any, offset: int) -> Any:
    """The result of an operator on two numbers. Raises ExpressionError for other values, and for a division by zero."""
    require_number(a, sign, offset)
    require_number(b, sign, offset)
    if b == 0 and sign in ("/", "//", "%"):
        raise ExpressionError("division-by-zero", f"`{sign}` divides by zero", offset, len(sign))
    if sign == "**":
        return power(a, b, offset)
    try:
        return ARITHMETIC[sign](a, b)
    except OverflowError:
        raise ExpressionError("expression-overflow", "the result is too large", offset) from None


def power(a: Any, b: Any, offset: int) -> Any:
    """`a` to the power `b`. The size is checked first, because a huge power would take very long."""
    if a == 0 and b < 0:
        raise ExpressionError("division-by-zero", "zero to a negative power divides by zero", offset, 2)
    if is_int(a) and is_int(b) and b > 0 and abs(a) > 1 and (b > 64 or b * math.log2(abs(a)) > 64):
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
    "==": compare_equal, "!=": compare_equal, "<": compare_order, "<=": compare_order, ">": compare_order, ">=": compare_order, "+": add,
}  # fmt: skip


def number_arguments(*values: Any) -> list[Any]:
    """The arguments of min, max or sum: several numbers, or one list of them. Raises ValueError for anything else."""
    items = values[0] if len(values) == 1 and isinstance(values[0], list) else list(values)
    if not items:
        raise ValueError("nothing")
    for item in items:
        if not is_number(item):
            raise ValueError(quote_value(item))
    return list(items)


def finite_argument(value: Any) -> Any:
    if not is_number(value) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(quote_value(value))
    return value


def range_list(*bounds: Any) -> list[int]:
    """range(stop), range(start, stop) or range(start, stop, step) as a list. Raises ValueError where it is too long."""
    if not 1 <= len(bounds) <= 3 or not all(is_int(b) for b in bounds):
        raise ValueError(", ".join(map(quote_value, bounds)) or "nothing")
    if len(bounds) == 3 and bounds[2] == 0:
        raise ValueError("a step of 0")
    steps = range(*bounds)
    count = max(0, -(-(steps.stop - steps.start) // steps.step))
    if count > MAX_LIST:
        raise ValueError(f"that many: a range of {count} is too large, the limit is {MAX_LIST}")
    return list(steps)


def make_divisible(value: Any, by: Any) -> int:
    """`value` rounded to a multiple of `by`, but never to less than nine tenths of it.

    Source: `_make_divisible` of MobileNetV2 (tensorflow/models). Raises ValueError or ZeroDivisionError.
    """
    finite_argument(value)
    if not is_int(by) or by <= 0:
        raise ZeroDivisionError if is_int(by) and by == 0 else ValueError(quote_value(by))
    near: int = max(by, int(value + by / 2) // by * by)
    return near + by if near < 0.9 * value else near


def length_of(value: Any) -> int:
    if not isinstance(value, (list, str)):
        raise ValueError(f"{quote_value(value)}: it has no length")
    return len(value)


def convert_with(kind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: kind(finite_argument(value))


def round_number(value: Any, digits: Any = None) -> Any:
    if digits is None:
        return round(finite_argument(value))
    # Python computes 10**digits
    if not is_int(digits) or not 0 <= digits <= 15:
        raise ValueError(f"{quote_value(digits)} for its digits: they are 0 to 15")
    return round(finite_argument(value), digits)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": lambda *v: min(number_arguments(*v)), "max": lambda *v: max(number_arguments(*v)), "abs": lambda v: abs(finite_argument(v)), "round": round_number,
    "floor": convert_with(math.floor), "ceil": convert_with(math.ceil), "int": convert_with(int), "float": convert_with(float),
    "len": length_of, "sum": lambda v: sum(number_arguments(v)) if v != [] else 0, "range": range_list, "divisible": make_divisible,
}  # fmt: skip
