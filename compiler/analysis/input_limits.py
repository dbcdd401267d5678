"""Which sizes of image a net takes with the weights that it has: the smallest, and the step in which they may grow.

All sizes of an axis are tried at once over the ops' shape rules, while the other axis keeps its own: a deep map has few different sizes,
and equal layers over equal maps are worked out once. Nothing is assumed of how the sizes that fit are spread.

That a step holds for ever needs no trial: every map's size grows by a whole number when the image grows by the period, the least
common multiple of all strides. Where the net's own size fits, and that plus one period, what must be equal grows alike, and what
must be large enough only grows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import gcd, lcm
from typing import Any, NamedTuple

from ..diagnostics import InternalError, Reject
from ..ir.graph import Graph, Node
from ..ir.operation import Param
from ..ir.types import TensorType
from ..ops.op import op_of
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
    both = smallest_sides(graph, nodes)
    return both if both == own or fitting_sizes(graph, nodes, [both]) else own


def smallest_sides(graph: Graph, nodes: tuple[Node, ...]) -> Size:
    """The smallest height and the smallest width that fit, the other axis being the net's own. Sizes are tried in growing stretches."""
    image = image_type(graph)
    assert image is not None
    own = image.height, image.width
    found: dict[int, int] = {}
    begin, most = 1, tried_sizes(nodes)
    while len(found) < 2 and begin <= most:
        end = min(GROWTH * begin, most + 1)
        tried = [along(own, axis, range(begin, min(end, own[axis] + 1))) for axis in (0, 1) if axis not in found]
        fitting = fitting_sizes(graph, nodes, [size for sizes in tried for size in sizes])
        for axis in (0, 1):
            sides = [each[axis] for each in fitting if each[1 - axis] == own[1 - axis] and each[axis] < end]
            if axis not in found and sides:
                found[axis] = min(sides)
        begin = end
    height, width = (found[axis] if axis in found else halve_size(graph, nodes, axis, begin) for axis in (0, 1))
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
    """What nodes make of many sizes at once. A value is a tuple of types, one for each size, each as its number."""

    def __init__(self) -> None:
        self._types: list[TensorType | None] = [None]
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._values: dict[Numbers, Numbers] = {}
        self._results: dict[tuple[Any, ...], Numbers] = {}

    def number(self, x: TensorType) -> int:
        """The number of a type."""
        key = x.shape, x.dtype.name  # takes a fifth of the time that a type takes to be looked up
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self._types)
            self._types.append(x)
        return found

    def run(self, node: Node, inputs: Sequence[Numbers]) -> Numbers:
        """What a node makes of its inputs. Equal layers over equal maps are worked out once."""
        key = (node.op, *[value.type for value in node.inputs], *map(id, inputs))
        if key not in self._results:
            result = self._try(node, inputs)
            self._results[key] = self._values.setdefault(result, result)
        return self._results[key]

    def _try(self, node: Node, inputs: Sequence[Numbers]) -> Numbers:
        """The same, size by size: REFUSED where the node does not take them, or would have other weights."""
        weights = node.op.params(*node.input_types)
        if len(inputs) == 1:
            made = {number: self._make(node, weights, (number,)) for number in set(inputs[0])}
            return tuple([made[number] for number in inputs[0]])
        rounds = list(zip(*inputs, strict=True))
        each = {numbers: self._make(node, weights, numbers) for numbers in set(rounds)}
        return tuple([each[numbers] for numbers in rounds])

    def _make(self, node: Node, weights: Mapping[str, Param], numbers: Numbers) -> int:
        """The number of what a node makes of one size; `weights` are those that it has in the net as it is."""
        if REFUSED in numbers:
            return REFUSED
        x: list[Any] = [self._types[number] for number in numbers]
        try:
            result = op_of(node).infer(*x)
        except Reject:
            return REFUSED
        # only other channels can make other weights: `Op.params` promises it
        if weights and channels_of(x) != channels_of(node.input_types) and node.op.params(*x) != weights:
            return REFUSED
        return self.number(result)


def channels_of(types: Iterable[TensorType]) -> list[Any]:
    """The channels of each type; nothing of a control value."""
    return [x.shape[1:2] for x in types]
