"""What is shown of a drawing as a graph: boxes in frames, and the edges between boxes. For formats that lay out by themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from .drawing import (
    ArcsItem,
    Drawing,
    GroupItem,
    InputItem,
    Item,
    OutputItem,
    ParallelItem,
    RepeatItem,
    Shape,
    ValueItem,
    members,
)
from .layout import key_of
from .layout_measure import Measuring
from .layout_pieces import relative
from .layout_taps import find_taps
from .layout_texts import repeat_title


class ShownBox(NamedTuple):
    """A box: its shape as the layout calls it, its two texts, and the number of rounds that it stands for, or 0."""

    key: str
    shape: str
    family: str
    title: str
    sub: str
    rounds: int


class ShownFrame(NamedTuple):
    """A frame around boxes and frames. `is_side` says that it stands beside the trunk."""

    key: str
    title: str
    sub: str
    rounds: int
    parts: tuple[ShownBox | ShownFrame, ...]
    is_side: bool = False


class ShownEdge(NamedTuple):
    """An edge between boxes by their keys, with the shape of what flows where it changes. `is_side` as that of its end's frame."""

    source: str
    target: str
    shape: Shape | None
    is_side: bool


class Visible:
    """The boxes, frames and edges of a drawing with some items open. An open repeat shows its first round."""

    def __init__(self, drawing: Drawing, opened: Collection[str]) -> None:
        self.drawing, self.opened = drawing, opened
        self.texts = Measuring(drawing, opened)
        self.home: dict[int, str] = {}
        self.rounds: dict[int, tuple[tuple[str, int], ...]] = {}
        self.ends: list[tuple[int, str]] = []
        self.side: set[str] = set()
        self.parts = list(self.show(drawing.tree, ""))
        for tap in find_taps(drawing):
            inner = tuple(self.show(tap.items, tap.path))
            if tap.framed and inner:
                self.parts.append(ShownFrame(tap.key, tap.title, tap.sub, 0, inner, is_side=True))
                self.side |= {box.key for box in boxes_of(inner)}
            else:
                self.parts += inner

    def show(self, items: Sequence[Item], scope: str) -> Iterator[ShownBox | ShownFrame]:
        """The boxes and frames of a series."""
        for item in items:
            key = key_of(item, self.drawing)
            match item:
                case ValueItem():  # its edge comes from where it is made
                    continue
                case ParallelItem(branches):
                    for branch in branches:
                        yield from self.show(branch, scope)
                case ArcsItem(inner):
                    yield from self.show(inner, scope)
                case GroupItem(id, block, inner) if id in self.opened:
                    yield ShownFrame(key, relative(id, scope), block, 0, tuple(self.show(inner, id)))
                case RepeatItem(inner) if key in self.opened:
                    yield self.show_rounds(inner, key, scope, repeat_title(item, self.drawing, scope))
                case _:
                    yield self.show_box(item, key, scope)

    def show_rounds(self, items: Sequence[Item], key: str, scope: str, title: str) -> ShownFrame:
        """An open repeat: the nodes of the other rounds have their home where the first one's are."""
        first = items[0]
        if isinstance(first, GroupItem):
            parts, block = tuple(self.show(first.items, first.id)), first.block
        else:
            parts, block = tuple(self.show([first], scope)), ""
        inside = {a: self.rounds.get(a, ()) for a in members(first)}
        for number, each in enumerate(items):
            for a, b in zip(members(first), members(each), strict=True):
                self.home[b] = self.home[a]
                self.rounds[b] = (*inside[a], (key, number))
        return ShownFrame(key, title, block, len(items), parts)

    def show_box(self, item: Item, key: str, scope: str) -> ShownBox:
        """A box; remembers which values it makes."""
        if isinstance(item, (GroupItem, RepeatItem)):
            piece = self.texts.closed(item, scope, None)
        else:
            piece = self.texts.box(item, follows_fan=False)
        if isinstance(item, InputItem):
            self.home[-1 - item.input] = key
        elif isinstance(item, OutputItem):
            self.ends.append((self.drawing.outputs[item.output].node, key))
        for node in members(item):
            self.home[node] = key
        return ShownBox(key, piece.shape, piece.family, piece.title, piece.sub, piece.rounds)

    def edges(self) -> list[ShownEdge]:
        """The edges, each once, in the order of the nodes."""
        ends = [(a, self.home[b]) for a, b in self.drawing.edges if self.same_rounds(a, b)] + self.ends
        between = {(self.home[value], target): value for value, target in reversed(ends) if self.home[value] != target}
        entering = {target: self.drawing.shape_of(value) for (_, target), value in between.items()}
        found = []
        for (source, target), value in reversed(between.items()):
            shape = self.drawing.shape_of(value)
            found.append(
                ShownEdge(source, target, shape if entering.get(source) != shape else None, target in self.side)
            )
        return found

    def same_rounds(self, a: int, b: int) -> bool:
        """Whether an edge leads to no other round of a repeat that shows one."""
        theirs = dict(self.rounds.get(a, ()))
        return all(theirs.get(key, number) == number for key, number in self.rounds.get(b, ()))


def boxes_of(parts: Sequence[ShownBox | ShownFrame]) -> Iterator[ShownBox]:
    """All boxes, those in frames among them."""
    for part in parts:
        if isinstance(part, ShownFrame):
            yield from boxes_of(part.parts)
        else:
            yield part
