"""What is measured and then placed: boxes, branches and columns; and how wide texts are. layout.py tells the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log2

from .drawing import CardItem, Item, OpItem, Shape

CHAR, SMALL, BOLD, LONGEST = 5.9, 0.85, 1.08, 60
PAD, GAP, LABEL_GAP, END_GAP, TAP_GAP, HEADER = 10, 18, 32, 24, 14, 22
FORK, TAG, LANE, BESIDE, ARC_LANE, HEAD_GAP, TAP_LANE, TAP_DROP = 14, 8, 20, 14, 12, 40, 8, 16
SHORT_BRANCH = 8  # a branch under one name with at most so many items needs no frame


@dataclass(slots=True)
class Piece:
    """A measured box. What an open one holds is `inner`, at (`ix`, `iy`) in it, and `entry` how far below its upper edge the line on its axis begins.

    `y` and `label` are set by its column.
    """

    key: str
    shape: str
    family: str
    title: str
    w: float
    h: float
    ax: float
    item: Item | None = None
    sub: str = ""
    rounds: int = 0
    label_width: float = 0.0
    inner: PieceColumn | None = None
    ix: float = 0.0
    iy: float = 0.0
    entry: float = 0.0
    y: float = 0.0
    label: Shape | None = None

    @property
    def leaves(self) -> bool:
        return self.shape != "output"


@dataclass(slots=True)
class Fan:
    """Measured branches in the order from left to right, each at `at` in it, between its fork, `top` high, and its join.

    `outs` are the x at which something leaves to the merge; those of `sides` enter it from its right side. `skip` is the x of the
    lane of what passes the branches, or None. `entered` says whether anything forks.
    """

    order: list[PieceColumn]
    at: list[float]
    w: float
    h: float
    ax: float
    top: float
    height: float
    outs: list[float]
    sides: list[float]
    skip: float | None
    entered: bool
    y: float = 0.0
    label: Shape | None = None


@dataclass(slots=True)
class Weave:
    """A measured column of arcs. `far` are (from, to, lane); `near` are the pieces whose value the next one reads."""

    inner: PieceColumn
    far: list[tuple[int, int, int]]
    near: set[int]
    w: float
    h: float
    ax: float
    leaves: bool
    y: float = 0.0
    label: Shape | None = None


Measured = Piece | Fan | Weave


@dataclass(slots=True)
class Beside:
    """What stands at the left of a column, its frame at (`x`, `y`) in the column, and the `from_y` at which its line leaves the axis.

    The line goes down in the `lane` of that x where another frame is in its way. It goes on in the frame `entry` below its upper edge.
    """

    tap: Tap
    inner: PieceColumn
    w: float
    h: float
    x: float = 0.0
    y: float = 0.0
    from_y: float = 0.0
    lane: float | None = None
    entry: float = 0.0


@dataclass(slots=True)
class PieceColumn:
    """Measured pieces on one axis. `outs` are the x at which it is left; `tail` is where its last piece ends; `entered` says whether
    anything enters it. `label` is the shape that is told at its end, at `label_y`."""

    pieces: list[Measured]
    w: float
    h: float
    ax: float
    outs: list[float]
    tail: float = 0.0
    entered: bool = True
    tag: Item | None = None
    tag_text: str = ""
    beside: list[Beside] = field(default_factory=list)
    label: Shape | None = None
    label_y: float = 0.0


@dataclass(slots=True)
class Tap:
    """What is read from a value on its way: a head, or an output that the net goes on from."""

    key: str
    source: int
    items: tuple[Item, ...]
    title: str = ""
    sub: str = ""

    @property
    def framed(self) -> bool:
        return bool(self.title)

    @property
    def path(self) -> str:
        """The path of the head, or the name of the output."""
        return self.key.partition(":")[2]


def span_bar(bar: Piece, outs: Sequence[float]) -> None:
    """Makes a bar as wide as what it merges; `outs` are relative to its axis."""
    low = min(*outs, 6 - bar.w / 2) - 6
    high = max(*outs, bar.w / 2 - 6) + 6
    bar.w, bar.ax = high - low, -low


def gap_before(before: Measured, piece: Measured) -> float:
    """The room between two pieces."""
    if isinstance(before, Fan):
        return 0
    if isinstance(piece, Fan):
        return (LABEL_GAP - 8 if piece.label is not None else 6) if piece.entered else GAP
    return LABEL_GAP if piece.label is not None else GAP


def entry_y(axis: float, title: float, limit: float) -> float:
    """How far below a frame's upper edge the line on its axis begins: below the title, if that ends behind the axis."""
    return 0 if title <= axis <= limit else HEADER - 2


def shift(column: PieceColumn, by: float) -> None:
    """Moves what a column holds beside its axis to the right."""
    column.outs = [x + by for x in column.outs]
    for beside in column.beside:
        beside.x += by
        beside.lane = beside.lane + by if beside.lane is not None else None


def main_of(item: Item) -> int:
    """The node that gives a box its title."""
    assert isinstance(item, (OpItem, CardItem))
    return item.main if isinstance(item, CardItem) else item.node


def text_width(text: str, scale: float = 1.0) -> float:
    """How wide a text is."""
    return sum(2 if 0x1100 <= ord(c) <= 0x115F or ord(c) >= 0x2E80 else 1 for c in text) * CHAR * scale


def shorten(text: str) -> str:
    """A text as it is shown: cut if it is very long."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def relative(path: str, scope: str) -> str:
    """A path without that of the group around."""
    return path[len(scope) + 1 :] if scope and path.startswith(f"{scope}.") else path


def shape_text(shape: Shape) -> str:
    """`64×56×56`."""
    return "×".join(map(str, shape)) if shape else "scalar"


def channels(shape: Shape) -> int:
    """The first size; 1 where it is none, or not known."""
    return shape[0] if shape and isinstance(shape[0], int) and shape[0] > 0 else 1


def slab_half(shape: Shape) -> float:
    """Half of a slab's width."""
    return 3 + 2 * log2(channels(shape))


def label_width(shape: Shape) -> float:
    """What a label needs at the right of the axis."""
    return slab_half(shape) + 8 + text_width(shape_text(shape), SMALL)
