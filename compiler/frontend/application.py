"""Ops applied: built from what is written, held against what arrives, and a node of the graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from ..diagnostics import Note, Reject
from ..ir.graph import Node, Value
from ..ir.operation import infer_type
from ..ir.types import TensorType, format_sizes
from ..ops import OPS
from ..ops.fields import Misfit, show
from ..ops.op import Op
from .context import NOTHING, Context, Poison, StepValue
from .located_yaml import BROKEN, Located
from .recovery import Incomplete
from .values import Arguments, Fault, Poisoned, element_at, unknown_name

MAX_ELEMENTS = 2**31  # of one value, an image
MAX_PARAMS = 2**33  # of one op


class Applier:
    """Makes the nodes of a graph, in order."""

    def __init__(self, arguments: Arguments) -> None:
        self.nodes: list[Node] = []
        self.arguments = arguments
        self.written: dict[tuple[str, Located | None], Op] = {}  # ops whose fields hold no expression

    def apply(self, name: str, key: Located, args: Located | None, values: tuple[StepValue, ...], x: StepValue, ctx: Context, path: str,
              labels: tuple[str, ...] = ()) -> StepValue:  # fmt: skip
        """One op on its inputs: fields checked, shape inferred, node added. Raises Fault or Poisoned.

        Where an input is poison, or a field was refused, no node is made: the result is poison, with a guess where one is left.
        """
        op = self.written.get((name, args)) or self.build(name, key, args, x, ctx)
        inputs = [v if type(v) is Value and v is not NOTHING else known_or_guessed(v, key) for v in values]
        guessed = any(type(v) is Poison for v in values)
        try:
            result = infer_within_limits(op, *[v.type for v in inputs])
        except Reject as reject:
            if guessed and not reject.about_rank:
                raise Poisoned from None  # it follows from a mistake that is told
            raise self.rejected(reject, op, key, args, inputs, labels) from None
        if guessed or isinstance(args, Incomplete):
            return Poison(result)
        node = Node(path, op, tuple(inputs), (Value(path, result),), key.span, ctx.frames)
        self.nodes.append(node)
        return node.output

    def build(self, name: str, key: Located, args: Located | None, x: StepValue, ctx: Context) -> Op:
        cls = OPS[name]
        if args is not None and args.value is BROKEN:
            raise Poisoned
        if args is not None and args.value is not None and not isinstance(args.value, dict) and not cls.bare:
            raise Fault("wrong-type", args.span, f"`{name}` takes no bare value, but {show(args.value)} is given")
        lookup, checked = ctx.lookup(x), {}
        for field, node in fields_of(cls, args).items():
            if field not in cls.fields and node.value is BROKEN:
                continue  # the schema has told it
            if field not in cls.fields:
                assert args is not None
                raise unknown_field(cls, args.value[field].key)
            try:
                checked[field] = self.arguments.checked_value(
                    cls.fields[field], node, lookup, cls.fields[field].kind.check
                )
            except Misfit as misfit:
                raise Fault(misfit.code, element_at(node, misfit.at).span, f"`{field}` {misfit}") from None
        for field, declared in cls.fields.items():
            if declared.required and field not in checked:
                where = name if key.value == name else "with"
                raise Fault("missing-key", key.span, f"`{name}` needs `{field}`", f"write {{{where}: {{{field}: …}}}}")
        made = make_op(name, tuple(checked.items()))
        if args is None or self.arguments.is_literal(args):
            self.written[name, args] = made
        return made

    def rejected(
        self,
        reject: Reject,
        op: Op,
        key: Located,
        args: Located | None,
        inputs: list[Value],
        labels: tuple[str, ...],
    ) -> Fault:
        """An op's refusal at the field or step that is wrong, with the tensors that met there."""
        node = fields_of(op, args).get(reject.field) if reject.field else None
        span = node.span if node else key.span
        producers = {n.output.name: n for n in self.nodes[-2000:]}
        notes = []
        for i, value in enumerate(inputs[:6]):
            source = producers.get(value.name)
            what = labels[i] if i < len(labels) else f"input {i}" if len(inputs) > 1 else "what arrives"
            by = f" from `{value.name}`" if value.name else ""
            notes.append(Note(f"{what} is {value.type}{by}", source.span if source else None))
        if len(inputs) == 1:
            notes += chain(inputs[0], producers)
        return Fault(
            reject.code, span, str(reject).replace(f"`{op.name}`", f"`{key.value}`"), reject.help, notes=tuple(notes)
        )


