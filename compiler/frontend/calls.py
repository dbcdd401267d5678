"""A call of a block: its parameters get their values, and its steps get a context.

A block never sees the names of its caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..diagnostics import Collector, Diagnostic, LimitReached
from ..ir.graph import Value
from ..ir.provenance import Frame, FrameKind
from ..ir.types import image
from .application import MAX_ELEMENTS, describe_size
from .budget import NAMES_PER_UNIT, PARAM
from .context import POISON, Context, StepValue
from .declarations import Declaration
from .located_yaml import Entry, Located
from .names import check_arguments
from .reporting import add_frames
from .spec import Block
from .values import Arguments, Fault, Poisoned

# of block calls, one inside another
MAX_DEPTH = 64


def require_depth(block: Block, key: Located, ctx: Context) -> None:
    """Raises LimitReached where a call of `block` in `ctx` would be nested too deep: what calls itself twice would never end."""
    if len(ctx.calls) < MAX_DEPTH:
        return
    circle = " → ".join(dict.fromkeys(ctx.calls[-8:]))
    message = f"blocks are nested over {MAX_DEPTH} deep: {circle} → {block.name}"
    recursion = Diagnostic("recursion", key.span, message, help="a recursion needs a `when` that becomes false")
    raise LimitReached(add_frames(recursion, ctx))


def enter_block(
    block: Block,
    key: Located,
    args: Located,
    x: StepValue,
    ctx: Context,
    path: str,
    arguments: Arguments,
    diagnostics: Collector,
) -> Context | None:
    """The context of the steps of `block`, which is called in `ctx` with the path `path`; `x` arrives at it.

    Reports wrong arguments, and then gives None; raises Fault or Poisoned.
    """
    entries: Mapping[str, Entry] = args.value if isinstance(args.value, dict) else {}
    named = len(entries) + len(block.params) + len(block.let) + len(block.home)
    ctx.budget.spend(PARAM * named + len(ctx.document) // NAMES_PER_UNIT + ctx.work_of_frames, key)
    if not check_arguments(block, key, args, diagnostics):
        return None
    lookup = ctx.lookup(x)
    values = {
        n: arguments.param_value(block.params[n], e.value, lookup) for n, e in entries.items() if n in block.params
    }
    document = ctx.document if block.sees_document else bind_params(block.home, {}, {}, arguments, diagnostics)
    names = bind_params(block.params, values, document, arguments, diagnostics)
    kind: FrameKind = "block" if block.input is None else "import"
    bindings = tuple((name, names[name]) for name in block.params if name in names)
    frames = (*ctx.frames, Frame(kind, block.name, bindings, key.span))
    calls = (*ctx.calls, block.name)
    inputs: Mapping[str, Value] = {}
    heads = ctx.heads and block.input is None
    if block.input is not None:
        document, inputs = names, bind_input(block, block.input, key, x)
    in_sight = {**document, **names}
    blocks = block.blocks_in(ctx.blocks)
    inner = Context(path, path, in_sight, document, blocks, inputs, ctx.budget, frames, calls, ctx.aux, False, heads)
    # each sees those before it
    for name, entry in block.let.items():
        in_sight[name] = let_value(entry.value, x, inner)
    return inner


def bind_input(block: Block, declared: Entry, key: Located, x: StepValue) -> dict[str, Value]:
    """The input of a document that is called as a block: what arrives. Raises Fault unless it has the size of the input."""
    wants = image(*(size.value for size in declared.value.value))
    if isinstance(x, Value) and x.type != wants:
        raise Fault("input-mismatch", key.span, f"`{block.name}` takes {wants}, but {x.type} arrives")
    return {str(declared.key.value): x} if isinstance(x, Value) else {}


def bind_document_inputs(declared: Mapping[str, Entry], diagnostics: Collector) -> dict[str, Value] | None:
    """The inputs of the net by name, for one image. Reports one that is too large for any machine, and then gives None."""
    inputs = {name: Value(name, image(*(i.value for i in e.value.value))) for name, e in declared.items()}
    for name, value in inputs.items():
        if value.type.elements > MAX_ELEMENTS:
            message = f"the input is {describe_size(value.type)}"
            diagnostics.error("too-large", declared[name].value.span, message)
            return None
    return inputs


def let_value(node: Located, x: StepValue, ctx: Context) -> Any:
    """The value of a name under `let`; POISON where it depends on something that is reported as wrong. Raises Fault."""
    try:
        return ctx.evaluate(node, x)
    except Poisoned:
        return POISON


def bind_params(
    params: Mapping[str, Declaration],
    passed: Mapping[str, Any],
    outer: Mapping[str, Any],
    arguments: Arguments,
    diagnostics: Collector,
) -> dict[str, Any]:
    """The values of params: those `passed` in the call, else the defaults.

    A default sees the params before it, and the names in `outer`. A wrong default is reported, and gives poison.
    """
    values: dict[str, Any] = {}

    def lookup(name: str) -> Any:
        return values[name] if name in values else outer[name]

    for name, param in params.items():
        if name in passed:
            values[name] = passed[name]
        elif param.default is not None:
            try:
                values[name] = arguments.param_value(param, param.default, lookup)
            except Fault as fault:
                diagnostics.add(fault.diagnostic)
                values[name] = POISON
            except Poisoned:
                values[name] = POISON
    return values
