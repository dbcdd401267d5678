"""Where labels stand: beside their marks, over no other mark and no other label, as far as there is room. The same input gives the same places.

Everything is in points, from the lower left corner.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

DIRECTIONS = [0, 180, 90, 270, 45, 135, 315, 225, 22, 158, 202, 338, 67, 113, 247, 293]
DISTANCES = (2, 8, 16, 26, 38, 52, 70)
ROUNDS = 3
GAP = 1.5


class Circle(NamedTuple):
    """A mark of the chart, in points of the figure, from its lower left corner."""

    x: float
    y: float
    radius: float


class Rectangle(NamedTuple):
    """A label, or the room for marks, in points of the figure, from its lower left corner."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def centre(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.bottom + self.top) / 2


def place_labels(marks: Sequence[Circle], sizes: Sequence[tuple[float, float]], room: Rectangle) -> list[Rectangle]:
    """A box for each label of these `sizes` (width, height), one a mark. Each takes its best place; then each looks again, now that
    the others have theirs."""
    around = [Rectangle(m.x - m.radius, m.y - m.radius, m.x + m.radius, m.y + m.radius) for m in marks]
    placed: dict[int, Rectangle] = {}
    # those with many neighbours have the least choice, and choose first
    crowd = [sum(math.hypot(m.x - o.x, m.y - o.y) < 80 for o in marks) for m in marks]
    order = sorted(range(len(marks)), key=lambda i: (-crowd[i], i))
    for _ in range(ROUNDS):
        for i in order:
            others = [box for j, box in placed.items() if j != i]
            placed[i] = find_place(candidates(marks[i], sizes[i]), others, [*around[:i], *around[i + 1 :]], room)
    return [placed[i] for i in range(len(marks))]


def find_place(
    places: Iterable[tuple[Rectangle, float]], labels: Sequence[Rectangle], marks: Sequence[Rectangle], room: Rectangle
) -> Rectangle:
    """The cheapest of the places, which come with what each costs by itself, the cheapest first."""
    best, least = Rectangle(0, 0, 0, 0), math.inf
    for box, own in places:
        if own >= least:
            break
        whole = own + cost(box, labels, marks, room)
        if whole < least:
            best, least = box, whole
    return best


def candidates(mark: Circle, size: tuple[float, float]) -> Iterator[tuple[Rectangle, float]]:
    """The places that a label may take, each with what it costs to be there, the cheapest first: inside its mark if that is wide enough,
    then around it, farther and farther."""
    width, height = size
    if math.hypot(width, height) < 1.9 * mark.radius:
        yield box_at(mark.x, mark.y, size), 0.0
    for ring, distance in enumerate(DISTANCES):
        for preference, degrees in enumerate(DIRECTIONS):
            dx, dy = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
            x = mark.x + dx * (mark.radius + distance) + reach(dx) * width / 2
            y = mark.y + dy * (mark.radius + distance) + reach(dy) * height / 2
            yield box_at(x, y, size), 40.0 * ring + 2.0 * preference


def reach(part: float) -> float:
    """Which end of the label is at the mark: -1 its right or top one, 1 the other, in between its middle."""
    return max(-1.0, min(1.0, part * 1.5))


def box_at(x: float, y: float, size: tuple[float, float]) -> Rectangle:
    return Rectangle(x - size[0] / 2, y - size[1] / 2, x + size[0] / 2, y + size[1] / 2)


def cost(box: Rectangle, labels: Sequence[Rectangle], marks: Sequence[Rectangle], room: Rectangle) -> float:
    """What a place costs: covering other labels or leaving the chart most, then covering other marks."""
    covered = sum(overlap(box, each) for each in labels)
    outside = (box.right - box.left) * (box.top - box.bottom) - overlap(box, room, 0.0)
    return 20.0 * (covered + outside) + 2.0 * sum(overlap(box, each) for each in marks)


def overlap(one: Rectangle, other: Rectangle, gap: float = GAP) -> float:
    """The area that two boxes share, with a gap around."""
    width = min(one.right, other.right) - max(one.left, other.left) + gap
    height = min(one.top, other.top) - max(one.bottom, other.bottom) + gap
    return max(width, 0.0) * max(height, 0.0)
