"""A param of the document with a wrong value: one mistake, told once and where the value stands, however often the param is used."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from ..diagnostics import Collector, Diagnostic, Note
from ..ops.fields import is_number, quote_value
from .bare_names import advise_expression
from .budget import Budget
from .compose import Document
from .declarations import Declaration
from .located_yaml import Located, is_broken, plain_value
from .spec import Place
from .values import Fault, expression_scalars, template_of

CODES = ("wrong-type", "out-of-range", "unknown-block")
MAX_NOTES = 4
# what a message says that a place wants, and the type of a param that would give it
TYPE_WORDS = (("`same`", "a padding"), ("block or operation", "a block or an operation"), ("an integer", "an int"), ("a number", "a float"), ("numbers", "a float"), ("a boolean", "a bool"), ("a list", "a list"))  # fmt: skip


class ParamUse(NamedTuple):
    """A scalar that names a param. `is_alone`: it is the param's value and nothing else."""

    scalar: Located
    is_alone: bool


def attribute_to_params(document: Document, diagnostics: Collector, budget: Budget) -> None:
    """Puts the errors of a param's uses at the param's value, as one error, where most of its uses are wrong."""
    errors: dict[tuple[str, int], list[Diagnostic]] = {}
    for each in diagnostics:
        if each.code in CODES and each.span and each.severity == "error":
            errors.setdefault((each.span.source.name, each.span.line), []).append(each)
    if not errors:
        return
    for name, uses in uses_of_params(document, budget).items():
        param = document.params[name]
        on_line = ((use, errors.get((use.scalar.span.source.name, use.scalar.span.line), ())) for use in uses)
        refused = [error for use, found in on_line for error in found if is_about(error, use, param)]
        # the step says best what it can use
        is_told_there = len(refused) == 1 and refused[0].code == "unknown-block"
        if refused and len(refused) > len(uses) - len(refused) and not is_told_there:
            diagnostics.replace(refused, value_error(param, refused, document.params.keys() - {name}))


def uses_of_params(document: Document, budget: Budget) -> dict[str, list[ParamUse]]:
    """The scalars that name each param which has a written-out value, in the graph and in the blocks that see the params."""
    literal = {n for n, p in document.params.items() if p.default and not has_expression(p.default)}
    found: dict[str, list[ParamUse]] = {}
    places = [(document.graph, frozenset[str]())] if document.graph else []
    places += [(b.steps, frozenset((*b.params, *b.let))) for b in document.blocks.values() if b.sees_document]
    for place, hidden in places:
        for scalar in scalars_of(place):
            try:
                template = template_of(scalar, budget)
            except Fault:
                continue
            for name in {n for n, _ in template.names} & literal - hidden if template else ():
                is_alone = scalar.value in (f"${name}", f"$({name})")
                found.setdefault(name, []).append(ParamUse(scalar, is_alone))
    return found


def has_expression(node: Located) -> bool:
    return is_broken(node) or next(expression_scalars(node), None) is not None


def scalars_of(place: Place) -> Iterator[Located]:
    """The scalars with expressions in the steps of a place."""
    for step in place.steps:
        yield from expression_scalars(step.node)


def is_about(error: Diagnostic, use: ParamUse, param: Declaration) -> bool:
    """Whether an error is about the value of the param at this use: no arithmetic on a number has made it wrong."""
    span, at = error.span, use.scalar.span
    assert span is not None and param.default is not None
    here = span.source is at.source and span.line == at.line and at.column <= span.column < at.end_column
    return here and (use.is_alone or not is_number(param.default.value))


def value_error(param: Declaration, refused: list[Diagnostic], others: Collection[str]) -> Diagnostic:
    """The error at the param's value, from those at its uses; `others` are the other params."""
    assert param.default is not None
    first, value = refused[0], quote_value(plain_value(param.default))
    kind = next((kind for words, kind in TYPE_WORDS if words in first.message), "another value")
    where = f"line {first.span.line}" if first.span else "another line"
    message = f"`{param.name}` is {value}, but it is used as {kind} on {where}: {first.message}"
    notes = tuple(Note("it is used here", d.span) for d in refused[:MAX_NOTES])
    help = advise_expression(str(param.default.value), others) or first.help or f"give `{param.name}` a value that fits"
    return Diagnostic(first.code, param.default.span, message, notes=notes, help=help)
