"""Why the inputs of a refused op have the sizes that they have: which steps changed them, what would keep them, and what is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from ..diagnostics import Note, Reject, Span, list_names
from ..ir.graph import Node, Value
from ..ir.operation import infer_type
from ..ir.types import TensorType
from ..ops.fields import quote_value
from ..ops.op import op_of
from .absent import Absent, AbsentSteps
from .context import Context, Poison
from .located_yaml import Located
from .naming import join_path
from .spec import Group
from .values import Fault, template_of

MAX_STEPS = 200  # of a branch that are looked at
MAX_BRANCHES = 32  # of a merge
MAX_NAMED = 3  # of them, and of the steps that are not there, in a message
MAX_BEFORE = 8  # steps before a refused one among which an absent one may be its cause
MAX_CONDITION = 80  # characters of a `when` that a message quotes

PARAM = re.compile(r"\$\(?(\w+)\)?")  # an expression that is a param alone

Producers = Mapping[str, Node]
ArgumentsByPath = Mapping[str, Located | None]  # what the text says of a step's op


class SizeAdvice(NamedTuple):
    """What a message says of branches whose maps differ: `help` is empty where no padding and no stride of a pool would mend it."""

    help: str
    notes: tuple[Note, ...]


class PaddedBranch(NamedTuple):
    """A branch whose steps lose nothing: the lengths of its map then, and what is to be written, step by step."""

    lengths: tuple[int, ...]
    advice: tuple[str, ...]


class PaddingPlace(NamedTuple):
    """Where the padding of a step is written, and under which key: `padding`, or the param of a block."""

    span: Span | None
    key: str


def advise_sizes(inputs: Sequence[Value], producers: Producers, arguments: ArgumentsByPath) -> SizeAdvice | None:
    """Which steps make the maps of branches differ, and how to write them; None where the branches' heights and widths agree."""
    first = inputs[0]
    other = next((value for value in inputs if value.type.lengths != first.type.lengths), None)
    if other is None or not (first.type.is_image and other.type.is_image):
        return None
    branches = branches_apart(first, other, producers)
    as_written = [PaddedBranch(value.type.lengths, ()) for value in (first, other)]
    padded, unstrided = ([pad_branch(steps, arguments, also) for steps in branches] for also in (False, True))
    pairs = [
        (padded[0], as_written[1]), (as_written[0], padded[1]), (padded[0], padded[1]),
        (unstrided[0], as_written[1]), (as_written[0], unstrided[1]), (unstrided[0], padded[1]), (padded[0], unstrided[1]),
        (unstrided[0], unstrided[1]),
    ]  # fmt: skip
    for one, two in pairs:
        if one and two and one.lengths == two.lengths:
            # others may want the same
            rest = [
                pad_branch(branches_apart(first, each, producers)[1], arguments, also)
                for each in inputs[1:MAX_BRANCHES]
                if each is not other and each.type.lengths != one.lengths
                for also in (False, True)
            ]
            fitting = [each for each in rest if each and each.lengths == one.lengths]
            named = list(dict.fromkeys(text for branch in (one, two, *fitting) for text in branch.advice))
            more = f"; and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
            return SizeAdvice("; ".join(named[:MAX_NAMED]) + more, ())
    notes = [note for steps in branches for note in islice(size_changes(steps), MAX_NAMED)]
    return SizeAdvice("", tuple(notes))


def branches_apart(first: Value, other: Value, producers: Producers) -> tuple[list[Node], list[Node]]:
    """The steps of two branches since the value that both come from, in their order."""
    one, two = list(steps_before(first, producers)), list(steps_before(other, producers))
    names = {node.output.name: at for at, node in enumerate(one)} | {
        node.inputs[0].name: at for at, node in enumerate(one, 1)
    }
    for at, value in enumerate([other, *(node.inputs[0] for node in two)]):
        if value.name in names:
            one, two = one[: names[value.name]], two[:at]
            break
    return one[::-1], two[::-1]


def steps_before(value: Value, producers: Producers) -> Iterator[Node]:
    """The steps that a value comes from, the last one first, each by its first input; at most MAX_STEPS."""
    for _ in range(MAX_STEPS):
        node = producers.get(value.name)
        if node is None or not node.inputs:
            return
        yield node
        value = node.inputs[0]


def pad_branch(steps: Sequence[Node], arguments: ArgumentsByPath, also_strides: bool) -> PaddedBranch | None:
    """The branch with each step padded so that it gives ceil(size / stride); None where no step is to be padded, or one does not fit then.

    With `also_strides` a pool whose stride is not written moves by 1, and not by its kernel.
    """
    advice: dict[PaddingPlace, str] = {}
    x = steps[0].inputs[0].type if steps else None
    for node in steps:
        assert x is not None
        op = op_of(node)
        text, can_pad = arguments.get(node.path), len(node.inputs) == 1 and x.is_image
        strides = op.unstride(x) if also_strides and can_pad and not is_stride_written(text) else None
        found = strides or (op.pad_fully(x) if can_pad else None)
        try:
            before, x = x, infer_type(found.op if found else op, x, *node.input_types[1:])
        except Reject:
            return None
        if found:
            place = place_of_padding(node, text)
            if strides and found.padding and place.key != "padding":
                # the padding stands where the block is called, and the stride would stand in the block
                return None
            place = PaddingPlace(node.span, "stride") if strides else place
            entries = ["stride: 1"] * bool(strides)
            if found.padding:
                entries.append(f"{'padding' if strides else place.key}: {found.padding}")
            written = ", ".join(entries)
            keeps = "it keeps" if before.lengths == x.lengths else "it gives"
            where = f" ({place.span.short})" if place.span else ""
            advice.setdefault(
                place, f"`{node.path}`{where} has {found.has}: with `{written}` {keeps} {format_lengths(x)}"
            )
    return PaddedBranch(x.lengths, tuple(advice.values())) if x is not None and advice else None


