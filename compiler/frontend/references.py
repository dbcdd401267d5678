"""`from`: the earlier step or the input whose value a step takes (language.md, section 3, rule 9)."""

from __future__ import annotations

from ..diagnostics import Note
from ..ops.fields import quote_value
from .context import Context, StepValue
from .located_yaml import Located
from .naming import Paths, join_path
from .values import Fault, Poisoned, evaluate, span_within, unknown_fault


def resolve_reference(node: Located, x: StepValue, ctx: Context, paths: Paths) -> StepValue:
    """The value of what `from` names: looked for from the step's scope outward to that of its block, then among the inputs.

    Raises Fault where there is no such step or input, or Poisoned where it may be a step that is reported as wrong.
    """
    name = evaluate(node, ctx.lookup(x))
    if not isinstance(name, str) or not name:
        raise Fault("wrong-type", node.span, f"`from` wants the name of one earlier step, not {quote_value(name)}")
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
    for scope in ctx.scopes():
        if join_path(scope, name) in paths.removed:
            raise Fault("from-removed", span, f"`{name}` was taken out by its `when`",
                        notes=(Note("here", paths.removed[join_path(scope, name)]),))  # fmt: skip
    if name in ctx.inputs:
        return ctx.inputs[name]
    if paths.some_lost:
        raise Poisoned
    known = [p[len(s) + 1 if s else 0 :] for p in paths.results for s in ctx.scopes() if not s or p.startswith(s + ".")]
    remark = ": no step before this one has that path"
    more = "`from` sees the steps before it, by path"
    raise unknown_fault("step", name, [*known, *ctx.inputs], span, "unknown-step", more, remark)
