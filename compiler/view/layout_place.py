"""Where everything goes, from the outside to the inside, and the edges. layout.py tells the rules."""

from __future__ import annotations

from math import ceil, floor

from .drawing import Drawing
from .layout import Box, Edge, Label, Layout, key_of
from .layout_pieces import GAP, HEADER, Beside, Fan, Measured, Piece, PieceColumn, Weave

MARGIN = 16
STRAIGHT = 0.5  # two x that differ by less are one


class Placing:
    """Collects the boxes, edges and labels of one drawing."""

    def __init__(self, drawing: Drawing) -> None:
        self.drawing = drawing
        self.boxes: list[Box] = []
        self.edges: list[Edge] = []
        self.labels: list[Label] = []

    def place(self, column: PieceColumn) -> Layout:
        """The whole net."""
        self.place_column(column, MARGIN, MARGIN)
        width, height = ceil(column.w + 2 * MARGIN), ceil(column.h + 2 * MARGIN)
        return Layout(width, height, tuple(self.boxes), tuple(self.edges), tuple(self.labels))

    def draw(self, path: str, arrow: bool = True, kind: str = "") -> None:
        """Adds an edge."""
        self.edges.append(Edge(path, arrow, kind))

    # ---- columns

    def place_column(self, column: PieceColumn, x: float, y: float, near: set[int] | None = None) -> None:
        """A column at its left top. In a weave only `near` pieces have an edge to the next."""
        cx = x + column.ax
        for i, piece in enumerate(column.pieces):
            after = column.pieces[i + 1] if i + 1 < len(column.pieces) else None
            self.place_piece(piece, after, cx, y)
            if i and (near is None or i in near):
                self.connect(column.pieces[i - 1], piece, cx, y)
        if column.h > column.tail:
            for out in column.outs:
                self.draw(line(x + out, y + column.tail, y + column.h), arrow=False)
        if column.label is not None:
            if not column.outs:
                self.draw(line(cx, y + column.tail, y + column.label_y), arrow=False)
            self.labels.append(Label(tenth(cx), tenth(y + column.label_y), column.label))
        for beside in column.beside:
            self.place_beside(beside, cx, x, y)

    def place_piece(self, piece: Measured, after: Measured | None, cx: float, y: float) -> None:
        """A piece of a column whose axis is at `cx` and whose top is at `y`."""
        if isinstance(piece, Fan):
            self.place_fan(piece, after, cx, y)
        elif isinstance(piece, Weave):
            self.place_weave(piece, cx - piece.ax, y + piece.y)
        else:
            self.place_box(piece, cx - piece.ax, y + piece.y)

    def connect(self, before: Measured, piece: Measured, cx: float, y: float) -> None:
        """The edge from a piece to the next one, which a fan's merge has already."""
        if isinstance(before, Fan) or (isinstance(piece, Fan) and not piece.entered):
            return
        top, bottom = y + before.y + before.h, y + piece.y
        self.draw(line(cx, top, bottom), arrow=isinstance(piece, Piece))
        if piece.label is not None:
            self.labels.append(Label(tenth(cx), tenth((top + bottom) / 2), piece.label))

    def place_box(self, piece: Piece, x: float, y: float) -> None:
        """A box, and what it holds."""
        self.boxes.append(Box(piece.key, tenth(x), tenth(y), tenth(piece.w), tenth(piece.h), piece.shape, piece.family,
                              piece.title, piece.sub, piece.rounds, tenth(piece.label_width), piece.item))  # fmt: skip
        if piece.inner is not None:
            self.place_inner(piece.inner, x + piece.ix, y + piece.iy, y + piece.entry, y + piece.h)

    def place_inner(self, column: PieceColumn, x: float, y: float, top: float, bottom: float) -> None:
        """What a frame holds, with an edge from its upper side, or from below its title, and one to its lower side."""
        if column.pieces and column.entered:
            arrow = isinstance(column.pieces[0], Piece)
            self.draw(line(x + column.ax, top, y), arrow)
        self.place_column(column, x, y)
        for out in column.outs if column.pieces else []:
            self.draw(line(x + out, y + column.h, bottom), arrow=False)

    def place_beside(self, beside: Beside, cx: float, x: float, y: float) -> None:
        """A head in its frame or an output, and the line from the axis to it."""
        left, top, tap = x + beside.x, y + beside.y, beside.tap
        axis = left + (beside.w - beside.inner.w) / 2 + beside.inner.ax
        start, lane = y + beside.from_y, None if beside.lane is None else x + beside.lane
        path = f"M{number(cx)} {number(start - 7)}V{number(start - 6)}q0 6 -6 6"
        if lane is not None:
            path += f"H{number(lane + 6)}q-6 0 -6 6V{number(top - 16)}q0 6 -6 6"
        self.draw(f"{path}H{number(axis + 6)}q-6 0 -6 6V{number(top)}", kind="tap" if tap.framed else "")
        if not tap.framed:
            self.place_column(beside.inner, left, top)
            return
        self.boxes.append(
            Box(tap.key, tenth(left), tenth(top), tenth(beside.w), tenth(beside.h), "head", "other", tap.title, tap.sub)
        )
        inner_left = left + (beside.w - beside.inner.w) / 2
        inner_top = top + HEADER + GAP - 4
        self.place_inner(beside.inner, inner_left, inner_top, top + beside.entry, top + beside.h)

    # ---- branches

    def place_fan(self, fan: Fan, after: Measured | None, cx: float, y: float) -> None:
        """The branches of a fan with their forks and joins; `after` is what merges them. `y` is the top of the column."""
        x, top = cx - fan.ax, y + fan.y
        fork = top + (min(fan.top - 8, 7) if fan.top else 0)
        bottom = y + after.y if after is not None else top + fan.h
        side = 0
        for branch, at in zip(fan.order, fan.at, strict=True):
            left = x + at
            branch_top = top + fan.top + ((fan.height - branch.h) / 2 if branch.entered else 0)
            self.place_column(branch, left, branch_top)
            if branch.tag is not None:
                self.boxes.append(Box(f"tag:{key_of(branch.tag, self.drawing)}", tenth(left + branch.ax + 5), tenth(branch_top - 15),
                                      10, 10, "tag", "other", branch.tag_text, item=branch.tag))  # fmt: skip
            if branch.entered:
                self.fork(cx, top, fork, left + branch.ax, branch_top, branch)
            for out in branch.outs:
                if any(abs(at + out - lane) < STRAIGHT for lane in fan.sides):
                    self.enter(
                        f"M{number(left + out)} {number(branch_top + branch.h)}",
                        left + out,
                        after,
                        cx,
                        bottom,
                        side,
                        fan,
                    )
                    side += 1
                else:
                    self.join(left + out, branch_top + branch.h, after, cx, bottom)
        if fan.skip is not None:
            lane = x + fan.skip
            path = f"M{number(cx)} {number(top)}V{number(fork - 5)}q0 5 5 5H{number(lane - 8)}q8 0 8 8"
            if fan.sides:
                self.enter(path, lane, after, cx, bottom, side, fan, "skip")
            else:
                self.draw(f"{path}V{number(bottom)}", arrow=after is not None, kind="skip")

    def fork(self, cx: float, top: float, fork: float, axis: float, branch_top: float, branch: PieceColumn) -> None:
        """The edge from the trunk to a branch."""
        self.draw(step_aside(cx, top, fork, axis, branch_top), isinstance(branch.pieces[0], Piece))

    def join(self, x: float, y: float, after: Measured | None, cx: float, bottom: float) -> None:
        """The edge from the end of a branch to its merge from above, or to where an outer merge takes it."""
        if after is None:
            self.draw(line(x, y, bottom), arrow=False)
        elif abs(x - cx) < STRAIGHT or (isinstance(after, Piece) and after.shape == "bar"):
            self.draw(line(x, y, bottom))
        else:
            self.draw(elbow(x, y, cx, bottom))

    def enter(
        self,
        path: str,
        x: float,
        after: Measured | None,
        cx: float,
        top: float,
        side: int,
        fan: Fan,
        kind: str = "side",
    ) -> None:
        """An edge in a lane at the right that enters a merge from its right side; the inner lanes enter higher."""
        assert isinstance(after, Piece)
        right = cx + after.w - after.ax
        if after.shape == "bar" and x < right:
            self.draw(f"{path}V{number(top)}", kind=kind)
            return
        y = top + after.h * (side + 1) / (len(fan.sides) + 1)
        self.draw(f"{path}V{number(y - 8)}q0 8 -8 8H{number(right)}", kind=kind)

    # ---- arcs

    def place_weave(self, weave: Weave, x: float, y: float) -> None:
        """A column of arcs: near edges on the axis, the others in lanes at the right."""
        inner, cx = weave.inner, x + weave.ax
        self.place_column(inner, x, y + GAP, weave.near)
        if 0 in weave.near:
            self.draw(line(cx, y, y + GAP), arrow=isinstance(inner.pieces[0], Piece))
        if weave.leaves:
            self.draw(line(cx, y + weave.h - GAP, y + weave.h), arrow=False)
        into: dict[int, list[int]] = {}
        for _, b, lane in weave.far:
            into.setdefault(b, []).append(lane)
        sources = {a for a, _, _ in weave.far}
        for a, b, lane in weave.far:
            lane_x = x + inner.w + 10 + lane * 12
            target = inner.pieces[b - 1]
            slots = len(into[b]) + (b in sources) + 1
            slot = sum(other >= lane for other in into[b])
            end = y + GAP + target.y + target.h * slot / slots
            if a:
                source = inner.pieces[a - 1]
                entering = len(into.get(a, ()))
                start = y + GAP + source.y + source.h * (entering + 1) / (entering + 2)
                path = f"M{number(cx + source.w - source.ax)} {number(start)}"
            else:
                start = y + 6
                path = f"M{number(cx)} {number(y)}q0 6 6 6"
            self.draw(
                f"{path}H{number(lane_x - 6)}q6 0 6 6V{number(end - 6)}q0 6 -6 6H{number(cx + target.w - target.ax)}",
                kind="skip",
            )


