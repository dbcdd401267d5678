"""Which sizes of image a net takes with the weights that it has: the smallest, and the step in which they may grow.

What each op needs, from the outputs back, is a size below which none fits. From there sizes of an axis are tried, many at once, over
the ops' shape rules, while the other axis keeps its own: a deep map has few different sizes, and equal layers over equal sizes are
worked out once. Nothing is assumed of how the sizes that fit are spread.

That a step holds for ever needs no trial: every map's size grows by a whole number when the image grows by the period, the least
common multiple of all strides. Where the net's own size fits, and that plus one period, what must be equal grows alike, and what
must be large enough only grows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from math import gcd, lcm
from typing import Any, NamedTuple

from ..diagnostics import InternalError, Reject
from ..ir.graph import Graph, Node
from ..ir.types import TensorType
from ..ops.op import Lengths, op_of
from .receptive_field import trace_views
from .resize import SizeRefused, image_type, resize, with_image_size

Size = tuple[int, int]
Numbers = tuple[int, ...]
REFUSED = 0  # the number of no type
# Steps of the net times sizes of the image that are tried one by one. Beyond them sizes are searched by halving, as if all fit once
# they are large enough, and a period that is too long to be tried counts as the step.
MOST_TRIALS = 2_000_000
MOST_SIZES = 4096
GROWTH = 2  # of the stretches of sizes that are tried together


class AxisLimits(NamedTuple):
    """The sizes of an axis that fit, the other one being the net's own.

    `smallest` fits and nothing below it does; so do all that lie whole `step`s further, up to `largest`, which is None where there is
    no end. `step` is None where the sizes that fit are spread unevenly, and 0 where `smallest` is the only one. `breaks_at` is the
    step of the net that does not take `smallest` - 1, and `reason` says why; both are empty where `smallest` is 1.
    """

    smallest: int
    step: int | None
    largest: int | None
    breaks_at: str = ""
    reason: str = ""


class InputLimits(NamedTuple):
    """The sizes of image that a net takes with its weights."""

    height: AxisLimits
    width: AxisLimits

    @property
    def smallest(self) -> tuple[int, int]:
        return self.height.smallest, self.width.smallest


ANY_SIZE = AxisLimits(1, 1, None)


def input_limits(graph: Graph) -> InputLimits:
    """The limits of a graph's image; any size for a net without one. Only what the outputs need has a say."""
    if image_type(graph) is None:
        return InputLimits(ANY_SIZE, ANY_SIZE)
    nodes = graph.needed_by(output.value for output in graph.outputs)
    needed = graph.replace(heads=(), nodes=nodes)
    return InputLimits(limit_axis(needed, 0), limit_axis(needed, 1))


def minimum_input(graph: Graph, nodes: tuple[Node, ...]) -> Size:
    """(height, width) of the smallest image that the `nodes` accept with the same weights; each axis is tried by itself.

    (1, 1) for a net without an image, and the net's own size where the two smallest sides do not fit together.
    """
    image = image_type(graph)
    if image is None:
        return 1, 1
    own = image.height, image.width
    least = least_sides(graph, nodes)
    tried = {least, (least[0], own[1]), (own[0], least[1])}
    if least == own or fitting_sizes(graph, nodes, [*tried]) == tried:  # as in most nets
        return least
    both = smallest_sides(graph, nodes)
    return both if both == own or fitting_sizes(graph, nodes, [both]) else own


def least_sides(graph: Graph, nodes: Sequence[Node]) -> Size:
    """A height and a width below which no size fits, the other axis being the net's own: what each op needs, from the outputs back."""
    image = image_type(graph)
    assert image is not None
    least: dict[str, Lengths] = {}
    for node in reversed(nodes):
        output, least_input = node.output, op_of(node).least_input
        wanted = least.get(output.name) or (1,) * len(output.type.lengths)
        for value in node.inputs:
            if value.type.shape:  # a control value has no lengths
                needed = least_input(wanted, value.type)
                before = least.setdefault(value.name, needed)
                if before is not needed:
                    least[value.name] = tuple(map(max, before, needed))
    resized = [least.get(value.name, (1, 1)) for value in graph.inputs if value.type.lengths == image.lengths]
    height, width = (max(sides) for sides in zip(*resized, strict=True))
    return height, width


