"""A called block: its parameters get their values, and the context of its steps opens. It never sees its caller's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..diagnostics import Collector
from ..ir.graph import Frame, Value
from ..ir.types import image
from .context import POISON, Arriving, Context
from .located_yaml import Entry, Located
from .names import arguments as fit
from .spec import Block, Param
from .values import Arguments, Fault, Poisoned, evaluate


def entered(block: Block, key: Located, args: Located, x: Arriving, ctx: Context, path: str, arguments: Arguments,
            diagnostics: Collector) -> Context | None:  # fmt: skip
    """Where the steps of `block` stand, called in `ctx` as `path`; None where its arguments are told to be wrong."""
    if not fit(block, key, args, diagnostics):
        return None
    given: Mapping[str, Entry] = args.value if isinstance(args.value, dict) else {}
    lookup = ctx.lookup(x)
    values = {n: arguments.argument(block.params[n], e.value, lookup) for n, e in given.items() if n in block.params}
    document = ctx.document if block.sees_document else {}
    names = valued(block.params, values, document, arguments, diagnostics)
    if names is None:
        return None
    frames = (*ctx.frames, Frame(key.span, f"`{block.name}`"))
    calls = (*ctx.calls, block.name)
    inner = Context(path, path, {**document, **names}, document, block.blocks, {}, frames, calls, ctx.aux, False)
    if block.input is not None:
        inner = inner._replace(names=names, document=names, inputs=taken(block, block.input, key, x))
    for name, entry in block.let.items():
        inner = inner._replace(names={**inner.names, name: let(entry.value, x, inner)})
    return inner


def taken(block: Block, image_: Located, key: Located, x: Arriving) -> dict[str, Value]:
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


def valued(params: Mapping[str, Param], given: Mapping[str, Any], outer: Mapping[str, Any], arguments: Arguments,
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
    return values
