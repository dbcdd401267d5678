"""The receptive field: which rows and columns of the image the positions of a map see, by each op's own window.

Of several paths the field is the union, and it is not clipped to the image: so it is counted in papers, and so it does not depend on
where a position lies. `seen_pixels` is the other figure: what one position sees of a real image, whose borders and crops cut it.
The field of a net is that of its final features: the map that the classifier starts from, before the global pool or the
flattening. A global pool on the way (a squeeze) sees its whole map.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import gcd, lcm
from typing import Any, NamedTuple

from ..ir.graph import Graph, Node, Value
from ..ir.types import TensorType
from ..ops.op import Op, op_of
from ..ops.windows import POINTWISE_WINDOWS, Window, Windows

# pixels: strides on a map of one pixel would multiply for ever
LARGEST = 2**53
# fields that are worked out one by one for a net: a deep net with a map whose fields repeat after many positions has them bounded
# from above, so that a spec from a stranger is checked in bounded time
MOST_SPANS = 100_000


class View(NamedTuple):
    """What the positions of a map see along an axis, in pixels of the image.

    Position r, which is less than the number of `spans`, sees the pixels from `spans[r][0]` to `spans[r][1]`; each as many
    positions further see what lies `step` pixels further. Only a map that was enlarged has more than one span.
    """

    step: int
    spans: tuple[tuple[int, int], ...]

    def at(self, position: int) -> tuple[int, int]:
        """The first and the last pixel that a position sees."""
        rounds, rest = divmod(position, len(self.spans))
        first, last = self.spans[rest]
        return first + rounds * self.step, last + rounds * self.step

    @property
    def size(self) -> int:
        """The width of the widest field."""
        return max(last - first + 1 for first, last in self.spans)

    @property
    def stride(self) -> float:
        """The distance between the fields of two neighbours; 0 where all positions see the same."""
        return self.step / len(self.spans)


class ReceptiveField(NamedTuple):
    """What the positions of a map see: rows, then columns.

    `size` is that of the widest field in pixels, `stride` the distance between two neighbours' fields, and `center` the middle of
    the first position's field, in pixels from the middle of the image's first pixel. A stride of 0 says that all see the same.
    """

    size: tuple[int, int]
    stride: tuple[float, float]
    center: tuple[float, float]


PIXEL = View(1, ((0, 0),))
Views = tuple[View, View]


def receptive_field(graph: Graph, nodes: tuple[Node, ...]) -> tuple[int, int]:
    """(height, width) in pixels of the final features, over the `nodes` that the outputs need."""
    views = trace_views(graph, nodes)
    found = [views[name] for name in final_features(graph, nodes) if name in views] or [(PIXEL, PIXEL)]
    return max(rows.size for rows, _ in found), max(columns.size for _, columns in found)


def receptive_fields(graph: Graph) -> dict[str, ReceptiveField]:
    """The receptive field of each node's result, by its path; nodes that see no input are left out."""
    views = trace_views(graph, graph.nodes)
    found = {node.path: views[node.output.name] for node in graph.nodes if node.output.name in views}
    return {path: describe_views(each) for path, each in found.items()}


def describe_views(views: Views) -> ReceptiveField:
    """The views of rows and columns as a field."""
    rows, columns = views
    first_row, first_column = rows.spans[0], columns.spans[0]
    center = sum(first_row) / 2, sum(first_column) / 2
    return ReceptiveField((rows.size, columns.size), (rows.stride, columns.stride), center)


