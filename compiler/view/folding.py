"""What makes a series short: companions in the box of their layer, a group of one box as that box, equal rounds as one item.

- A layer takes the companions behind it into its card (convolution, BN, ReLU). In a run that begins with companions, as in nets with
  pre-activation, those before a convolution or a linear layer belong to that.
- A group that only its position names, and neither a block nor a module, says nothing unless it is one of several rounds: it dissolves.
- A value that something beside the series reads, a head or an output, ends its card and its rounds.
- Equal groups behind each other are one `RepeatItem`; equal boxes are, if there are at least MANY_BOXES.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Sequence
from itertools import groupby

from ..ops.op import LAYER_FAMILIES
from .drawing import ArcsItem, CardItem, GroupItem, Item, OpItem, ParallelItem, RepeatItem, exit_of, members
from .structure import Vertex

MANY_BOXES = 5  # fewer stand each for themselves, as in the papers' figures


class Folding:
    """Folds the items of one drawing. `tapped` are the values that something beside their series reads."""

    def __init__(self, vertices: Sequence[Vertex], tapped: Collection[int]) -> None:
        self.vertices, self.tapped = vertices, tapped
        self.numbers: dict[Hashable, int] = {}
        # by the item's id, with the item, so that the id stays its own: what nests is asked for at each level around it
        self.signatures: dict[int, tuple[Item, int]] = {}

    def fold(self, items: Sequence[Item]) -> tuple[Item, ...]:
        """A series with everything in it folded."""
        named = self.dissolve_unnamed([self.fold_inside(item) for item in items])
        return tuple(self.fold_repeats(self.fold_cards(named)))

    def fold_inside(self, item: Item) -> Item:
        """An item with what it holds folded."""
        match item:
            case GroupItem(id, _, items):
                inner = self.fold(items)
                if len(inner) == 1 and isinstance(inner[0], CardItem):
                    return inner[0]._replace(id=id)
                return item._replace(items=inner)
            case ParallelItem(branches):
                return item._replace(branches=tuple(self.fold(branch) for branch in branches))
            case ArcsItem(items):
                return item._replace(items=tuple(self.fold_inside(each) for each in items))
        return item

    def dissolve_unnamed(self, items: Sequence[Item]) -> list[Item]:
        """A series without the frames of groups that have neither a name nor a block, but for equal ones behind each other: rounds."""
        found: list[Item] = []
        for _, run in groupby(items, key=self.signature):
            rounds = list(run)
            only = rounds[0]
            found += (
                only.items if len(rounds) == 1 and isinstance(only, GroupItem) and self.is_unnamed(only) else rounds
            )
        return found

    def is_unnamed(self, group: GroupItem) -> bool:
        """Whether a group is called by its position only, and neither a block nor a module made it."""
        is_number = not group.block and group.id.rpartition(".")[2].isdecimal()
        return is_number and not self.vertices[next(iter(members(group)))].in_modules

    # ---- cards

    def fold_cards(self, items: Sequence[Item]) -> Iterator[Item]:
        """A series whose companions are in their layers' cards."""
        for boxes, run in groupby(items, key=lambda item: isinstance(item, (OpItem, CardItem))):
            if not boxes:
                yield from run
                continue
            for piece in self.split_at_taps([card_of(item) for item in run if isinstance(item, (OpItem, CardItem))]):
                yield from self.make_cards(piece)

    def split_at_taps(self, boxes: Sequence[CardItem]) -> Iterator[list[CardItem]]:
        """A run of boxes in pieces, of which each but the last ends in a value that is read beside the series."""
        piece: list[CardItem] = []
        for box in boxes:
            piece.append(box)
            if box.nodes[-1] in self.tapped:
                yield piece
                piece = []
        if piece:
            yield piece

    def make_cards(self, boxes: Sequence[CardItem]) -> Iterator[Item]:
        """The boxes of a run, each layer with its companions."""
        ahead = self.is_companion(boxes[0])
        waiting: tuple[int, ...] = ()
        done: list[CardItem] = []
        for box in boxes:
            if self.is_companion(box):
                waiting += box.nodes
                continue
            if waiting and done and not (ahead and self.vertices[box.main].family in LAYER_FAMILIES):
                done[-1] = done[-1]._replace(nodes=done[-1].nodes + waiting)
                waiting = ()
            done.append(box._replace(nodes=waiting + box.nodes))
            waiting = ()
        if waiting:
            last = done.pop() if done else CardItem((), waiting[0])
            done.append(last._replace(nodes=last.nodes + waiting))
        for card in done:
            yield card if card.id or len(card.nodes) > 1 else OpItem(card.main)

    def is_companion(self, box: CardItem) -> bool:
        """Whether a box belongs into that of a layer beside it."""
        return not box.id and all(self.vertices[i].is_companion for i in box.nodes)

    # ---- repeats

    def fold_repeats(self, items: Iterator[Item]) -> Iterator[Item]:
        """A series whose equal rounds are one item."""
        run: list[Item] = []
        before: int | None = None
        for item in items:
            signature = self.signature(item)
            if run and (signature != before or exit_of(run[-1]) in self.tapped):
                yield from join_rounds(run)
                run = []
            run.append(item)
            before = signature
        yield from join_rounds(run)

    def signature(self, item: Item) -> int:
        """A number that two items share that do the same with values of any size; what is read beside the series of one tells them apart."""
        known = self.signatures.get(id(item))
        if known is None:
            known = self.signatures[id(item)] = (item, self.find_signature(item))
        return known[1]

    def find_signature(self, item: Item) -> int:
        """The number of an item that was not asked for before."""
        found: Hashable
        match item:
            case OpItem(node):
                found = self.vertices[node].signature
            case CardItem(nodes, main):
                found = ("card", nodes.index(main), *(self.vertices[i].signature for i in nodes))
            case GroupItem(_, block, items):
                found = ("group", block, self.series_signature(items))
            case RepeatItem(items):
                found = ("repeat", len(items), self.signature(items[0]))
            case ParallelItem(branches, skip):
                inner = (self.series_signature(b, ends_in_merge=True) for b in branches)
                found = ("parallel", skip, *inner)
            case ArcsItem(items, edges):
                found = ("arcs", self.series_signature(items), edges)
            case _:
                found = item
        return self.numbers.setdefault(found, len(self.numbers))

    def series_signature(self, items: Sequence[Item], ends_in_merge: bool = False) -> Hashable:
        """That of a series. The last item's value is its series' own, whose taps the series around sees, unless a merge reads it."""
        seen = items if ends_in_merge else items[:-1]
        taps = tuple(value for item in seen if (value := exit_of(item)) in self.tapped)
        return (taps, *(self.signature(item) for item in items))


def card_of(item: OpItem | CardItem) -> CardItem:
    """A box as a card."""
    return item if isinstance(item, CardItem) else CardItem((item.node,), item.node)


def join_rounds(run: Sequence[Item]) -> Iterator[Item]:
    """A run of equal items: as one, or as they are where they are few boxes or cannot be told as rounds."""
    fewest = 2 if run and isinstance(run[0], GroupItem) else MANY_BOXES
    if len(run) >= fewest and isinstance(run[0], (GroupItem, CardItem, OpItem)):
        yield RepeatItem(tuple(run))
    else:
        yield from run