def smallest_sides(graph: Graph, nodes: tuple[Node, ...]) -> Size:
    """The smallest height and the smallest width that fit, the other axis being the net's own. Sizes are tried in growing stretches."""
    image = image_type(graph)
    assert image is not None
    own = image.height, image.width
    begin, found = [*least_sides(graph, nodes)], dict[int, int]()
    length, most = 1, tried_sizes(nodes)
    while len(found) < 2 and length <= most:
        tried = {a: range(begin[a], min(begin[a] + length, own[a] + 1)) for a in (0, 1) if a not in found}
        fitting = fitting_sizes(graph, nodes, [size for axis in tried for size in along(own, axis, tried[axis])])
        for axis, sizes in tried.items():
            begin[axis] = sizes.stop
            if sides := [size[axis] for size in along(own, axis, sizes) if size in fitting]:
                found[axis] = min(sides)
        length *= GROWTH
    height, width = (found[axis] if axis in found else halve_size(graph, nodes, axis, begin[axis]) for axis in (0, 1))
    return height, width


def halve_size(graph: Graph, nodes: tuple[Node, ...], axis: int, begin: int) -> int:
    """The smallest size of an axis that fits, from `begin` up to the net's own; if one fits, so does every larger one."""
    image = image_type(graph)
    assert image is not None
    own = image.height, image.width
    size = own[axis]
    while begin < size:
        middle = (begin + size) // 2
        fits = fitting_sizes(graph, nodes, along(own, axis, [middle]))
        begin, size = (begin, middle) if fits else (middle + 1, size)
    return size