def trace_views(graph: Graph, nodes: tuple[Node, ...]) -> dict[str, Views]:
    """What each value sees of the image, by its name, over `nodes` in their order."""
    views: dict[str, Views] = {value.name: (PIXEL, PIXEL) for value in graph.inputs}
    longest = MOST_SPANS // (len(nodes) + 1) + 1
    for node in nodes:
        sources = [value for value in node.inputs if value.name in views]
        if not sources:
            continue
        if len(sources) == 1:
            seen, windows = views[sources[0].name], windows_of(op_of(node), *node.input_types)
            if windows is not POINTWISE_WINDOWS:
                rows, columns = (seen[0], windows[0], longest), (seen[1], windows[1], longest)
                seen = on_both_axes(look_through, rows, columns)
        else:
            united = [[(views[v.name][axis], axis_size(v.type, axis)) for v in sources] for axis in (0, 1)]
            height, width = (axis_size(node.output.type, axis) for axis in (0, 1))
            seen = on_both_axes(unite, (united[0], height, longest), (united[1], width, longest))
        views[node.output.name] = seen
    return views


def on_both_axes(view: Callable[..., View], rows: tuple[Any, ...], columns: tuple[Any, ...]) -> Views:
    """The view that `view` makes of the arguments `rows`, and of `columns`: worked out once where they are alike, as in most nets."""
    seen = view(*rows)
    return seen, seen if columns == rows else view(*columns)


@lru_cache(maxsize=4096)
def windows_of(op: Op, *x: TensorType) -> Windows:
    """`op.windows(*x)`, cached, as a deep net has few distinct layers."""
    return op.windows(*x)


def axis_size(x: TensorType, axis: int) -> int:
    """How many positions a value has along an axis (0 height, 1 width); a vector has one."""
    return int(x.shape[2 + axis]) if x.is_image else 1


def look_through(view: View, window: Window, longest: int) -> View:
    """What positions see that see `window` of a map with this view; at most `longest` of them are told from one another."""
    if len(view.spans) == window.parts == 1:
        return look_plainly(view, window)
    if view.step == 0:
        period, step = 1, 0
    else:
        # the fewest positions after which the window stands at a place of the same kind in the map
        rounds = window.parts * len(view.spans)
        period = rounds // gcd(rounds, window.stride)
        step = view.step * window.stride * period // rounds
    if period > longest:
        return bound_view(view, window)
    spans = []
    for position in range(period):
        first, last = window.span(position, position)
        spans.append(clamp_span(view.at(first)[0], view.at(last)[1]))
    return View(min(step, LARGEST), tuple(spans))


def look_plainly(view: View, window: Window) -> View:
    """The same where no map was enlarged, as in most nets."""
    step, ((first, last),) = view
    span = clamp_span(first + window.first * step, last + window.last * step)
    return View(min(step * window.stride, LARGEST), (span,))


