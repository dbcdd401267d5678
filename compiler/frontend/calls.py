"""A called block: its parameters get their values, and the context of its steps opens. It never sees its caller's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..diagnostics import Collector
from ..ir.graph import Value
from ..ir.provenance import Frame, FrameKind
from ..ir.types import image
from .context import POISON, Arriving, Context
from .located_yaml import Entry, Located
from .names import arguments as fit
from .spec import Block, Declaration
from .values import Arguments, Fault, Poisoned, evaluate


def enter_block(block: Block, key: Located, args: Located, x: Arriving, ctx: Context, path: str, arguments: Arguments,
            diagnostics: Collector) -> Context | None:  # fmt: skip
    """Where the steps of `block` stand, called in `ctx` as `path`; None where its arguments are told to be wrong."""
    if not fit(block, key, args, diagnostics):
        return None
    given: Mapping[str, Entry] = args.value if isinstance(args.value, dict) else {}
    lookup = ctx.lookup(x)
    values = {n: arguments.argument(block.params[n], e.value, lookup) for n, e in given.items() if n in block.params}
    document = ctx.document if block.sees_document else {}
    names = bind_params(block.params, values, document, arguments, diagnostics)
    if names is None:
        return None
    kind: FrameKind = "block" if block.input is None else "import"
    bindings = tuple((name, names[name]) for name in block.params if name in names)
    frames = (*ctx.frames, Frame(kind, block.name, bindings, key.span))
    calls = (*ctx.calls, block.name)
    inner = Context(path, path, {**document, **names}, document, block.blocks, {}, frames, calls, ctx.aux, False)
    if block.input is not None:
        inner = inner._replace(names=names, document=names, inputs=bind_input(block, block.input, key, x))
    for name, entry in block.let.items():
        inner = inner._replace(names={**inner.names, name: let(entry.value, x, inner)})
    return inner


def bind_input(block: Block, image_: Located, key: Located, x: Arriving) -> dict[str, Value]:
    """The input of a document taken as a block: what arrives, which must fit."""
    wants = image(*(size.value for size in image_.value))
    if isinstance(x, Value) and x.type != wants:
        raise Fault("input-mismatch", key.span, f"`{block.name}` takes {wants}, but {x.type} arrives")
    return {"image": x} if isinstance(x, Value) else {}


def let(node: Located, x: Arriving, ctx: Context) -> Any:
    try:
        return evaluate(node, ctx.lookup(x))
    except Poisoned:
        return POISON


def bind_params(params: Mapping[str, Declaration], given: Mapping[str, Any], outer: Mapping[str, Any], arguments: Arguments,
           diagnostics: Collector) -> dict[str, Any] | None:  # fmt: skip
    """The values of params: those given, and defaults, each of which sees those before it."""
    values: dict[str, Any] = {}

    def seen(name: str) -> Any:
        return values[name] if name in values else outer[name]

    for name, param in params.items():
        if name in given:
            values[name] = given[name]
        elif param.default is not None:
            try:
                values[name] = arguments.argument(param, param.default, seen)
            except Fault as fault:
                diagnostics.add(fault.diagnostic)
                return None
            except Poisoned:
                values[name] = POISON
    return values
