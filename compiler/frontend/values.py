"""Values of expressions and arguments: evaluated in the scope of their step, and checked against a parameter's type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..diagnostics import Diagnostic, Note, Span, nearest
from ..ops.fields import Kind, Misfit, Padding, Pair, freeze, is_int, is_number, quote_value
from .budget import EVALUATION, SOURCE_PER_UNIT, TOKEN, Budget
from .declarations import Declaration
from .expressions.arithmetic import Evaluation, Lookup
from .expressions.template import Template, parse_template
from .expressions.tokens import MAX_LENGTH, ExpressionError
from .located_yaml import BROKEN, Located

MISSING = object()


class Poisoned(Exception):
    """The value depends on something that is reported as wrong already, so nothing more is reported."""


class Fault(Exception):
    """A mistake in a spec, found at the place where a value is needed; `diagnostic` says it to the user."""

    def __init__(
        self, code: str, span: Span, message: str, help: str = "", label: str = "", notes: tuple[Note, ...] = ()
    ):
        super().__init__(message)
        self.diagnostic = Diagnostic(code, span, message, label, notes, help)


def span_within(node: Located, offset: int, length: int = 1) -> Span:
    """The span of a part of a scalar, `offset` characters into it; for a scalar of several lines, the span of all of it."""
    span = node.span
    if node.style in ("|", ">") or span.line != span.end_line:
        return span
    return span.at(offset + (node.style in ("'", '"')), length)


def expression_scalars(node: Located | None) -> Iterator[Located]:
    """The scalars in `node` that hold a `$`, and so perhaps an expression, depth first."""
    if node is None:
        return
    if isinstance(node.value, dict):
        for entry in node.value.values():
            yield from expression_scalars(entry.value)
    elif isinstance(node.value, list):
        for item in node.value:
            yield from expression_scalars(item)
    elif isinstance(node.value, str) and "$" in node.value:
        yield node


def template_of(node: Located, budget: Budget) -> Template | None:
    """The template of a scalar, each text parsed and counted once; None where it holds no `$`.

    Raises Fault where an expression in it is wrong; LimitReached where the budget is spent.
    """
    text = node.value
    if not isinstance(text, str) or "$" not in text:
        return None
    found = budget.templates.get(text)
    if found is not None:
        return found
    try:
        found = parse_template(text)
    except ExpressionError as error:
        # it may have as many tokens as characters
        budget.spend(TOKEN * min(len(text), MAX_LENGTH), node)
        raise Fault(error.code, span_within(node, error.offset, error.length), str(error.message), error.help) from None
    assert found is not None
    budget.spend(TOKEN * found.tokens, node)
    budget.templates[text] = found
    return found


def evaluate(node: Located, lookup: Lookup, budget: Budget) -> Any:
    """The value of `node` without spans, its expressions evaluated; `lookup` gives the values of names.

    Raises Fault or Poisoned; LimitReached where the budget is spent.
    """
    value = node.value
    if isinstance(value, dict):
        budget.spend(len(value), node)
        return {key: evaluate(entry.value, lookup, budget) for key, entry in value.items()}
    if isinstance(value, list):
        budget.spend(len(value), node)
        return [evaluate(item, lookup, budget) for item in value]
    if value is BROKEN:
        raise Poisoned
    template = template_of(node, budget) if isinstance(value, str) and "$" in value else None
    if template is None:
        return value
    evaluation = Evaluation(lookup)
    try:
        return template.evaluate(evaluation)
    except ExpressionError as error:
        raise Fault(error.code, span_within(node, error.offset, error.length), str(error.message), error.help) from None
    finally:
        # what is not counted, such as `and`, is bounded by the length of the text
        budget.spend(EVALUATION + len(value) // SOURCE_PER_UNIT + evaluation.steps, node)


def count_items(values: list[Any]) -> int:
    """How many elements a list has, with those of the lists in it."""
    return len(values) + sum([count_items(each) for each in values if type(each) is list])


def element_at(node: Located, at: tuple[int | str, ...]) -> Located:
    """The element of `node` at the indices and keys `at`, or the last one on the way that the text holds."""
    for index in at:
        if isinstance(node.value, list) and isinstance(index, int) and index < len(node.value):
            node = node.value[index]
        elif isinstance(node.value, dict) and index in node.value:
            node = node.value[index].value
        else:
            break
    return node


SCALAR_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "int": ("an integer", is_int), "float": ("a number", is_number), "bool": ("a boolean, true or false", lambda v: isinstance(v, bool)),
    "string": ("a string", lambda v: isinstance(v, str)), "list": ("a list", lambda v: isinstance(v, list)),
    "step": ("the name of a block or an operation", lambda v: isinstance(v, str)),
}  # fmt: skip
FIELD_TYPES: dict[str, Kind] = {"pair": Pair(0), "padding": Padding()}


def check_param_value(param: Declaration, value: Any, node: Located) -> Any:
    """The value itself. Raises Fault at `node` unless it has the type, the bounds and the choices of `param`."""
    if param.type in SCALAR_TYPES:
        wants, fits = SCALAR_TYPES[param.type]
        if not fits(value):
            raise Fault("wrong-type", node.span, f"`{param.name}` wants {wants} ({param.type}), not {quote_value(value)}",
                        int_hint(param, value))  # fmt: skip
    elif param.type in FIELD_TYPES:
        try:
            FIELD_TYPES[param.type].check(value)
        except Misfit as misfit:
            raise Fault(misfit.code, element_at(node, misfit.at).span, f"`{param.name}` {misfit}") from None
    if param.min is not None and is_number(value) and value < param.min:
        raise Fault(
            "out-of-range",
            node.span,
            f"`{param.name}` is at least {quote_value(param.min)}, not {quote_value(value)}",
        )
    if param.max is not None and is_number(value) and value > param.max:
        raise Fault(
            "out-of-range", node.span, f"`{param.name}` is at most {quote_value(param.max)}, not {quote_value(value)}"
        )
    if param.choices and freeze(value) not in param.choices:
        raise Fault(
            "out-of-range",
            node.span,
            f"`{param.name}` is one of {quote_value(list(param.choices))}, not {quote_value(value)}",
        )
    return value


def int_hint(param: Declaration, value: Any) -> str:
    """Help for a value that is no integer where one is needed; empty where there is none."""
    if param.type == "int" and isinstance(value, float):
        return "`/` always gives a float, `//` and round() an integer"
    if param.type == "int" and isinstance(value, list) and len(value) == 2:
        return f"for a pair declare it so: {param.name}: {{type: pair, default: 1}}"
    return ""


class Arguments:
    """Evaluates arguments and checks them against an op's field or a block's parameter.

    An argument without an expression is a literal: it is evaluated once, however often `repeat` copies its step.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._literals: dict[tuple[object, Located], Any] = {}
        self._expressions: set[Located] = set()

    def is_literal(self, node: Located) -> bool:
        """Whether `node` holds no expression."""
        if node in self._expressions:
            return False
        if next(expression_scalars(node), None):
            self._expressions.add(node)
            return False
        return True

    def param_value(self, param: Declaration, node: Located, lookup: Lookup) -> Any:
        """The value of an argument for a block's or document's parameter. Raises Fault or Poisoned."""
        return self.checked_value(param.key, node, lookup, lambda value: check_param_value(param, value, node))

    def checked_value(self, owner: object, node: Located, lookup: Lookup, check: Callable[[Any], Any]) -> Any:
        """What `check` gives for the value of `node`; `owner` is the field or the parameter that the check belongs to."""
        value = self._literals.get((owner, node), MISSING)
        if value is MISSING:
            value = evaluate(node, lookup, self.budget)
            if type(value) is list:
                self.budget.spend(count_items(value), node)
            value = check(value)
            if self.is_literal(node):
                self._literals[owner, node] = value
        return value


def unknown_fault(
    what: str, word: str, known: Iterable[str], span: Span, code: str, more: str = "", remark: str = ""
) -> Fault:
    """The Fault of a name that does not exist. Its help is the most similar one of `known`, else `more`."""
    near = nearest(word, known)
    return Fault(code, span, f"unknown {what} `{word}`{remark}", f"did you mean `{near}`?" if near else more)
