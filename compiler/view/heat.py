"""How much of a net's cost each box of a picture has."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, sqrt
from typing import NamedTuple

from ..counts import format_count
from .drawing import Costs, Drawing, members
from .layout import Box

STEPS = 5  # above nothing
HEATS = {
    "params": "parameters",
    "macs": "MACs",
    "activations": "activations",
    "memory": "bytes of all outputs",
    "time": "ms",
}
FIELDS = {"memory": "bytes", "time": "time_ms"}


def measure_of(costs: Costs, heat: str) -> float:
    """The one figure of some costs; 0 where it was not measured."""
    return float(getattr(costs, FIELDS.get(heat, heat)) or 0)


class Heat(NamedTuple):
    """One measure of the boxes of a picture, by their keys; `peak` is the largest, `total` the net's."""

    name: str
    values: dict[str, float]
    peak: float
    total: float

    def share(self, box: Box) -> float:
        """A box's part of the largest one, 0 to 1."""
        return self.values.get(box.key, 0.0) / self.peak if self.peak else 0.0

    def step(self, box: Box) -> int:
        """Its colour, 0 to 5, by the square root of its share, so that small ones differ, too."""
        return min(STEPS, max(0, ceil(sqrt(self.share(box)) * STEPS - 0.25)))


def measure_boxes(drawing: Drawing, boxes: Iterable[Box], name: str) -> Heat:
    """The heat of boxes that hold no others."""
    values = {
        box.key: sum(measure_of(drawing.nodes[i].costs, name) for i in members(box.item))
        for box in boxes
        if box.item is not None and box.shape not in ("open", "tag")
    }
    return Heat(name, values, max(values.values(), default=0.0), measure_of(drawing.totals, name))


def format_measure(value: float, heat: str) -> str:
    """A figure with its unit: `604 M MACs`, `1.20 MB of all outputs`, `3.86 ms`."""
    if heat == "time":
        return f"{value:.0f} ms" if value >= 99.95 else f"{value:.3g} ms"
    count = format_count(value)
    if heat == "memory":
        return f"{count}{'' if ' ' in count else ' '}B of all outputs"
    return f"{count} {HEATS[heat]}"