def bound_view(view: View, window: Window) -> View:
    """A view with one span, which is wide enough for all positions."""
    rounds = window.parts * len(view.spans)
    first, last = window.span(0, 0)
    begin = view.at(first)[0]
    reach = -(-(window.last - window.first) * view.step // rounds) + view.size
    return View(
        min(view.step * window.stride // rounds, LARGEST),
        (clamp_span(begin, max(begin, view.at(last)[1], begin + reach)),),
    )


def clamp_span(first: int, last: int) -> tuple[int, int]:
    """The span, no further than LARGEST from the image."""
    return max(-LARGEST, min(first, LARGEST)), max(-LARGEST, min(last, LARGEST))


def unite(branches: Sequence[tuple[View, int]], size: int, longest: int) -> View:
    """The view of a merge of `size` positions, whose branches are given by their views and sizes.

    Branches that move alike are united place by place. One that moves otherwise, as a gate of 1×1 does, is united where the middle
    of the map sees it.
    """
    step = branches[0][0].step
    if all([view.step == step and len(view.spans) == 1 and own == size for view, own in branches]):  # noqa: C419  as in most nets
        firsts, lasts = zip(*[view.spans[0] for view, _ in branches], strict=True)
        return View(step, ((min(firsts), max(lasts)),))
    alike = [view for view, own in branches if own == size] or [branches[0][0]]
    main = max(alike, key=lambda view: view.stride)
    moving = []
    for view, own in branches:
        if view.stride != main.stride or own != size:
            view = fix_at_middle(view, main, (size - 1) // 2, spread=own != size)
        moving.append(view)
    distinct = list(dict.fromkeys(moving))
    return distinct[0] if len(distinct) == 1 else unite_views(distinct, longest)


def unite_views(views: Sequence[View], longest: int) -> View:
    """The union of views that move alike."""
    period = lcm(*(len(view.spans) for view in views))
    if period > longest:
        period = 1
    spans = [[view.at(position) for view in views] for position in range(period)]
    step = views[0].step * period // len(views[0].spans)
    return View(step, tuple((min(a for a, _ in each), max(b for _, b in each)) for each in spans))


def fix_at_middle(view: View, main: View, middle: int, spread: bool) -> View:
    """The view that moves as `main` does and sees at position `middle` what `view` sees there, or at 0 where it is `spread`."""
    first, last = view.at(0 if spread else middle)
    center = main.at(middle)[0]
    moves = [main.at(position)[0] - center for position in range(len(main.spans))]
    return View(main.step, tuple((first + move, last + move) for move in moves))


def final_features(graph: Graph, nodes: tuple[Node, ...]) -> set[str]:
    """The names of the maps that the classifier starts from, found backwards from the outputs."""
    producer = {node.output.name: node for node in nodes}
    pending = [output.value.name for output in graph.outputs]
    visited: set[str] = set()
    features: set[str] = set()
    while pending:
        name = pending.pop()
        if name in visited:
            continue
        visited.add(name)
        node = producer.get(name)
        if node and node.inputs and in_classifier(node):
            pending.extend(value.name for value in node.inputs if not value.type.is_control)
        else:
            features.add(name)
    return features


def in_classifier(node: Node) -> bool:
    """Whether the node is part of the classifier: it gives a vector, or it summarises the map in one number per channel."""
    y, op = node.output.type, op_of(node)
    if not y.is_image:
        return True
    if (y.height, y.width) != (1, 1):
        return False
    return op.summarizes(*node.input_types) or all(w.first == w.last for w in windows_of(op, *node.input_types))


Span = tuple[int, int]
Region = tuple[Span, Span]


def seen_pixels(graph: Graph, value: Value, row: int, column: int) -> dict[str, Region]:
    """What one position of a value sees of each input, by the input's name: the first and last row, and the first and last column.

    Unlike a receptive field it ends where the image, a map before its padding, or a crop does. A vector has row and column 0.
    Inputs that it does not see are left out. Only where a map's outermost positions lie in padding alone may it be a little too wide.
    """
    seen: dict[str, Region] = {value.name: ((row, row), (column, column))}
    for node in reversed(graph.needed_by([value])):
        if node.output.name not in seen:  # all that is seen of it lies in padding
            continue
        for source in node.inputs:
            region = None if source.type.is_control else seen_of_input(node, source, seen[node.output.name])
            if region is not None:
                before = seen.get(source.name, region)
                rows, columns = map(cover, before, region)
                seen[source.name] = rows, columns
    return {each.name: seen[each.name] for each in graph.inputs if each.name in seen}


def seen_of_input(node: Node, source: Value, region: Region) -> Region | None:
    """What a region of a node's result sees of one of its inputs; None where that is padding alone."""
    spans: list[Span] = []
    for axis, span in enumerate(region):
        size = axis_size(source.type, axis)
        if len(node.inputs) == 1:
            window = windows_of(op_of(node), source.type)[axis]
            inside = window.span_inside(*span, size)
        else:
            inside = span if size == axis_size(node.output.type, axis) else (0, size - 1)  # a gate
        if inside is None:
            return None
        spans.append(inside)
    rows, columns = spans
    return rows, columns


def cover(a: Span, b: Span) -> Span:
    """The stretch from the first to the last of both."""
    return min(a[0], b[0]), max(a[1], b[1])