def known_or_guessed(value: StepValue, key: Located) -> Value:
    """What arrives at the step with this key; of poison, what it would probably be. Raises Fault or Poisoned."""
    if value is NOTHING:
        raise Fault("nothing-arrives", key.span, "the net has several inputs: this step, or each branch, says `from`")
    if not isinstance(value, Poison):
        return value
    if value.guess is None:
        raise Poisoned
    return Value("", value.guess)


def chain(value: Value, producers: Mapping[str, Node]) -> list[Note]:
    """How the arriving shape came about: the last steps that changed it."""
    steps: list[str] = []
    while value.name in producers and len(steps) < 8:
        node = producers[value.name]
        if not node.inputs:
            break
        if node.inputs[0].type.shape[2:] != value.type.shape[2:]:
            steps.append(f"`{node.path}` {format_sizes(value.type)}")
        value = node.inputs[0]
    if not steps:
        return []
    return [Note(f"the shapes on the way: {format_sizes(value.type)} → " + " → ".join(reversed(steps)))]


def fields_of(op: Op | type[Op], args: Located | None) -> dict[str, Located]:
    """The fields that `args` writes, a bare value under the name of the field that it sets."""
    if args is None or args.value is None:
        return {}
    if isinstance(args.value, dict):
        return {key: entry.value for key, entry in args.value.items() if not key.startswith("x-")}
    return {op.bare: args} if op.bare else {}


def check_usable(name: str, what: Located, blocks: Iterable[str]) -> None:
    """Raises Fault unless `name` is an operation that `use` can choose: one that a spec can name, and no merge."""
    if name in OPS and OPS[name].is_merge:
        raise Fault("unknown-block", what.span, f"`use` wants a block or an operation; `{name}` merges branches",
                    f"write `{name}` itself, with its branches")  # fmt: skip
    usable = [n for n, cls in OPS.items() if not (cls.is_merge or cls.is_internal)]
    if name not in usable:
        found = unknown_name("block or operation", name, [*blocks, *usable], what.span, "unknown-block")
        raise Fault(found.code, what.span, found.message, found.help)


def unknown_field(cls: type[Op], key: Located) -> Fault:
    """The refusal of a field that the op of a `use` has not; where an op is called by its name, the schema refuses it."""
    more = f"it can be {', '.join(cls.fields)}" if cls.fields else "it takes no fields"
    found = unknown_name(f"field of `{cls.name}`", str(key.value), cls.fields, key.span, "unknown-key", more)
    return Fault(found.code, key.span, found.message, found.help)


@lru_cache(maxsize=4096)
def infer_within_limits(op: Op, *x: TensorType) -> TensorType:
    """The type that `op` gives; rejects what no machine holds, before anything tries to."""
    y = infer_type(op, *x)
    owned = sum(param.elements for param in op.params(*x).values())
    help = "make it smaller here, or what arrives before"
    if y.elements > MAX_ELEMENTS:
        raise Reject("too-large", f"the result of `{op.name}` is {describe_size(y)}", help)
    if owned > MAX_PARAMS:
        raise Reject("too-large", f"`{op.name}` has {owned:,} parameters; the limit is {MAX_PARAMS:,}", help)
    return y


def describe_size(x: TensorType) -> str:
    return f"{format_sizes(x)}, {x.elements:,} elements an image; the limit is {MAX_ELEMENTS:,}"


@lru_cache(maxsize=1024)
def make_op(name: str, fields: tuple[tuple[str, Any], ...]) -> Op:
    """The op of that name with fields in canonical form."""
    return OPS[name](**dict(fields))
