"""From a drawing to boxes, edges and labels with their places; the page does the same in JavaScript, and a test holds the two equal.

Everything is measured from the inside to the outside and then placed from the outside to the inside. The rules, by which both
languages come to the same numbers:

- Units are CSS pixels. A text is as wide as its characters times CHAR, times its scale: SMALL for a second line, BOLD for the name of
  a group. Characters from U+1100 to U+115F and from U+2E80 on count double. A text longer than LONGEST characters is cut to one less,
  and `…` is put behind it. No font is ever asked.
- Arithmetic is that of doubles, in the order in which it is written here. Only results are rounded: floor(v · 10 + 0.5) / 10.
- Every piece has a width, a height and `ax`, the x of the trunk in it. A column stacks pieces on one axis.
- Keys: a group and a card with an id have that id; `#path` is an op, `##path` a card without an id, both by their main node; `KEY×` a
  repeat by the key of its first round, and `KEY×*` in the set of open keys shows all of its rounds; `in:NAME`, `out:NAME`, `head:PATH`,
  `value:PATH:NAME` for what a head reads beside its source, and `tag:KEY` for the name of a branch.
- What is open is a set of keys. Groups, repeats and cards that are no merges can be open.

layout_pieces.py has what is measured, layout_taps.py what stands beside a column, layout_texts.py what boxes and edges say,
layout_measure.py how all is measured, layout_place.py where it goes; their functions stand in the order in which layout.js has them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from .drawing import (
    CardItem,
    Drawing,
    GroupItem,
    InputItem,
    Item,
    OpItem,
    OutputItem,
    RepeatItem,
    Shape,
    ValueItem,
    children,
    members,
)

FEW_ITEMS = 8  # a level of the net with fewer shows too little, as long as one group holds most of it


class Box(NamedTuple):
    """Something with a frame. `shape` says which:

    - `box`: an op or card; `circle` and `bar`: merges; `group`: a closed group; `stack`: a closed repeat
    - `open`: an open group, repeat or card, drawn behind what it holds; `head`: likewise, what stands beside the trunk
    - `input`, `output`; `tag`: the name of a branch, a text without a frame

    `label_width` is the room for the second text at the left of a circle. `rounds` is the number of rounds, or 0.
    """

    key: str
    x: float
    y: float
    w: float
    h: float
    shape: str
    family: str
    title: str
    sub: str = ""
    rounds: int = 0
    label_width: float = 0.0
    item: Item | None = None


class Edge(NamedTuple):
    """A line. `path` is that of SVG; `kind` is "", `skip`, `side` or `tap`."""

    path: str
    arrow: bool = True
    kind: str = ""


class Label(NamedTuple):
    """A tensor on an edge: a slab with its shape beside it; `x`, `y` is the slab's middle."""

    x: float
    y: float
    shape: Shape


class Layout(NamedTuple):
    """A drawing with places for all that is shown of it."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    labels: tuple[Label, ...]


def lay_out(drawing: Drawing, opened: Collection[str]) -> Layout:
    """Where everything of a drawing is, with the groups, repeats and cards of these keys open."""
    from .layout_measure import Measuring
    from .layout_place import Placing

    return Placing(drawing).place(Measuring(drawing, opened).measure())


def key_of(item: Item, drawing: Drawing) -> str:
    """The key of an item that is drawn as a box."""
    match item:
        case InputItem(k):
            return f"in:{drawing.inputs[k].name}"
        case OutputItem(k):
            return f"out:{drawing.outputs[k].name}"
        case ValueItem(value, head):
            return f"value:{head}:{drawing.name_of(value)}"
        case OpItem(node):
            return f"#{drawing.nodes[node].path}"
        case CardItem(_, main, id):
            return id or f"##{drawing.nodes[main].path}"
        case GroupItem(id):
            return id
        case RepeatItem(items):
            return f"{key_of(items[0], drawing)}×"
    return ""


def initially_open(drawing: Drawing) -> frozenset[str]:
    """What a page shows open at first: the largest group, while its level has few items and it holds over half of the net."""
    opened: set[str] = set()
    level: Sequence[Item] = drawing.tree
    while sum(not isinstance(item, (InputItem, OutputItem)) for item in level) < FEW_ITEMS:
        groups = [item for item in level if isinstance(item, GroupItem)]
        largest = max(groups, key=count_nodes, default=None)
        if largest is None or count_nodes(largest) * 2 < len(drawing.nodes):
            break
        opened.add(largest.id)
        level = largest.items
    return frozenset(opened)


def open_to_depth(drawing: Drawing, depth: int | None) -> frozenset[str]:
    """The keys of all groups and repeats with fewer than `depth` of them around; None is all. A repeat shows its first round."""
    tops = (drawing.tree, *(head.items for head in drawing.heads))
    return frozenset(key for items in tops for key in openable(items, drawing, depth, 0))


def openable(items: Sequence[Item], drawing: Drawing, depth: int | None, level: int) -> Iterator[str]:
    """The keys that `open_to_depth` opens among these items."""
    for item in items:
        around = isinstance(item, (GroupItem, RepeatItem))
        if around:
            if depth is not None and level >= depth:
                continue
            yield key_of(item, drawing)
        first = item.items[0] if isinstance(item, RepeatItem) else item
        for held in children(first):
            yield from openable(held, drawing, depth, level + around)


def count_nodes(item: Item) -> int:
    """How many nodes an item has."""
    return sum(1 for _ in members(item))
