"""What a net costs, read off its graph: parameters, MACs, activations, memory, depth, receptive field, minimum input.

The conventions:
- All numbers are for one image and one inference pass, so an auxiliary head costs no MACs. Its parameters count in
  `params.total` and not in `params.without_aux`; buffers count in neither.
- MACs are the multiply-accumulates of convolutions and linear layers (1 MAC = 2 FLOPs), with those that fall on padding.
- Activations are the output elements of convolutions, pools and linear layers, but for an adaptive pool that changes nothing.
- Depth is the longest chain of convolutions and linear layers.
- The receptive field is that of the final features; see receptive_field.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import NamedTuple

from ..ir.graph import Graph, Node
from ..ir.provenance import Frame
from ..ir.types import TensorType
from ..ops.op import Op, op_of
from .depth import depth

HeightWidth = tuple[int, int]
# of an element, by the precision that bytes are told for
ELEMENT_BYTES = {"fp32": 4, "tf32": 4, "fp16": 2, "int8": 1}
# tensors of the parameters' size that an optimiser keeps: SGD with momentum one, Adam two averages
OPTIMIZERS = {"sgd": 0, "sgd_momentum": 1, "adam": 2}


class Params(NamedTuple):
    """How many parameters a net has.

    total        in all
    without_aux  without those of its auxiliary heads
    """

    total: int
    without_aux: int


class Layer(NamedTuple):
    """The costs of one node, or of several in one row, for one image.

    path         of the step
    op           its operation
    source       its place in the spec, `file:line`; empty where it has none
    output       its sizes without the batch: (C, H, W)
    params       parameters
    macs         multiply-accumulates
    activations  elements of its output; 0 for an operation whose output is not counted
    aux          only an auxiliary head needs it, so that it costs nothing at inference
    times        how many equal rounds of a `repeat` the row stands for, whose costs it sums up
    """

    path: str
    op: str
    source: str
    output: tuple[int, ...]
    params: int
    macs: int
    activations: int
    aux: bool
    times: int = 1


class OpCost(NamedTuple):
    """What one application of an op adds at inference."""

    params: int
    macs: int
    activations: int


class Cost:
    """The costs of one graph; each number is worked out when it is first asked for."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._costs = tuple(op_cost(op_of(node), node.output.type, *node.input_types) for node in graph.nodes)
        self.name = graph.name
        self.inputs = {value.name: value.type.sizes for value in graph.inputs}
        self.outputs = {output.name: output.value.type.sizes for output in graph.outputs}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.name}: {self.params.total:,} parameters, {self.macs:,} MACs, depth {self.depth}>"

    @cached_property
    def _live(self) -> tuple[Node, ...]:
        return live_nodes(self._graph)

    @cached_property
    def _alive(self) -> frozenset[str]:
        """The paths of the nodes that the outputs need."""
        return frozenset([node.path for node in self._live])

    @cached_property
    def _live_costs(self) -> tuple[OpCost, ...]:
        """The costs of the nodes that the outputs need."""
        return tuple([x for node, x in zip(self._graph.nodes, self._costs, strict=True) if node.path in self._alive])

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The costs of each node, in the graph's order."""
        both = zip(self._graph.nodes, self._costs, strict=True)
        return tuple(make_layer(node, costs, node.path not in self._alive) for node, costs in both)

    @property
    def frames(self) -> tuple[tuple[Frame, ...], ...]:
        """What each layer was expanded from, outermost first."""
        return tuple(node.frames for node in self._graph.nodes)

    @cached_property
    def params(self) -> Params:
        """Its parameters; buffers are not counted."""
        return Params(sum(x.params for x in self._costs), sum(x.params for x in self._live_costs))

    @cached_property
    def macs(self) -> int:
        """The multiply-accumulates of one inference pass for one image (1 MAC = 2 FLOPs)."""
        return sum(x.macs for x in self._live_costs)

    @cached_property
    def activations(self) -> int:
        """The output elements of convolutions, pools and linear layers, for one image."""
        return sum(x.activations for x in self._live_costs)

    @cached_property
    def input_elements(self) -> int:
        """The elements of its inputs, for one image."""
        return sum(value.type.elements for value in self._graph.inputs)

    @cached_property
    def weights(self) -> dict[str, int]:
        """How many elements the weight of each convolution and linear layer has, by path; no biases, no normalisation."""
        counted = (node for node in self._graph.nodes if op_of(node).counts == "weight")
        return {node.path: op_of(node).params(*node.input_types)["weight"].elements for node in counted}

    @cached_property
    def weight_layers(self) -> Mapping[str, int]:
        """How many convolutions and linear layers there are, by op; those of auxiliary heads are counted as `aux`."""
        counted = (node for node in self._graph.nodes if op_of(node).counts == "weight")
        return Counter(node.op.name if node.path in self._alive else "aux" for node in counted)

    @cached_property
    def depth(self) -> int:
        """The longest chain of convolutions and linear layers."""
        return depth(self._graph, self._live)

    @cached_property
    def receptive_field(self) -> HeightWidth:
        """(height, width) in pixels of the part of the picture that one position of the last map sees."""
        from .receptive_field import receptive_field

        return receptive_field(self._graph, self._live)

    @cached_property
    def peak_activation_bytes(self) -> int:
        """The most bytes of activations in float32 that are alive at once, for one image."""
        from .memory import peak_bytes

        return peak_bytes(self._graph, self._live)

    @cached_property
    def min_input(self) -> HeightWidth:
        """(height, width) in pixels of the smallest picture that the net takes."""
        from .input_limits import minimum_input

        return minimum_input(self._graph, self._live)


def cost(graph: Graph) -> Cost:
    """The costs of a graph of either phase; only a training graph has auxiliary heads to count."""
    return Cost(graph)


def live_nodes(graph: Graph) -> tuple[Node, ...]:
    """The nodes that the outputs need, in order, without those that only auxiliary heads need."""
    return graph.needed_by(output.value for output in graph.outputs)


@lru_cache(maxsize=4096)
def op_cost(op: Op, y: TensorType, *x: TensorType) -> OpCost:
    """What an op costs that makes `y` out of the inputs `x`."""
    params = sum(param.elements for param in op.params(*x).values() if not param.buffer)
    counts = op.counts and not (op.pools_to_size and x[0] == y)
    return OpCost(params, op.macs(y, *x), y.elements if counts else 0)


def make_layer(node: Node, costs: OpCost, aux: bool) -> Layer:
    """The row of one node."""
    source = node.span.short if node.span else ""
    macs, activations = (0, 0) if aux else (costs.macs, costs.activations)
    return Layer(node.path, node.op.name, source, node.output.type.sizes, costs.params, macs, activations, aux)
