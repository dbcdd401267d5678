"""`from`: the earlier step, or the input, at which a step starts (language.md, section 3, rule 9)."""

from __future__ import annotations

from ..diagnostics import Note
from ..ops.fields import show
from .context import Arriving, Context
from .located_yaml import Located
from .naming import Paths, join
from .values import Fault, Poisoned, evaluate, unknown, within


def resolve_reference(node: Located, x: Arriving, ctx: Context, paths: Paths) -> Arriving:
    """What `from` names: outward from the step's scope to its block, then the inputs."""
    name = evaluate(node, ctx.lookup(x))
    if not isinstance(name, str) or not name:
        raise Fault("wrong-type", node.span, f"`from` wants the name of one earlier step, not {show(name)}")
    span = within(node, 0, len(node.raw)) if node.raw else node.span
    for scope in ctx.scopes():
        path = join(scope, name)
        if path in paths.results:
            value, owner = paths.results[path]
            if owner is not None and owner != ctx.aux and not (ctx.aux or "").startswith(owner + "."):
                raise Fault(
                    "from-head",
                    span,
                    f"`{name}` is inside the auxiliary head `{owner}`, which inference does not have",
                )
            found: Arriving = value
            return found
    for scope in ctx.scopes():
        if join(scope, name) in paths.removed:
            raise Fault("from-removed", span, f"`{name}` was taken out by its `when`",
                        notes=(Note("here", paths.removed[join(scope, name)]),))  # fmt: skip
    if name in ctx.inputs:
        return ctx.inputs[name]
    if paths.some_lost:
        raise Poisoned
    seen = [p[len(s) + 1 if s else 0 :] for p in paths.results for s in ctx.scopes() if not s or p.startswith(s + ".")]
    diagnostic = unknown(
        "step", name, [*seen, *ctx.inputs], span, "unknown-step", "`from` sees the steps before it, by path"
    )
    raise Fault(diagnostic.code, span, f"{diagnostic.message}: no step before this one has that path", diagnostic.help)
