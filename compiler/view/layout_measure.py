"""How large everything is, from the inside to the outside. layout.py tells the rules."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import count, pairwise
from typing import Literal

from ..ops.op import LAYER_FAMILIES
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
    children,
    exit_of,
    members,
)
from .layout import key_of
from .layout_pieces import (
    ARC_LANE,
    BESIDE,
    BOLD,
    END_GAP,
    FORK,
    GAP,
    HEAD_GAP,
    HEADER,
    LANE,
    PAD,
    SHORT_BRANCH,
    SMALL,
    TAG,
    TAP_DROP,
    TAP_GAP,
    TAP_LANE,
    Beside,
    Fan,
    Measured,
    Piece,
    PieceColumn,
    Tap,
    Weave,
    entry_y,
    gap_before,
    label_width,
    main_of,
    relative,
    shift,
    shorten,
    slab_half,
    span_bar,
    text_width,
)
from .layout_taps import find_taps
from .layout_texts import box_texts, branch_name, closed_texts, label_shape, repeat_title


class Measuring:
    """Measures one drawing with some of its items open."""

    def __init__(self, drawing: Drawing, opened: Collection[str]) -> None:
        self.drawing, self.opened = drawing, opened
        self.taps = list(find_taps(drawing))
        self.sizes: dict[int, tuple[int, int]] = {}

    def measure(self) -> PieceColumn:
        """The whole net."""
        column = self.column(self.drawing.tree, "", None, is_trunk=True, entered=False)
        last = column.pieces[-1] if column.pieces else None
        if isinstance(last, Fan):  # nothing reads on: an input that nothing reads has no line
            for branch in last.order:
                branch.outs, branch.label = [], None
        return column

    # ---- columns

    def column(
        self,
        items: Sequence[Item],
        scope: str,
        entering: Shape | None,
        is_trunk: bool = False,
        entered: bool = True,
        tells_end: Literal["no", "changed", "always"] = "no",
    ) -> PieceColumn:
        """A series. `scope` is the group around, `entering` the shape of what enters, `tells_end` when the shape that leaves is told.

        `is_trunk` says that no group is around: what stands in a branch or in arcs counts as what these stand in.
        """
        hung = [self.take_taps(item) for item in items]
        entered = entered and takes_what_enters(items)
        pieces: list[Measured] = []
        shape = entering
        shapes: list[Shape | None] = []
        for i, item in enumerate(items):
            after = items[i + 1] if i + 1 < len(items) else None
            follows_fan = i > 0 and isinstance(items[i - 1], ParallelItem)
            pieces.append(self.piece(item, scope, shape, after, follows_fan, entered or i > 0, is_trunk))
            value = exit_of(item)
            shapes.append(shape)
            shape = self.drawing.shape_of(value) if value is not None else shape
        for i in range(1, len(items)):
            pieces[i].label = label_shape(items, shapes, i, self.drawing, is_trunk)
        ending = label_shape(items, shapes, len(items), self.drawing, is_trunk) if tells_end == "changed" else None
        if tells_end == "always" and items and exit_of(items[-1]) is not None:
            ending = shape
        column = self.stack(pieces, hung, scope, ending)
        column.entered = entered
        return column

    def stack(self, pieces: list[Measured], hung: list[list[Tap]], scope: str, ending: Shape | None) -> PieceColumn:
        """Pieces on one axis, with what hangs on each at its left, and the shape of what leaves, if it is told."""
        for before, piece in pairwise(pieces):
            if isinstance(before, Fan) and isinstance(piece, Piece) and piece.shape == "bar":
                span_bar(piece, [x - before.ax for x in before.outs])
        left = right = y = 0.0
        for i, piece in enumerate(pieces):
            left, right = max(left, piece.ax), max(right, piece.w - piece.ax)
            if piece.label is not None:
                left, right = max(left, slab_half(piece.label)), max(right, label_width(piece.label))
            if i:
                y += gap_before(pieces[i - 1], piece) + (TAP_GAP if hung[i - 1] else 0)
            piece.y = y
            y += piece.h
        if ending is not None:
            left, right = max(left, slab_half(ending)), max(right, label_width(ending))
        column = PieceColumn(pieces, left + right, y, left, [left], y, label=ending)
        if ending is not None:
            column.label_y = y + (TAP_GAP if hung[-1] else 0) + END_GAP / 2
            column.h = column.label_y + END_GAP / 2
        last = pieces[-1] if pieces else None
        if isinstance(last, Fan):
            column.outs = [x - last.ax + left for x in last.outs]
        elif last is not None and not last.leaves:
            column.outs = []
        self.hang(column, hung, scope)
        return column

    def hang(self, column: PieceColumn, hung: list[list[Tap]], scope: str) -> None:
        """Puts heads and outputs at the left of a column, each below the piece whose value it reads."""
        found: list[Beside] = []
        floor, lanes = 0.0, 0
        for piece, taps in zip(column.pieces, hung, strict=True):
            for tap in taps:
                beside = self.beside(tap, scope)
                beside.from_y = piece.y + piece.h + 7
                if beside.from_y < floor:
                    lanes += 1
                    beside.lane = float(TAP_LANE * lanes)
                beside.y = max(beside.from_y, floor) + TAP_DROP
                floor = beside.y + beside.h + 8
                found.append(beside)
        if not found:
            return
        widest = max(beside.w for beside in found)
        room = widest + HEAD_GAP + TAP_LANE * lanes
        for beside in found:
            beside.x = widest - beside.w
            beside.lane = widest + beside.lane if beside.lane is not None else None
        column.beside = found
        column.w += room
        column.ax += room
        column.outs = [x + room for x in column.outs]
        column.h = max(column.h, floor)

    def beside(self, tap: Tap, scope: str) -> Beside:
        """A head in its frame, or an output without one."""
        shape = self.drawing.shape_of(tap.source)
        inner = self.column(tap.items, tap.path if tap.framed else scope, shape, tells_end="always")
        if not tap.framed:
            return Beside(tap, inner, inner.w, inner.h)
        tap.title = relative(tap.title, scope)
        inner.outs = []
        title = text_width(tap.title, BOLD) + 8 + text_width(tap.sub, SMALL)
        need = title + 2 * PAD + 14
        extra = max(0.0, need - inner.w - 2 * PAD)
        inner.w += extra
        inner.ax += extra / 2
        shift(inner, extra / 2)
        w = inner.w + 2 * PAD
        return Beside(tap, inner, w, inner.h + HEADER + GAP - 4 + PAD, entry=entry_y(PAD + inner.ax, title + 15, w - 8))

    def take_taps(self, item: Item) -> list[Tap]:
        """What reads the value that leaves an item; each is taken once, by the outermost item that it leaves."""
        value = None if isinstance(item, ValueItem) else exit_of(item)
        taken = [tap for tap in self.taps if tap.source == value]
        self.taps = [tap for tap in self.taps if tap.source != value]
        return taken

    # ---- pieces

    def piece(
        self,
        item: Item,
        scope: str,
        entering: Shape | None,
        after: Item | None,
        follows_fan: bool,
        entered: bool,
        is_trunk: bool,
    ) -> Measured:
        """Any item."""
        match item:
            case ParallelItem():
                return self.fan(item, scope, entering, after, entered, is_trunk)
            case ArcsItem():
                return self.weave(item, scope, entering, is_trunk)
            case GroupItem(id, block, items) if id in self.opened:
                return self.wrap(item, self.column(items, id, entering), relative(id, scope), block)
            case RepeatItem() if key_of(item, self.drawing) in self.opened:
                return self.open_repeat(item, scope, entering)
            case GroupItem() | RepeatItem():
                return self.closed(item, scope, entering)
            case CardItem(nodes) if key_of(item, self.drawing) in self.opened and not self.is_merge(item):
                inner = self.column([OpItem(node) for node in nodes], scope, entering)
                title, _ = box_texts(item, self.drawing)
                return self.wrap(item, inner, relative(item.id, scope) if item.id else title, "")
        return self.box(item, follows_fan)

    def box(self, item: Item, follows_fan: bool) -> Piece:
        """An input, an output, an op or a card."""
        key = key_of(item, self.drawing)
        title, sub = box_texts(item, self.drawing)
        if isinstance(item, (InputItem, OutputItem, ValueItem)):
            w = max(72.0, text_width(title) + 2 * PAD)
            return Piece(key, "output" if isinstance(item, OutputItem) else "input", "other", title, w, 24, w / 2, item)
        family = self.drawing.nodes[main_of(item)].family
        if family == "merge" and len(title) == 1:
            room = text_width(sub, SMALL) + 6 if sub else 0.0
            return Piece(key, "circle", family, title, 20 + room, 20, 10 + room, item, sub, label_width=room)
        if family == "merge" or follows_fan:
            text = f"{title} · {sub}" if sub else title
            w = max(54.0, text_width(text) + 2 * PAD)
            return Piece(key, "bar", family, text, w, 16, w / 2, item)
        w = max(64.0, text_width(title) + 2 * PAD, text_width(sub, SMALL) + 2 * PAD)
        return Piece(key, "box", family, title, w, 36 if sub else 24, w / 2, item, sub)

    def closed(self, item: GroupItem | RepeatItem, scope: str, entering: Shape | None) -> Piece:
        """A closed group or repeat: its name, its block, what is in it."""
        rounds = len(item.items) if isinstance(item, RepeatItem) else 0
        first = item.items[0] if isinstance(item, RepeatItem) else item
        family = "group" if isinstance(first, GroupItem) else self.drawing.nodes[main_of(first)].family
        title, sub = closed_texts(item, self.drawing, scope, entering, self.taps)
        room = 30 if rounds else 0
        w = max(96.0, text_width(title, BOLD) + 2 * PAD + 14 + room, text_width(sub, SMALL) + 2 * PAD)
        shape = "stack" if rounds else "group"
        return Piece(key_of(item, self.drawing), shape, family, title, w, 40, w / 2, item, sub, rounds)

    def open_repeat(self, item: RepeatItem, scope: str, entering: Shape | None) -> Piece:
        """An open repeat: its first round stands for all, unless all are shown."""
        first = item.items[0]
        title, block = repeat_title(item, self.drawing, scope), first.block if isinstance(first, GroupItem) else ""
        if f"{key_of(item, self.drawing)}*" in self.opened:
            return self.wrap(item, self.column(item.items, scope, entering), title, block)
        shown, around = (first.items, first.id) if isinstance(first, GroupItem) else ((first,), scope)
        return self.wrap(item, self.column(shown, around, entering), title, block, len(item.items))

    def wrap(self, item: Item, inner: PieceColumn, title: str, block: str, rounds: int = 0) -> Piece:
        """A frame with a header around a column."""
        title, block = shorten(title), shorten(block)
        badge = 20 + 7 * len(str(rounds)) if rounds else 0
        need = text_width(f"{title}  {block}" if block else title, BOLD) + 44 + badge
        extra = max(0.0, need - (inner.w + 2 * PAD))
        left, w = PAD + extra / 2, inner.w + 2 * PAD + extra
        header = 27 + text_width(title, BOLD) + (8 + text_width(block, SMALL) if block else 0)
        return Piece(key_of(item, self.drawing), "open", "group", title, w,
                     inner.h + HEADER + 2 * GAP - 6, inner.ax + left, item, block, rounds,
                     inner=inner, ix=left, iy=HEADER + GAP - 4, entry=entry_y(left + inner.ax, header, w - 8 - badge))  # fmt: skip

    # ---- branches and arcs

    def fan(
        self,
        item: ParallelItem,
        scope: str,
        entering: Shape | None,
        after: Item | None,
        entered: bool,
        is_trunk: bool,
    ) -> Fan:
        """Branches. Into a circle, or where there is one branch only, the deepest is on the trunk and the others enter from the right."""
        branches = [self.branch(items, scope, entering, entered, is_trunk) for items in item.branches]
        deepest = branches[self.deepest_branch(item)]
        sided = after is not None and (self.is_circle(after) or len(branches) == 1)
        order = [deepest, *(b for b in branches if b is not deepest)] if sided else branches
        if sided:
            deepest.tag = None
        height = max(branch.h for branch in order)
        entered = entered and (item.skip or any(branch.entered for branch in order))
        forks = entered and (len(order) > 1 or item.skip)
        top = float(FORK + (TAG if any(b.tag is not None for b in order) else 0)) if forks else 0.0
        at, x = [], 0.0
        for branch in order:
            at.append(x)
            x += branch.w + BESIDE
        x -= BESIDE
        ax = order[0].ax if sided else (at[0] + order[0].ax + at[-1] + order[-1].ax) / 2
        skip = None
        if item.skip:
            reach = self.box(after, follows_fan=True).w / 2 + 16 if sided and after is not None else 0.0
            skip = max(x + LANE - 4, ax + reach)
            x = skip + 6
        main, others = (order[:1], order[1:]) if sided else (order, [])
        outs = [left + out for left, branch in zip(at, main, strict=False) for out in branch.outs]
        sides = [left + out for left, branch in zip(at[len(main) :], others, strict=True) for out in branch.outs]
        if skip is not None:
            (sides if sided else outs).append(skip)
        h = height + top + (GAP if after is not None else 0)
        return Fan(order, at, x, h, ax, top, height, outs, sides, skip, entered)

    def branch(
        self, items: Sequence[Item], scope: str, entering: Shape | None, entered: bool, is_trunk: bool
    ) -> PieceColumn:
        """One branch. The name of one short group without a block, or of one box, is a tag at its beginning and no frame."""
        only = items[0] if len(items) == 1 else None
        if isinstance(only, GroupItem) and not only.block and len(only.items) <= SHORT_BRANCH:
            column = self.column(only.items, only.id, entering, False, entered, "changed")
        else:
            column = self.column(items, scope, entering, is_trunk, entered, "changed")
            if not isinstance(only, (OpItem, CardItem)) or key_of(only, self.drawing) in self.opened:
                return column
        if name := branch_name(only, self.drawing, scope):
            column.tag, column.tag_text = only, name
            column.w = max(column.w, column.ax + 8 + text_width(name, SMALL))
        return column

    def weave(self, item: ArcsItem, scope: str, entering: Shape | None, is_trunk: bool) -> Weave:
        """What is not series-parallel: one column, its far edges in lanes at the right."""
        inner = self.column(item.items, scope, entering, is_trunk, entered=False)
        near = {a for a, b in item.edges if b - a == 1}
        for number, piece in enumerate(inner.pieces):
            if number not in near:
                piece.label = None
        lanes = 0
        far: list[tuple[int, int, int]] = []
        for a, b in sorted((e for e in item.edges if e[1] - e[0] > 1), key=lambda edge: edge[1] - edge[0]):
            taken = {lane for c, d, lane in far if c < b and a < d}
            lane = next(k for k in count() if k not in taken)
            lanes = max(lanes, lane + 1)
            far.append((a, b, lane))
        leaves = exit_of(item) is not None
        w = inner.w + lanes * ARC_LANE + 14
        return Weave(inner, far, near, w, inner.h + 2 * GAP, inner.ax, leaves)

    def deepest_branch(self, item: ParallelItem) -> int:
        """The branch that is on the trunk: the first of those with the most layers, and of these of those with the most nodes."""
        depths = [sum_sizes(map(self.size_of, items)) for items in item.branches]
        return depths.index(max(depths))

    def size_of(self, item: Item) -> tuple[int, int]:
        """The layers of an item, and its nodes. What nests is asked for at each level around it, so that it is kept."""
        found = self.sizes.get(id(item))
        if found is None:
            if isinstance(item, (OpItem, CardItem)):
                held = [self.drawing.nodes[i].family in LAYER_FAMILIES for i in members(item)]
                found = (sum(held), len(held))
            else:
                found = sum_sizes(self.size_of(inner) for items in children(item) for inner in items)
            self.sizes[id(item)] = found
        return found

    def is_merge(self, item: Item) -> bool:
        """Whether an item is a merge, alone or with companions."""
        return isinstance(item, (OpItem, CardItem)) and self.drawing.nodes[main_of(item)].family == "merge"

    def is_circle(self, item: Item) -> bool:
        """Whether an item is drawn as a circle: a merge whose title is one sign."""
        return self.is_merge(item) and len(self.drawing.nodes[main_of(item)].title) == 1


def takes_what_enters(items: Sequence[Item]) -> bool:
    """Whether a series begins with something that reads what enters it, and not with values of its own."""
    match items[:1]:
        case [InputItem() | ValueItem()]:
            return False
        case [ParallelItem(branches, skip)]:
            return skip or any(takes_what_enters(branch) for branch in branches)
        case [ArcsItem(_, edges)]:
            return any(a == 0 for a, _ in edges)
    return True


def sum_sizes(sizes: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """The layers and the nodes of several items together."""
    layers = nodes = 0
    for each in sizes:
        layers, nodes = layers + each[0], nodes + each[1]
    return layers, nodes