def is_stride_written(arguments: Located | None) -> bool:
    """Whether the text gives the step a stride, or does not tell."""
    return arguments is None or (isinstance(arguments.value, dict) and "stride" in arguments.value)


def place_of_padding(node: Node, arguments: Located | None) -> PaddingPlace:
    """Where the padding of a step is written: where its block is called, if it is a param of the block, else at the step itself."""
    entry = arguments.value.get("padding") if arguments and isinstance(arguments.value, dict) else None
    param = PARAM.fullmatch(entry.value.value) if entry and isinstance(entry.value.value, str) else None
    call = next((frame for frame in reversed(node.frames) if frame.kind == "block"), None)
    if param and call and any(name == param[1] for name, _ in call.bindings):
        return PaddingPlace(call.span, param[1])
    return PaddingPlace(node.span, "padding")


def size_changes(steps: Sequence[Node]) -> Iterator[Note]:
    """A note for each step that changes the height or width of a map."""
    for node in steps:
        x, y = node.input_types[0], node.output.type
        if x.is_image and y.is_image and x.lengths != y.lengths:
            yield Note(f"`{node.path}` makes {format_lengths(y)} of {format_lengths(x)}", node.span)


def format_lengths(x: TensorType) -> str:
    """The height and the width of a map: `28×28`."""
    return "×".join(map(str, x.lengths))


def absent_in_branches(inputs: Sequence[Value], producers: Producers, ctx: Context, absent: AbsentSteps) -> list[Note]:
    """Notes on the steps that are not there in the branches of a merge, whose own context is `ctx`."""
    depth = len(ctx.frames)

    def is_inside(each: Absent) -> bool:
        frames = each.ctx.frames
        return len(frames) > depth and frames[depth].kind == "branch" and frames[:depth] == ctx.frames

    names = (at for value in inputs[:MAX_STEPS] for at in values_before(value, producers))
    inside = (
        each for name in dict.fromkeys(names) for each in absent.arriving_at(name)[-MAX_STEPS:] if is_inside(each)
    )
    return [absent_note(each) for each in islice(inside, MAX_NAMED)]


def absent_before(value: Value, producers: Producers, ctx: Context, absent: AbsentSteps) -> list[Note]:
    """Notes on the last steps that would stand before a refused one, whose context is `ctx`, and are not there."""

    def is_before(each: Absent) -> bool:
        """A head for training gives nothing to the step behind it, nor does a branch that this step is not in."""
        within = all(frame in ctx.frames for frame in each.ctx.frames if frame.kind == "branch")
        return within and "aux" not in each.step.modifiers

    names = islice(values_before(value, producers), MAX_BEFORE)
    found = (each for name in names for each in absent.arriving_at(name)[-MAX_STEPS:] if is_before(each))
    return [absent_note(each) for each in islice(found, MAX_NAMED)]


def values_before(value: Value, producers: Producers) -> Iterator[str]:
    """The names of a value and of those that it comes from, the last one first."""
    yield value.name
    for node in steps_before(value, producers):
        yield node.inputs[0].name


def absent_note(absent: Absent) -> Note:
    """A note that names a step that is not there, and why."""
    core = absent.step.core
    if absent.name:
        what = f"`{join_path(absent.ctx.scope, absent.name)}`"
    elif core is None or isinstance(core, Group):
        what = "a step"
    else:
        what = f"a step `{core.key.value}`"
    return Note(f"{what} is not there: {explain_absence(absent)}", absent.step.modifiers[absent.why].key.span)


def explain_absence(absent: Absent) -> str:
    """Why a step is not there: its condition with the values of the names in it, or that its `repeat` has no rounds."""
    if absent.why == "repeat":
        return "its `repeat` has no rounds"
    node = absent.step.modifiers["when"].value
    try:
        template = template_of(node, absent.ctx.budget)
    except Fault:
        template = None
    condition = f"`when: {node.raw}`" if node.raw and len(node.raw) <= MAX_CONDITION else "`when`"
    lookup = absent.ctx.lookup(absent.x)
    values = []
    for name in dict.fromkeys(name for name, _ in template.names) if template else ():
        if name == "x":
            values.append("" if isinstance(absent.x, Poison) else f"x={absent.x.type}")
        elif not isinstance(absent.ctx.names.get(name), (Poison, type(None))):
            values.append(f"{name}={quote_value(lookup(name))}")
    told = list_names(filter(None, values))
    return f"its {condition} is false" + (f", with {told}" if any(values) else "")
