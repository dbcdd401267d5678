"""An op in a spec becomes a node: its fields are read and checked, and its shape is inferred from what arrives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ..diagnostics import Collector, Diagnostic, Note, Reject
from ..ir.graph import Node, Value
from ..ir.operation import infer_type
from ..ir.provenance import Frame
from ..ir.types import TensorType, format_sizes
from ..ops import OPS
from ..ops.fields import Misfit, quote_value
from ..ops.op import Op
from .absent import AbsentSteps
from .budget import FEW_ELEMENTS, INFERENCE, WARNING, Budget
from .context import NOTHING, Context, Poison, StepValue
from .located_yaml import BROKEN, Located
from .recovery import Incomplete
from .reporting import add_frames, report_in_context
from .size_errors import absent_before, absent_in_branches, advise_sizes
from .values import Arguments, Fault, Poisoned, element_at, evaluate, unknown_fault

# numbers of one value, an image
MAX_ELEMENTS = 2**31
# numbers of the weights of one op
MAX_PARAMS = 2**33


class RejectedStep(NamedTuple):
    """A step whose op refuses what arrives: the op, the mistake as it is told, and by which calls, rounds and branches the step came about."""

    op: Op
    diagnostic: Diagnostic
    frames: tuple[Frame, ...]


class Applier:
    """Makes the nodes of a graph, in order. `rejected` are the steps whose ops refuse what arrives, and `args` what is written of those of
    the others, each by path.

    `literal_ops` are ops without expressions, by name and arguments, made once each; `elements` how many elements the lists of an op
    have; `types` those of results, by op and inputs.
    """

    def __init__(self, arguments: Arguments, absent: AbsentSteps, diagnostics: Collector, budget: Budget) -> None:
        self.nodes: list[Node] = []
        self.rejected: dict[str, RejectedStep] = {}
        self.args: dict[str, Located | None] = {}
        self.arguments, self.absent, self.diagnostics, self.budget = arguments, absent, diagnostics, budget
        self.literal_ops: dict[tuple[str, Located | None], Op] = {}
        self.elements: dict[Op, int] = {}
        self.types: dict[tuple[Op, tuple[TensorType, ...]], TensorType] = {}

    def apply(
        self,
        name: str,
        key: Located,
        args: Located | None,
        values: tuple[StepValue, ...],
        x: StepValue,
        ctx: Context,
        path: str,
        labels: tuple[str, ...] = (),
    ) -> StepValue:
        """The result of the op `name` on `values`, by a new node. Raises Fault or Poisoned.

        `x` is what expressions in `args` see. `labels` name the inputs in messages. Where an input is poison, or a field is reported
        as wrong, no node is made: the result is poison, with a guess of its type.
        """
        op = self.literal_ops.get((name, args)) or self.build_op(name, key, args, x, ctx)
        if (elements := self.elements.get(op, 0)) > FEW_ELEMENTS:
            self.budget.spend(elements, key)
        inputs = [v if type(v) is Value and v is not NOTHING else expected_input(v, key) for v in values]
        guessed = any(type(v) is Poison for v in values)
        try:
            result = self.type_of_result(op, tuple([v.type for v in inputs]), key)
        except Reject as reject:
            if (guessed or isinstance(args, Incomplete)) and not reject.about_rank:
                # it follows from a mistake that is reported already
                raise Poisoned from None
            fault = self.rejection(reject, op, key, args, inputs, labels, ctx)
            self.rejected[path] = RejectedStep(op, add_frames(fault.diagnostic, ctx), ctx.frames)
            raise fault from None
        if guessed or isinstance(args, Incomplete):
            return Poison(result)
        node = Node(path, op, tuple(inputs), (Value(path, result),), key.span, ctx.frames)
        self.nodes.append(node)
        self.args[path] = args
        return node.output

    def type_of_result(self, op: Op, x: tuple[TensorType, ...], key: Located) -> TensorType:
        """The type of `op` on inputs of the types `x`, worked out once in a check. Raises Reject."""
        known = self.types.get((op, x))
        if known is None:
            self.budget.spend(INFERENCE, key)
            known = self.types[op, x] = infer_within_limits(op, *x)
        return known

    def build_op(self, name: str, key: Located, args: Located | None, x: StepValue, ctx: Context) -> Op:
        """The op `name` with the fields in `args`, evaluated and checked. Raises Fault or Poisoned."""
        cls = OPS[name]
        if args is not None and args.value is BROKEN:
            raise Poisoned
        if args is not None and args.value is not None and not isinstance(args.value, dict) and not cls.bare:
            raise Fault(
                "wrong-type", args.span, f"`{name}` takes no bare value, but {quote_value(args.value)} is given"
            )
        lookup, checked = ctx.lookup(x), {}
        for field, node in fields_of(cls, args).items():
            if field not in cls.fields and node.value is BROKEN:
                # the schema has reported it
                continue
            if field not in cls.fields:
                assert args is not None
                raise unknown_field(cls, args.value[field].key)
            try:
                checked[field] = self.arguments.checked_value(
                    cls.fields[field], node, lookup, cls.fields[field].kind.check
                )
            except Misfit as misfit:
                value = evaluate(node, lookup, self.arguments.budget)
                word = "" if isinstance(value, (list, dict)) else str(value)
                meant = cls.fields[field].kind.other_words.get(word.lower())
                help = f"`{word}` is `{meant}` here" if meant else ""
                raise Fault(misfit.code, element_at(node, misfit.at).span, f"`{field}` {misfit}", help) from None
        for field, declared in cls.fields.items():
            if declared.required and field not in checked:
                where = name if key.value == name else "with"
                raise Fault("missing-key", key.span, f"`{name}` needs `{field}`", f"write {{{where}: {{{field}: …}}}}")
        op = make_op(name, tuple(checked.items()))
        self.elements[op] = sum([count_elements(value) for value in checked.values() if type(value) is tuple])
        if doubt := op.doubt(checked):
            assert args is not None
            place = args.value[doubt.field].key if isinstance(args.value, dict) else args
            warning = Diagnostic(doubt.code, place.span, doubt.message, help=doubt.help, severity="warning")
            report_in_context(self.diagnostics, warning, ctx)
            ctx.budget.spend(WARNING, key)
        if args is None or self.arguments.is_literal(args):
            self.literal_ops[name, args] = op
        return op

    def rejection(
        self,
        reject: Reject,
        op: Op,
        key: Located,
        args: Located | None,
        inputs: list[Value],
        labels: tuple[str, ...],
        ctx: Context,
    ) -> Fault:
        """The Fault of an op that refuses its inputs: at the field or the step that is wrong, with the types of the inputs."""
        node = fields_of(op, args).get(reject.field) if reject.field else None
        span = node.span if node else key.span
        producers = {n.output.name: n for n in self.nodes[-2000:]}
        notes = []
        for i, value in enumerate(inputs[:6]):
            source = producers.get(value.name)
            what = labels[i] if i < len(labels) else f"input {i}" if len(inputs) > 1 else "what arrives"
            by = f" from `{value.name}`" if value.name else ""
            notes.append(Note(f"{what} is {value.type}{by}", source.span if source else None))
        help = reject.help
        if len(inputs) == 1:
            notes += shape_history(inputs[0], producers) + absent_before(inputs[0], producers, ctx, self.absent)
        elif op.is_merge:
            if advice := advise_sizes(inputs, producers, self.args):
                notes += advice.notes
                help = advice.help or help
            notes += absent_in_branches(inputs, producers, ctx, self.absent)
        return Fault(reject.code, span, str(reject).replace(f"`{op.name}`", f"`{key.value}`"), help, notes=tuple(notes))


def expected_input(value: StepValue, key: Located) -> Value:
    """The input of the step with this key; for poison, a value of the guessed type. Raises Fault or Poisoned."""
    if value is NOTHING:
        raise Fault("nothing-arrives", key.span, "the net has several inputs: this step, or each branch, says `from`")
    if not isinstance(value, Poison):
        return value
    if value.guess is None:
        raise Poisoned
    return Value("", value.guess)


def shape_history(value: Value, producers: Mapping[str, Node]) -> list[Note]:
    """One note with the last steps that changed the height and width of `value`, by their producers; none where no step did."""
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
    """The fields in `args` by name; a bare value is the value of the op's `bare` field."""
    if args is None or args.value is None:
        return {}
    if isinstance(args.value, dict):
        return {key: entry.value for key, entry in args.value.items() if not key.startswith("x-")}
    return {op.bare: args} if op.bare else {}


