"""The roofline of a net on a card: the least time of each layer, and whether arithmetic or memory sets it. An upper bound on speed.

The model (Williams et al. 2009): a layer takes at least as long as its FLOPs at the card's peak, and at least as long as its bytes at the
memory's speed. Its bytes are its inputs and outputs, for each image, and its weights, once a batch. Layers are what activations count:
convolutions, linear layers and pools. All other steps are taken as fused into these, and cost nothing; layers run one after the other.
"""

from __future__ import annotations

from typing import NamedTuple

from ..ir.graph import Graph, Node
from ..ops.op import op_of
from .cards import Card
from .cost import ELEMENT_BYTES, live_nodes, op_cost


class LayerTime(NamedTuple):
    """What a layer, or several, take of a batch: FLOPs, bytes, and the least seconds of both."""

    flops: int
    bytes: int
    seconds: float
    arithmetic_seconds: float  # of those layers that arithmetic bounds

    @property
    def bound(self) -> str:
        """What sets most of the time: arithmetic, or memory; empty where there is none."""
        if not self.seconds:
            return ""
        return "arithmetic" if 2 * self.arithmetic_seconds >= self.seconds else "memory"

    @property
    def intensity(self) -> float:
        """FLOPs a byte."""
        return self.flops / self.bytes if self.bytes else 0.0


NO_TIME = LayerTime(0, 0, 0.0, 0.0)


class Roofline(NamedTuple):
    """A net on a card: `layers` has an entry for each node of the graph, in order."""

    card: Card
    precision: str
    batch: int
    layers: tuple[LayerTime, ...]

    @property
    def total(self) -> LayerTime:
        return sum_times(self.layers)

    @property
    def ridge(self) -> float:
        """The FLOPs a byte from which on arithmetic is what bounds."""
        return self.card.peak(self.precision) / self.card.bandwidth

    @property
    def images_per_second(self) -> float:
        """The most images a second; 0 for a net of no layers, which nothing bounds."""
        return self.batch / self.total.seconds if self.total.seconds else 0.0


def roofline(graph: Graph, card: Card, precision: str, batch: int) -> Roofline:
    """The least time of each layer for `batch` images. Raises Failure `usage` where no number of the card's is known for the precision."""
    peak = card.peak(precision)
    size = ELEMENT_BYTES[precision]
    alive = {node.path for node in live_nodes(graph)}

    def time(node: Node) -> LayerTime:
        """The longer of a layer's arithmetic and its bytes."""
        costs = op_cost(op_of(node), node.output.type, *node.input_types)
        if node.path not in alive or not costs.activations:
            return NO_TIME
        flops = 2 * costs.macs * batch
        moved = node.output.type.elements + sum(x.elements for x in node.input_types if not x.is_control)
        total = size * (moved * batch + costs.params)
        arithmetic, memory = flops / peak, total / card.bandwidth
        return LayerTime(flops, total, max(arithmetic, memory), arithmetic if arithmetic >= memory else 0.0)

    return Roofline(card, precision, batch, tuple(map(time, graph.nodes)))


def sum_times(times: tuple[LayerTime, ...]) -> LayerTime:
    """What layers take one after the other."""
    return LayerTime(
        sum(x.flops for x in times),
        sum(x.bytes for x in times),
        sum(x.seconds for x in times),
        sum(x.arithmetic_seconds for x in times),
    )


def largest_batch(card: Card, fixed_bytes: int, image_bytes: int) -> int | None:
    """How many images fit the card's memory beside what is there once; 0 where not even one does, None where that is not known."""
    if not card.memory or not image_bytes:
        return None
    return max(int((card.memory - fixed_bytes) // image_bytes), 0)
