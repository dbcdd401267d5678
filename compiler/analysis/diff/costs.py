"""The costs of two nets side by side."""

from __future__ import annotations

from typing import NamedTuple

from ...ir.graph import Graph
from ..cost import HeightWidth, cost


class CostChange(NamedTuple):
    """A cost of the nets `a` and `b`: a number, or height and width. `name` is what `archc cost --format json` calls it."""

    name: str
    a: int | HeightWidth
    b: int | HeightWidth

    @property
    def differs(self) -> bool:
        return self.a != self.b

    @property
    def difference(self) -> int | HeightWidth:
        """How much more `b` has."""
        if isinstance(self.a, tuple) and isinstance(self.b, tuple):
            return self.b[0] - self.a[0], self.b[1] - self.a[1]
        assert isinstance(self.a, int) and isinstance(self.b, int)
        return self.b - self.a

    @property
    def ratio(self) -> float | None:
        """How many times as much `b` has; None for height and width, and where `a` has none."""
        return self.b / self.a if isinstance(self.a, int) and isinstance(self.b, int) and self.a else None


def compare_costs(a: Graph, b: Graph) -> tuple[CostChange, ...]:
    """Every cost of two nets, per image."""
    ours, theirs = cost(a), cost(b)
    pairs: dict[str, tuple[int | HeightWidth, int | HeightWidth]] = {
        "params": (ours.params.total, theirs.params.total),
        "params_without_aux": (ours.params.without_aux, theirs.params.without_aux),
        "macs": (ours.macs, theirs.macs),
        "activations": (ours.activations, theirs.activations),
        "peak_activation_bytes": (ours.peak_activation_bytes, theirs.peak_activation_bytes),
        "depth": (ours.depth, theirs.depth),
        "receptive_field": (ours.receptive_field, theirs.receptive_field),
        "min_input": (ours.min_input, theirs.min_input),
    }
    return tuple(CostChange(name, x, y) for name, (x, y) in pairs.items())
