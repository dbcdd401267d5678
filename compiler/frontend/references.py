"""`from`: the earlier step or the input whose value a step takes (language.md, section 3, rule 9)."""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

from ..diagnostics import Note, Span, list_names
from ..ops.fields import quote_value
from .absent import Absent
from .budget import REFERENCE, SCOPES_PER_UNIT
from .context import Context, StepValue
from .located_yaml import Located
from .naming import Paths, join_path
from .size_errors import explain_absence
from .spec import MergeCall, Place, Step, places_in
from .values import Fault, Poisoned, span_within, unknown_fault

# steps that a message is made from
MAX_KNOWN = 500
MAX_SCOPES = 4


def resolve_reference(node: Located, x: StepValue, ctx: Context, paths: Paths, graph: Place | None) -> StepValue:
    """The value of what `from` names: looked for from the step's scope outward to that of its block, then among the inputs.

    `graph` is the document's, for the message. Raises Fault where there is no such step or input, or Poisoned where it may be a step that is reported as wrong.
    """
    name = ctx.evaluate(node, x)
    if not isinstance(name, str) or not name:
        raise Fault("wrong-type", node.span, f"`from` wants the name of one earlier step, not {quote_value(name)}")
    looked_at = (len(ctx.scope) + len(name)) * (1 + ctx.scope.count("."))
    ctx.budget.spend(REFERENCE + looked_at // SCOPES_PER_UNIT, node)
    span = span_within(node, 0, len(node.raw)) if node.raw else node.span
    for scope in ctx.scopes():
        path = join_path(scope, name)
        if path in paths.results:
            value: StepValue = paths.results[path][0]
            head = paths.results[path][1]
            if head is not None and head != ctx.aux and not (ctx.aux or "").startswith(head + "."):
                message = f"`{name}` is inside the auxiliary head `{head}`, which inference does not have"
                raise Fault("from-head", span, message)
            return value
    if paths.absent:
        for scope in ctx.scopes():
            if absent := paths.absent.find(scope, name, node):
                raise explain_absent(name, span, absent)
    if name in ctx.inputs:
        return ctx.inputs[name]
    if paths.some_lost or node in paths.unknown:  # of one `from` one mistake is told, whatever it names in other copies
        raise Poisoned
    paths.unknown.add(node)
    raise explain_unknown_step(name, node, span, ctx, paths, graph)


def explain_absent(name: str, span: Span, absent: Absent) -> Fault:
    """The Fault of a `from` that names a step, or what is in one, that `when` took out or that repeats in no round."""
    has_name = absent.name is not None and ("." not in name or name.endswith(f".{absent.name}"))
    if absent.why == "repeat":
        message = f"`{name}` is not there: {'its' if has_name else 'it stands in a'} `repeat`{'' if has_name else ' that'} has no rounds"
    else:
        message = f"`{name}` was taken out by {'its' if has_name else 'a'} `when`{'' if has_name else ' around it'}"
    why = "here" if absent.why == "repeat" else explain_absence(absent)
    return Fault("from-removed", span, message, notes=(Note(why, absent.step.modifiers[absent.why].key.span),))


def explain_unknown_step(
    name: str, node: Located, span: Span, ctx: Context, paths: Paths, graph: Place | None
) -> Fault:
    """The Fault of a `from` that names no step in sight: a later one, the step itself, one of another scope, or a misspelt one."""
    places = (graph, *(b.steps for b in ctx.blocks.values()))
    for place in filter(None, places):
        if id(place) not in paths.index:
            paths.index[id(place)] = index_place(place)
    indices = (paths.index[id(place)] for place in places if place)
    own = next((each for each in indices if id(node) in each.references), None)
    for where, step in own.names.get(name.partition(".")[0], ()) if own else ():
        if step and is_reference(step, node):
            return Fault("unknown-step", span, f"`{name}` is this step itself", "`from` names an earlier step")
        if (where.span.line, where.span.column) > (span.line, span.column):
            message = f"`{name}` is defined on line {where.span.line}, after this step"
            return Fault("unknown-step", span, message, "`from` sees earlier steps only: put this step behind it",
                         notes=(Note("it is defined here", where.span),))  # fmt: skip
    # the nearest steps are meant the most
    recent = list(islice(reversed(paths.results), MAX_KNOWN))
    scopes = list(islice(ctx.scopes(), MAX_SCOPES))
    known = [p[len(s) + 1 if s else 0 :] for p in reversed(recent) for s in scopes if not s or p.startswith(s + ".")]
    inner = next((each for each in known if each.endswith(f".{name}")), None)
    remark = ": no step before this one has that path"
    if inner:
        return Fault("unknown-step", span, f"unknown step `{name}`{remark}", f"did you mean `{inner}`?")
    more = "`from` sees the steps before it, by path"
    if name in ("input", "data", "inputs") and ctx.inputs:
        more = f"the input is called {list_names(ctx.inputs, '`{}`')}"
    return unknown_fault("step", name, [*known, *ctx.inputs], span, "unknown-step", more, remark)


def is_reference(step: Step, node: Located) -> bool:
    return "from" in step.modifiers and step.modifiers["from"].value is node


class PlaceIndex(NamedTuple):
    """What a place holds at any depth: the values of `from`, by identity, and the names of steps and branches, with their steps."""

    references: frozenset[int]
    names: dict[str, list[tuple[Located, Step | None]]]


def index_place(place: Place) -> PlaceIndex:
    """The index of a place, for messages."""
    references: set[int] = set()
    names: dict[str, list[tuple[Located, Step | None]]] = {}
    pending = [place]
    while pending:
        for step in pending.pop().steps:
            if "from" in step.modifiers:
                references.add(id(step.modifiers["from"].value))
            if "name" in step.modifiers:
                name = step.modifiers["name"].value
                names.setdefault(str(name.value), []).append((name, step))
            if isinstance(step.core, MergeCall):
                for branch in step.core.branches.items:
                    if branch.key:
                        names.setdefault(str(branch.key.value), []).append((branch.key, None))
            pending += places_in(step)
    return PlaceIndex(frozenset(references), names)