def check_usable(name: str, what: Located, blocks: Iterable[str]) -> None:
    """Raises Fault unless `use` can name this operation: a spec can name it, and it is no merge."""
    if name in OPS and OPS[name].is_merge:
        raise Fault("unknown-block", what.span, f"`use` wants a block or an operation; `{name}` merges branches",
                    f"write `{name}` itself, with its branches")  # fmt: skip
    usable = [n for n, cls in OPS.items() if not (cls.is_merge or cls.is_internal)]
    if name not in usable:
        raise unknown_fault("block or operation", name, [*blocks, *usable], what.span, "unknown-block")


def unknown_field(cls: type[Op], key: Located) -> Fault:
    """The Fault of a field that the op does not have.

    Only `use` needs it: fields of an op under its own name are checked by the schema.
    """
    more = f"it can be {', '.join(cls.fields)}" if cls.fields else "it takes no fields"
    return unknown_fault(f"field of `{cls.name}`", str(key.value), cls.fields, key.span, "unknown-key", more)


def infer_within_limits(op: Op, *x: TensorType) -> TensorType:
    """The type of the result of `op`. Raises Reject, also for a result or for params that are too large for any machine."""
    y, param_count = infer_type(op, *x), count_params(op, *x)
    help = "make it smaller here, or what arrives before"
    if y.elements > MAX_ELEMENTS:
        raise Reject("too-large", f"the result of `{op.name}` is {describe_size(y)}", help)
    if param_count > MAX_PARAMS:
        raise Reject("too-large", f"`{op.name}` has {param_count:,} parameters; the limit is {MAX_PARAMS:,}", help)
    return y


@lru_cache(maxsize=4096)
def count_params(op: Op, *x: TensorType) -> int:
    """How many numbers the parameters of `op` have."""
    return sum(param.elements for param in op.params(*x).values())


def count_elements(value: tuple[Any, ...]) -> int:
    """How many elements a field's list has, with those of its rows."""
    return len(value) + sum([len(row) for row in value if type(row) is tuple])


def describe_size(x: TensorType) -> str:
    return f"{format_sizes(x)}, {x.elements:,} elements an image; the limit is {MAX_ELEMENTS:,}"


@lru_cache(maxsize=1024)
def make_op(name: str, fields: tuple[tuple[str, Any], ...]) -> Op:
    """The op of this name; equal ops are one object. `fields` are canonical values, by name."""
    return OPS[name](**dict(fields))
