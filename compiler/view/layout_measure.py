"""How large everything is, from the inside to the outside. layout.py tells the rules."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

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


class Measuring:
    """Measures one drawing with some of its items open."""

    def __init__(self, drawing: Drawing, opened: Collection[str]) -> None:
        self.drawing, self.opened = drawing, opened
        self.taps = list(find_taps(drawing))

    def measure(self) -> PieceColumn:
        """The whole net."""
        column = self.column(self.drawing.tree, "", None, is_top=True, entered=False)
        last = column.pieces[-1] if column.pieces else None
        if isinstance(last, Fan):  # nothing reads on: an input that nothing reads has no line
            for branch in last.order:
                branch.outs = []
        return column

    # ---- columns

    def column(
        self, items: Sequence[Item], scope: str, entering: Shape | None, is_top: bool = False, entered: bool = True
    ) -> PieceColumn:
        """A series. `scope` is the group around, `entering` the shape of what enters."""
        hung = [self.take_taps(item) for item in items]
        entered = entered and takes_what_enters(items)
        pieces: list[Measured] = []
        shape = entering
        shapes: list[Shape | None] = []
        for i, item in enumerate(items):
            after = items[i + 1] if i + 1 < len(items) else None
            follows_fan = i > 0 and isinstance(items[i - 1], ParallelItem)
            pieces.append(self.piece(item, scope, shape, after, follows_fan, entered or i > 0))
            value = exit_of(item)
            shapes.append(shape)
            shape = self.drawing.shape_of(value) if value is not None else shape
        for i in range(1, len(items)):
            pieces[i].label = self.label_between(items, shapes, i, is_top)
        column = self.stack(pieces, hung, scope)
        column.entered = entered
        return column

    def stack(self, pieces: list[Measured], hung: list[list[Tap]], scope: str) -> PieceColumn:
        """Pieces on one axis, with what hangs on each at its left."""
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
        column = PieceColumn(pieces, left + right, y, left, [left], y)
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
        inner = self.column(tap.items, tap.key if tap.framed else scope, shape)
        if not tap.framed:
            return Beside(tap, inner, inner.w, inner.h)
        tap.title = relative(tap.title, scope)
        need = text_width(tap.title, BOLD) + 8 + text_width(tap.sub, SMALL) + 2 * PAD
        extra = max(0.0, need - inner.w - 2 * PAD)
        inner.w += extra
        inner.ax += extra / 2
        shift(inner, extra / 2)
        return Beside(tap, inner, inner.w + 2 * PAD, inner.h + HEADER + GAP - 4 + PAD)

    def take_taps(self, item: Item) -> list[Tap]:
        """What reads the value that leaves an item; each is taken once, by the outermost item that it leaves."""
        value = None if isinstance(item, ValueItem) else exit_of(item)
        taken = [tap for tap in self.taps if tap.source == value]
        self.taps = [tap for tap in self.taps if tap.source != value]
        return taken

    def label_between(
        self, items: Sequence[Item], shapes: Sequence[Shape | None], i: int, is_top: bool
    ) -> Shape | None:
        """The shape to tell between an item and the one before it, or None: where it changes, inside of groups where the resolution does."""
        value = exit_of(items[i - 1])
        if value is None:
            return None
        shape, before = self.drawing.shape_of(value), shapes[i - 1]
        if isinstance(items[i - 1], (InputItem, ValueItem)) or isinstance(items[i], OutputItem) or before is None:
            return shape
        return shape if (before != shape if is_top else before[1:] != shape[1:]) else None

    # ---- pieces

    def piece(
        self, item: Item, scope: str, entering: Shape | None, after: Item | None, follows_fan: bool, entered: bool
    ) -> Measured:
        """Any item."""
        match item:
            case ParallelItem():
                return self.fan(item, scope, entering, after, entered)
            case ArcsItem():
                return self.weave(item, scope, entering)
            case GroupItem(id, block, items) if id in self.opened:
                return self.wrap(item, self.column(items, id, entering), relative(id, scope), block)
            case RepeatItem() if key_of(item, self.drawing) in self.opened:
                return self.open_repeat(item, scope, entering)
            case GroupItem() | RepeatItem():
                return self.closed(item, scope, entering)
            case CardItem(nodes) if key_of(item, self.drawing) in self.opened and not self.is_merge(item):
                inner = self.column([OpItem(node) for node in nodes], scope, entering)
                title, _ = self.box_texts(item)
                return self.wrap(item, inner, relative(item.id, scope) if item.id else title, "")
        return self.box(item, follows_fan)

    def box(self, item: Item, follows_fan: bool) -> Piece:
        """An input, an output, an op or a card."""
        key = key_of(item, self.drawing)
        title, sub = self.box_texts(item)
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

    def box_texts(self, item: Item) -> tuple[str, str]:
        """The two lines of a box: what its layer is, and the companions before it, with an arrow, and behind it."""
        if isinstance(item, InputItem):
            return shorten(self.drawing.inputs[item.input].name), ""
        if isinstance(item, ValueItem):
            return shorten(self.drawing.name_of(item.value)), ""
        if isinstance(item, OutputItem):
            return shorten(self.drawing.outputs[item.output].name), ""
        nodes = tuple(members(item))
        titles = [self.drawing.nodes[node].title for node in nodes]
        at = nodes.index(main_of(item))
        before, behind = " · ".join(titles[:at]), " · ".join(titles[at + 1 :])
        sub = f"{before} → · {behind}" if before and behind else f"{before} →" if before else behind
        return shorten(titles[at]), shorten(sub)

    def closed(self, item: GroupItem | RepeatItem, scope: str, entering: Shape | None) -> Piece:
        """A closed group or repeat: its name, its block, what is in it."""
        rounds = item.items if isinstance(item, RepeatItem) else ()
        first = rounds[0] if rounds else item
        room = 30 if rounds else 0
        if isinstance(first, GroupItem):
            title, sub = self.repeat_title(item, scope) if rounds else relative(first.id, scope), self.summary(first)
            sub = " · ".join(text for text in (first.block, sub) if text)
            family = "group"
        else:
            title, sub = self.box_texts(first)
            family = self.drawing.nodes[main_of(first)].family
        if rounds:
            sub = " · ".join(text for text in (sub, self.channels_change(item, entering)) if text)
        title, sub = shorten(title), shorten(sub)
        w = max(96.0, text_width(title, BOLD) + 2 * PAD + 14 + room, text_width(sub, SMALL) + 2 * PAD)
        shape = "stack" if rounds else "group"
        return Piece(key_of(item, self.drawing), shape, family, title, w, 40, w / 2, item, sub, len(rounds))

    def repeat_title(self, item: Item, scope: str) -> str:
        """The names of the first and the last round: `denselayer1 … denselayer6`."""
        assert isinstance(item, RepeatItem)
        first, last = item.items[0], item.items[-1]
        if not (isinstance(first, (GroupItem, CardItem)) and first.id and isinstance(last, (GroupItem, CardItem))):
            return self.box_texts(first)[0]
        return f"{relative(first.id, scope)} … {last.id.rpartition('.')[2]}"

    def channels_change(self, item: Item, entering: Shape | None) -> str:
        """How the channels change over a repeat: `64→256`, or nothing."""
        value = exit_of(item)
        leaving = self.drawing.shape_of(value) if value is not None else None
        return f"{entering[0]}→{leaving[0]}" if entering and leaving and entering != leaving else ""

    def summary(self, group: GroupItem) -> str:
        """What is in a closed group, in words."""
        branches = [
            len(i.branches) + i.skip for i in group.items if isinstance(i, ParallelItem) and len(i.branches) > 1
        ]
        skips = any(isinstance(item, ParallelItem) and item.skip for item in group.items)
        held = set(members(group))
        layers = sum(self.drawing.nodes[i].family in LAYER_FAMILIES for i in held)
        inside = sum(tap.source in held for tap in self.taps)
        parts = [f"{max(branches)} branches"] if branches else ["skip"] if skips else []
        parts += [f"{layers} layer{'' if layers == 1 else 's'}"]
        return ", ".join(parts + [f"{inside} beside"] * bool(inside))

    def open_repeat(self, item: RepeatItem, scope: str, entering: Shape | None) -> Piece:
        """An open repeat: its first round stands for all, unless all are shown."""
        first = item.items[0]
        title, block = self.repeat_title(item, scope), first.block if isinstance(first, GroupItem) else ""
        if not isinstance(first, GroupItem) or f"{key_of(item, self.drawing)}*" in self.opened:
            return self.wrap(item, self.column(item.items, scope, entering), title, block)
        return self.wrap(item, self.column(first.items, first.id, entering), title, block, len(item.items))

    def wrap(self, item: Item, inner: PieceColumn, title: str, block: str, rounds: int = 0) -> Piece:
        """A frame with a header around a column."""
        title, block = shorten(title), shorten(block)
        need = text_width(f"{title}  {block}" if block else title, BOLD) + 44 + (30 if rounds else 0)
        extra = max(0.0, need - (inner.w + 2 * PAD))
        left = PAD + extra / 2
        return Piece(key_of(item, self.drawing), "open", "group", title, inner.w + 2 * PAD + extra,
                     inner.h + HEADER + 2 * GAP - 6, inner.ax + left, item, block, rounds,
                     inner=inner, ix=left, iy=HEADER + GAP - 4)  # fmt: skip

    # ---- branches and arcs

    def fan(self, item: ParallelItem, scope: str, entering: Shape | None, after: Item | None, entered: bool) -> Fan:
        """Branches. Into a circle, or where there is one branch only, the deepest is on the trunk and the others enter from the right."""
        branches = [self.branch(items, scope, entering, entered) for items in item.branches]
        deepest = branches[deepest_branch(item, self.drawing)]
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

    def branch(self, items: Sequence[Item], scope: str, entering: Shape | None, entered: bool) -> PieceColumn:
        """One branch. One short group without a block, and one card with a name, are a tag at its beginning and no frame."""
        only = items[0] if len(items) == 1 else None
        if isinstance(only, GroupItem) and not only.block and len(only.items) <= SHORT_BRANCH:
            column = self.column(only.items, only.id, entering, entered=entered)
        else:
            column = self.column(items, scope, entering, entered=entered)
            if not isinstance(only, CardItem) or not only.id or only.id in self.opened:
                return column
        column.tag, column.tag_text = only, shorten(relative(only.id, scope))
        column.w = max(column.w, column.ax + 8 + text_width(column.tag_text, SMALL))
        return column

    def weave(self, item: ArcsItem, scope: str, entering: Shape | None) -> Weave:
        """What is not series-parallel: one column, its far edges in lanes at the right."""
        inner = self.column(item.items, scope, entering, entered=False)
        near = {a for a, b in item.edges if b - a == 1}
        for number, piece in enumerate(inner.pieces):
            if number not in near:
                piece.label = None
        lanes: list[list[tuple[int, int]]] = []
        far = []
        for a, b in sorted((e for e in item.edges if e[1] - e[0] > 1), key=lambda edge: edge[1] - edge[0]):
            lane = next((k for k, used in enumerate(lanes) if all(b <= c or d <= a for c, d in used)), len(lanes))
            if lane == len(lanes):
                lanes.append([])
            lanes[lane].append((a, b))
            far.append((a, b, lane))
        leaves = exit_of(item) is not None
        w = inner.w + len(lanes) * ARC_LANE + 14
        return Weave(inner, far, near, w, inner.h + 2 * GAP, inner.ax, leaves)

    def is_merge(self, item: Item) -> bool:
        """Whether an item is a merge, alone or with companions."""
        return isinstance(item, (OpItem, CardItem)) and self.drawing.nodes[main_of(item)].family == "merge"

    def is_circle(self, item: Item) -> bool:
        """Whether an item is drawn as a circle: a merge whose title is one sign."""
        return self.is_merge(item) and len(self.drawing.nodes[main_of(item)].title) == 1


def find_taps(drawing: Drawing) -> Iterator[Tap]:
    """Everything that stands beside a column."""
    in_series = set(output_items(drawing.tree)) | {k for head in drawing.heads for k in output_items(head.items)}
    for k, output in enumerate(drawing.outputs):
        if k not in in_series:
            yield Tap(f"out:{output.name}", output.node, (OutputItem(k),))
    for head in drawing.heads:
        sub = ""
        if head.weight is not None:
            sub = f"training only, loss × {head.weight:g}"
        title = shorten(head.path) if head.weight is not None else ""
        yield Tap(f"head:{head.path}", head.source, head.items, title, sub)


def output_items(items: Sequence[Item]) -> Iterator[int]:
    """The outputs that stand in a series, or in one inside of it."""
    for item in items:
        if isinstance(item, OutputItem):
            yield item.output
        for inner in children(item):
            yield from output_items(inner)


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


def deepest_branch(item: ParallelItem, drawing: Drawing) -> int:
    """The branch that is on the trunk: the first of those with the most layers, and of these of those with the most nodes."""
    held = [[drawing.nodes[i].family for each in items for i in members(each)] for items in item.branches]
    depths = [(sum(family in LAYER_FAMILIES for family in families), len(families)) for families in held]
    return depths.index(max(depths))