def tried_sizes(nodes: Sequence[Node]) -> int:
    """How many sizes are tried one by one."""
    return min(MOST_SIZES, MOST_TRIALS // (len(nodes) + 1) + 1)


def limit_axis(graph: Graph, axis: int) -> AxisLimits:
    """The limits of one axis (0 height, 1 width)."""
    image = image_type(graph)
    assert image is not None
    own = image.height, image.width
    size, period, most = own[axis], size_period(graph, axis), tried_sizes(graph.nodes)
    smallest = smallest_sides(graph, graph.nodes)[axis]
    beyond = min(period, most)
    tried = {
        *range(smallest, min(size, smallest + most)),
        *range(size, size + beyond + 1),
        size + period,
        smallest + period,
    }
    fitting = {each[axis] for each in fitting_sizes(graph, graph.nodes, along(own, axis, sorted(tried)))}
    if size + period in fitting:
        largest, limit = None, period
    else:
        tried, largest = {each for each in tried if each <= max(fitting)}, max(fitting)
        limit = largest - smallest
    steps = [each for each in range(1, limit + 1) if limit % each == 0] if limit <= most else [limit]
    step = find_step(tried, fitting, smallest, steps) if limit else 0
    return AxisLimits(smallest, step, largest, *explain_refusal(graph, along(own, axis, [smallest - 1])[0]))


def find_step(tried: Collection[int], fitting: Collection[int], smallest: int, steps: Iterable[int]) -> int | None:
    """The first of `steps` of which all multiples beyond `smallest` fit, as far as they were tried."""
    return next((step for step in steps if all(n in fitting for n in tried if (n - smallest) % step == 0)), None)


def along(own: Size, axis: int, sizes: Iterable[int]) -> list[Size]:
    """The sizes of images that have `sizes` on one axis, and the net's own size on the other."""
    return [(size, own[1]) if axis == 0 else (own[0], size) for size in sizes]


def size_period(graph: Graph, axis: int) -> int:
    """By how much an axis of the image must grow so that the size of every map grows by a whole number."""
    views = [each[axis] for each in trace_views(graph, graph.nodes).values()]
    return lcm(*{view.step // gcd(view.step, len(view.spans)) for view in views if view.step})


def explain_refusal(graph: Graph, size: Size) -> tuple[str, str]:
    """The first step of the net that does not take images of a size, and why; both empty where there is no such size."""
    if min(size) < 1:
        return "", ""
    try:
        resize(graph, *size)
    except SizeRefused as refused:
        return refused.path, refused.reason
    raise InternalError(f"{graph.name} takes an image of {size[0]}×{size[1]}, which did not fit when it was tried")


def fitting_sizes(graph: Graph, nodes: Iterable[Node], sizes: Sequence[Size]) -> set[Size]:
    """Those of `sizes` of the image that the `nodes` accept with the same weights."""
    trials = Trials()
    image = image_type(graph)
    assert image is not None
    old = image.sizes[1:]
    found = {
        value.name: tuple([trials.number(with_image_size(value.type, old, size)) for size in sizes])
        for value in graph.inputs
    }
    refused: set[Size] = set()
    for node in nodes:
        if not node.inputs:
            found[node.output.name] = (trials.number(node.output.type),) * len(sizes)
            continue
        result = trials.run(node, [found[value.name] for value in node.inputs])
        found[node.output.name] = result
        if REFUSED in result:
            refused.update([size for size, made in zip(sizes, result, strict=True) if made == REFUSED])
            if len(refused) == len(sizes):
                break
    return {size for size in sizes if size not in refused}


class Trials:
    """What nodes make of many sizes at once. A value is a tuple of numbers, one for each size.

    A number stands for the height and width of an image, which has the channels that it has in the net as it is; for all else it
    stands for a type.
    """

    def __init__(self) -> None:
        self._kinds: list[TensorType | Lengths] = [()]
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._values: dict[Numbers, Numbers] = {}
        self._results: dict[tuple[Any, ...], Numbers] = {}

    def number(self, x: TensorType) -> int:
        """The number of a type."""
        key = (
            x.shape[2:] if x.is_image else (x.shape, x.dtype.name)
        )  # a type would take five times as long to be looked up
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self._kinds)
            self._kinds.append(x.lengths if x.is_image else x)
        return found

    def run(self, node: Node, inputs: Sequence[Numbers]) -> Numbers:
        """What a node makes of its inputs. Equal layers over equal sizes are worked out once, with any channels."""
        op = op_of(node)
        if node.output.type.is_image and not op.channels_limit_sizes:
            key: tuple[Any, ...] = (op, *{id(value): None for value in inputs})
        else:
            key = (op, *node.input_types, *map(id, inputs))
        if key not in self._results:
            result = self._try(node, inputs)
            self._results[key] = self._values.setdefault(result, result)
        return self._results[key]

    def _try(self, node: Node, inputs: Sequence[Numbers]) -> Numbers:
        """The same, size by size: REFUSED where the node does not take them, or would have other weights."""
        rounds = list(zip(*inputs, strict=True))
        each = {numbers: self._make(node, numbers) for numbers in set(rounds)}
        return tuple([each[numbers] for numbers in rounds])

    def _make(self, node: Node, numbers: Numbers) -> int:
        """The number of what a node makes of one size."""
        if REFUSED in numbers:
            return REFUSED
        x = [self._type(number, own) for number, own in zip(numbers, node.input_types, strict=True)]
        try:
            result = op_of(node).infer(*x)
        except Reject:
            return REFUSED
        # only other channels can make other weights: `Op.params` promises it
        if channels_of(x) != channels_of(node.input_types) and node.op.params(*x) != node.op.params(*node.input_types):
            return REFUSED
        return self.number(result)

    def _type(self, number: int, own: TensorType) -> TensorType:
        """The type that a number stands for, for a value that has the type `own` in the net as it is."""
        kind = self._kinds[number]
        return kind if isinstance(kind, TensorType) else own.with_sizes(own.channels, *kind)


def channels_of(types: Iterable[TensorType]) -> list[Any]:
    """The channels of each type; nothing of a control value."""
    return [x.shape[1:2] for x in types]