def line(x: float, y: float, end: float) -> str:
    """A vertical line."""
    return f"M{number(x)} {number(y)}V{number(end)}"


def step_aside(x: float, y: float, level: float, end_x: float, end_y: float) -> str:
    """Down, across at a level, and down again."""
    if abs(end_x - x) < STRAIGHT:
        return line(x, y, end_y)
    q = min(5, abs(end_x - x) / 2)
    s = 1 if end_x > x else -1
    return (
        f"M{number(x)} {number(y)}V{number(level - q)}q0 {number(q)} {number(s * q)} {number(q)}H{number(end_x - s * q)}"
        f"q{number(s * q)} 0 {number(s * q)} {number(q)}V{number(end_y)}"
    )


def elbow(x: float, y: float, end_x: float, end_y: float) -> str:
    """Down, across and down again."""
    middle = (y + end_y) / 2
    s = 1 if end_x > x else -1
    q = min(6, abs(end_x - x) / 2, abs(end_y - y) / 2)
    return (
        f"M{number(x)} {number(y)}V{number(middle - q)}q0 {number(q)} {number(s * q)} {number(q)}H{number(end_x - s * q)}"
        f"q{number(s * q)} 0 {number(s * q)} {number(q)}V{number(end_y)}"
    )


def tenth(value: float) -> float:
    """A number rounded to tenths, halves up."""
    return floor(value * 10 + 0.5) / 10


def number(value: float) -> str:
    """A number in a path, as JavaScript writes it."""
    rounded = tenth(value)
    return str(int(rounded)) if rounded == int(rounded) else repr(rounded)
