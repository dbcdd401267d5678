"""The second picture: a strip of volumes from left to right, as in AlexNet's figure 2. Width tells channels, height the resolution.

It follows the trunk; what runs beside is said in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from math import log2, sqrt
from typing import NamedTuple

from ..ops.op import LAYER_FAMILIES, VOLUME_FAMILIES
from .drawing import (
    ArcsItem,
    CardItem,
    Drawing,
    GroupItem,
    InputItem,
    Item,
    OpItem,
    OutputItem,
    ParallelItem,
    RepeatItem,
    Shape,
    ValueItem,
    exit_of,
    members,
)
from .layout import initially_open, key_of, open_to_depth
from .layout_pieces import SMALL, channels, main_of, relative, shape_text, shorten, text_width
from .layout_place import number
from .svg import arrowhead, svg_document, text
from .theme import THEMES, Theme

FEW_LAYERS = (
    26  # up to so many, each layer has its volume; beyond, groups stay closed, and each change of the shape has one
)
HEIGHT, BASE, SHEAR = 270, 150, 0.42
MOST_LINES = 3


class Volume(NamedTuple):
    """A tensor, and the steps that made it from the one before."""

    shape: Shape
    steps: tuple[str, ...]


def volumes_picture(drawing: Drawing, theme: str = "light") -> str:
    """The SVG of the strip."""
    colours = THEMES[theme]
    x, parts = 20.0, []
    for volume in find_volumes(drawing):
        x, drawn = paint_volume(volume, x, colours)
        parts.append(drawn)
    return svg_document(drawing, x + 16, HEIGHT, colours, parts)


def find_volumes(drawing: Drawing) -> list[Volume]:
    """The volumes of the trunk, the input first."""
    layers = sum(node.family in VOLUME_FAMILIES for node in drawing.nodes)
    opened = open_to_depth(drawing, None) if layers <= FEW_LAYERS else initially_open(drawing)
    trunk = list(walk_trunk(drawing.tree, drawing, opened, ""))
    found: list[Volume] = []
    steps: list[str] = []
    for words, shape, is_layer in trunk:
        steps += [words] if words and found else []
        if not found or found[-1].shape != shape or (layers <= FEW_LAYERS and is_layer):
            found.append(Volume(shape, tuple(steps)))
            steps = []
    if steps and found:
        found.append(Volume(found[-1].shape, tuple(steps)))
    return found


def walk_trunk(
    items: Sequence[Item], drawing: Drawing, opened: frozenset[str], scope: str, beside: str = ""
) -> Iterator[tuple[str, Shape, bool]]:
    """The steps of the trunk: words, the shape that leaves, and whether it is a layer that is shown. `beside` are words for the first."""
    for item in items:
        value = exit_of(item)
        match item:
            case OutputItem() | ValueItem():
                continue
            case ParallelItem(branches, skip):
                at = costliest_branch(item, drawing)
                yield from walk_trunk(branches[at], drawing, opened, scope)
                beside = describe_beside([*branches[:at], *branches[at + 1 :]], skip, drawing)
                continue
            case GroupItem(id, _, inner) if id in opened:
                yield from walk_trunk(inner, drawing, opened, id)
                continue
            case RepeatItem(inner) if key_of(item, drawing) in opened:
                yield from walk_trunk(inner, drawing, opened, scope)
                continue
            case ArcsItem():
                for step, words in follow_arcs(item, drawing):
                    yield from walk_trunk([step], drawing, opened, scope, words)
                continue
        assert value is not None
        words, is_layer = describe_step(item, drawing, scope)
        yield f"{words}, {beside}" if beside else words, drawing.shape_of(value), is_layer
        beside = ""


def costliest_branch(item: ParallelItem, drawing: Drawing) -> int:
    """The branch that the strip follows: the first of those with the most MACs, and of these of those with the most layers and nodes."""
    sizes = [weight_of(items, drawing) for items in item.branches]
    return sizes.index(max(sizes))


def weight_of(items: Sequence[Item], drawing: Drawing) -> tuple[int, int, int]:
    """By what a path is chosen: MACs, layers and nodes of its items."""
    nodes = [drawing.nodes[i] for each in items for i in members(each)]
    return (sum(n.costs.macs for n in nodes), sum(n.family in LAYER_FAMILIES for n in nodes), len(nodes))


def follow_arcs(arcs: ArcsItem, drawing: Drawing) -> list[tuple[Item, str]]:
    """The items on the path through arcs that the strip follows, the heaviest to the last of them, each with what runs into it beside."""
    reads: dict[int, list[int]] = {k: [a for a, b in arcs.edges if b == k] for k in range(1, len(arcs.items) + 1)}
    heaviest: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {0: ((0, 0, 0), ())}
    for k, item in enumerate(arcs.items, 1):
        before = max((heaviest[a] for a in reversed(reads[k])), key=lambda found: found[0], default=heaviest[0])
        weight = tuple(map(sum, zip(before[0], weight_of([item], drawing), strict=True)))
        heaviest[k] = (weight, (*before[1], k))
    path = heaviest[len(arcs.items)][1]
    told: set[int] = set()
    steps = []
    for at, k in enumerate(path):
        others = [a for a in reads[k] if a != (path[at - 1] if at else 0)]
        beside = []
        for end in others:
            if end not in {0, *path}:
                branch = find_beside(end, reads, arcs.items, {0, *path, *told})
                told.update(branch)
                beside.append([arcs.items[a - 1] for a in branch])
        steps.append((arcs.items[k - 1], describe_beside(beside, len(beside) < len(others), drawing)))
    return steps


def find_beside(end: int, reads: Mapping[int, Sequence[int]], items: Sequence[Item], known: set[int]) -> list[int]:
    """The numbers of the items that lead to one of arcs and are not `known`, inputs first."""
    found: set[int] = set()
    waiting = [end]
    while waiting:
        k = waiting.pop()
        if k not in found and k not in known:
            found.add(k)
            waiting += reads[k]
    return sorted(found, key=lambda k: (not isinstance(items[k - 1], InputItem), k))


def describe_beside(branches: Sequence[Sequence[Item]], skip: bool, drawing: Drawing) -> str:
    """What runs beside the branch that is followed: inputs by name and shape, the other branches by their number. A branch begins with
    its inputs.
    """
    entering = [list(takewhile(lambda item: isinstance(item, InputItem), items)) for items in branches]
    inputs = [drawing.inputs[item.input] for items in entering for item in items if isinstance(item, InputItem)]
    others = sum(not items for items in entering)
    named = [f"{value.name} {shape_text(value.shape)}" for value in inputs]
    words = [f"{' and '.join(named)} beside"] * bool(named) + [f"{others} beside"] * bool(others) + ["a skip"] * skip
    return " and ".join(words)


def describe_step(item: Item, drawing: Drawing, scope: str) -> tuple[str, bool]:
    """A step in a few words, and whether it is a layer that is shown."""
    if isinstance(item, InputItem):
        return drawing.inputs[item.input].name, True
    if isinstance(item, GroupItem):
        return relative(item.id, scope), True
    if isinstance(item, RepeatItem):
        words, is_layer = describe_step(item.items[0], drawing, scope)
        first = item.items[0]
        return f"{first.block if isinstance(first, GroupItem) and first.block else words} ×{len(item.items)}", is_layer
    assert isinstance(item, (OpItem, CardItem))
    node = drawing.nodes[main_of(item)]
    return node.title, node.family in VOLUME_FAMILIES


def paint_volume(volume: Volume, x: float, theme: Theme) -> tuple[float, str]:
    """The SVG of a volume whose arrow begins at `x`, and where the next one's does."""
    shape, steps = volume.shape, [shorten(step) for step in volume.steps]
    if len(steps) > MOST_LINES:
        steps = ["…", *steps[1 - MOST_LINES :]]
    drawn = []
    if steps:
        room = max(text_width(step, SMALL) for step in steps) + 16
        path = f"M{number(x + 2)} {BASE}H{number(x + room - 2)}"
        drawn.append(
            f'<path d="{path}" fill="none" stroke="{theme.edge}" stroke-width="1.3"/><path d="{arrowhead(path)}" fill="{theme.edge}"/>'
        )
        for up, step in enumerate(reversed(steps)):
            drawn.append(small(step, x + room / 2, BASE - 7 - 11 * up, theme))
        x += room
    w, h, depth = volume_size(shape)
    y = BASE - h / 2
    stroke = f'stroke="{theme.edge}" stroke-width="0.8" stroke-linejoin="round"'
    top = f"M{number(x)} {number(y)}l{number(depth)} {number(-depth)}h{number(w)}l{number(-depth)} {number(depth)}z"
    side = (
        f"M{number(x + w)} {number(y)}l{number(depth)} {number(-depth)}v{number(h)}l{number(-depth)} {number(depth)}z"
    )
    drawn.append(
        f'<path d="{top}" fill="{theme.tensor_pale}" {stroke}/><path d="{side}" fill="{theme.tensor_dark}" {stroke}/>'
    )
    drawn.append(
        f'<rect x="{number(x)}" y="{number(y)}" width="{number(w)}" height="{number(h)}" fill="{theme.tensor}" {stroke}/>'
    )
    middle = x + (w + depth) / 2
    first, *rest = shape or ("scalar",)
    drawn.append(text(str(first), middle, BASE + h / 2 + 15, 'text-anchor="middle"'))
    if rest:
        drawn.append(small(shape_text(tuple(rest)), middle, BASE + h / 2 + 27, theme))
    return x + w + depth + 6, "".join(drawn)


def volume_size(shape: Shape) -> tuple[float, float, float]:
    """Width, height and depth of a volume; a vector is a thin bar."""
    if len(shape) < 3:
        return 5.0, 10 + 9 * log2(channels(shape)), 3.0
    resolution = shape[1] if isinstance(shape[1], int) else 1
    h = 3.0 if resolution <= 1 else 4 + 9.5 * resolution**0.47
    return 2 + 1.5 * sqrt(channels(shape)), h, h * SHEAR


def small(words: str, x: float, y: float, theme: Theme) -> str:
    """A text of the second size."""
    return text(words, x, y, f'font-size="9.5" text-anchor="middle" fill="{theme.muted}"')
