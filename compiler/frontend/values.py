"""Values of expressions and arguments: evaluated where they stand, and checked against a parameter's type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..diagnostics import Diagnostic, Note, Span, nearest
from ..ops.fields import Kind, Misfit, Padding, Pair, is_int, is_number, show
from .expressions.template import Template, parse_template
from .expressions.tokens import ExpressionError
from .located_yaml import BROKEN, Located
from .spec import Declaration

Lookup = Callable[[str], Any]
UNKNOWN = object()


class Poisoned(Exception):
    """A value that depends on a step which is already known to be wrong: no further message."""


class Fault(Exception):
    """A mistake found while a value is worked out; becomes a diagnostic."""

    def __init__(
        self, code: str, span: Span, message: str, help: str = "", label: str = "", notes: tuple[Note, ...] = ()
    ):
        super().__init__(message)
        self.diagnostic = Diagnostic(code, span, message, label, notes, help)


def within(node: Located, offset: int, length: int = 1) -> Span:
    """The part of a scalar that begins `offset` characters in: exact on one line, else the scalar's own place."""
    span = node.span
    if node.style in ("|", ">") or span.line != span.end_line:
        return span
    return span.at(offset + (node.style in ("'", '"')), length)


def scalars(node: Located | None) -> Iterator[Located]:
    """All scalars that may hold expressions, depth first."""
    if node is None:
        return
    if isinstance(node.value, dict):
        for entry in node.value.values():
            yield from scalars(entry.value)
    elif isinstance(node.value, list):
        for item in node.value:
            yield from scalars(item)
    elif isinstance(node.value, str) and "$" in node.value:
        yield node


def parsed(node: Located) -> Template | None:
    """The template of a string scalar, or None where it holds no expression."""
    if not isinstance(node.value, str) or "$" not in node.value:
        return None
    try:
        return parse_template(node.value)
    except ExpressionError as error:
        raise Fault(error.code, within(node, error.offset, error.length), str(error.message), error.help) from None


def evaluate(node: Located, lookup: Lookup) -> Any:
    """The plain value of `node` with its expressions worked out. Raises Fault or Poisoned."""
    value = node.value
    if isinstance(value, dict):
        return {key: evaluate(entry.value, lookup) for key, entry in value.items()}
    if isinstance(value, list):
        return [evaluate(item, lookup) for item in value]
    if value is BROKEN:
        raise Poisoned
    found = parsed(node) if isinstance(value, str) and "$" in value else None
    if found is None:
        return value
    try:
        return found.evaluate(lookup)
    except ExpressionError as error:
        raise Fault(error.code, within(node, error.offset, error.length), str(error.message), error.help) from None


def locate(node: Located, at: tuple[int | str, ...]) -> Located:
    """The element of `node` at an index path, as far as it is written out."""
    for index in at:
        if isinstance(node.value, list) and isinstance(index, int) and index < len(node.value):
            node = node.value[index]
        elif isinstance(node.value, dict) and index in node.value:
            node = node.value[index].value
        else:
            break
    return node


WANTED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "int": ("an integer", is_int), "float": ("a number", is_number), "bool": ("a boolean, true or false", lambda v: isinstance(v, bool)),
    "string": ("a string", lambda v: isinstance(v, str)), "list": ("a list", lambda v: isinstance(v, list)),
    "step": ("the name of a block or an operation", lambda v: isinstance(v, str)),
}  # fmt: skip
SHAPED: dict[str, Kind] = {"pair": Pair(0), "padding": Padding()}


def typed(param: Declaration, value: Any, node: Located) -> Any:
    """`value` as parameter `param` wants it; raises Fault at `node`."""
    if param.type in WANTED:
        wants, fits = WANTED[param.type]
        if not fits(value):
            raise Fault("wrong-type", node.span, f"`{param.name}` wants {wants} ({param.type}), not {show(value)}",
                        int_hint(param, value))  # fmt: skip
    elif param.type in SHAPED:
        try:
            SHAPED[param.type].check(value)
        except Misfit as misfit:
            raise Fault(misfit.code, locate(node, misfit.at).span, f"`{param.name}` {misfit}") from None
    if param.min is not None and is_number(value) and value < param.min:
        raise Fault("out-of-range", node.span, f"`{param.name}` is at least {show(param.min)}, not {show(value)}")
    if param.max is not None and is_number(value) and value > param.max:
        raise Fault("out-of-range", node.span, f"`{param.name}` is at most {show(param.max)}, not {show(value)}")
    if param.choices and value not in param.choices:
        raise Fault(
            "out-of-range", node.span, f"`{param.name}` is one of {show(list(param.choices))}, not {show(value)}"
        )
    return value


def int_hint(param: Declaration, value: Any) -> str:
    """What was probably meant where an integer is wanted."""
    if param.type == "int" and isinstance(value, float):
        return "`/` always gives a float, `//` and round() an integer"
    if param.type == "int" and isinstance(value, list) and len(value) == 2:
        return f"for a pair declare it so: {param.name}: {{type: pair, default: 1}}"
    return ""


class Arguments:
    """Values checked against what takes them: an op's field or a block's parameter.

    One that is written out, without an expression, is worked out once, however often its step is copied.
    """

    def __init__(self) -> None:
        self._written: dict[tuple[object, Located], Any] = {}
        self._computed: set[Located] = set()

    def written(self, node: Located) -> bool:
        """Whether no expression stands in `node`."""
        if node in self._computed:
            return False
        if next(scalars(node), None):
            self._computed.add(node)
            return False
        return True

    def argument(self, param: Declaration, node: Located, lookup: Lookup) -> Any:
        """The value of a block's or document's parameter."""
        return self.value(param.key, node, lookup, lambda value: typed(param, value, node))

    def value(self, taker: object, node: Located, lookup: Lookup, check: Callable[[Any], Any]) -> Any:
        """The value of `node` as `check` gives it; `taker` is whose check it is."""
        known = self._written.get((taker, node), UNKNOWN)
        if known is UNKNOWN:
            known = check(evaluate(node, lookup))
            if self.written(node):
                self._written[taker, node] = known
        return known


def unknown(what: str, word: str, known: Any, span: Span, code: str, more: str = "") -> Diagnostic:
    """The diagnostic for a name that is not there, with the nearest that is."""
    near = nearest(word, known)
    hint = f"did you mean `{near}`?" if near else more
    return Diagnostic(code, span, f"unknown {what} `{word}`", help=hint)
