"""What a net costs, read off its graph: parameters, MACs, activations, memory, depth, receptive field, minimum input.

The conventions, once. All numbers are per image and of one inference pass, so an auxiliary head costs no MACs; its
parameters count in `params.total` and not in `params.without_aux`, buffers in neither. MACs are those of convolutions
and linear layers (1 MAC = 2 FLOPs), padding taps included. Activations are the outputs of convolutions, pools and
linear layers; an adaptive pool that changes nothing is none. Depth is the longest chain of convolutions and linear
layers. The receptive field is that of the final features, before the global pool or the flattening, over all paths and
not clipped to the image; a global pool on the way (a squeeze) has the map's size for a kernel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, lru_cache
from math import ceil
from typing import NamedTuple

from ..ir.graph import Graph, Node, Value
from ..ir.types import TensorType
from ..ops.op import Op, Reject, inferred

Pair = tuple[int, int]
BYTES = 4  # of a float32


class Params(NamedTuple):
    total: int
    without_aux: int


class Layer(NamedTuple):
    """One node's share. `aux` says that it serves a training-only head; then it costs nothing at inference."""

    path: str
    op: str
    source: str
    output: tuple[int, ...]
    params: int
    macs: int
    activations: int
    aux: bool


class Share(NamedTuple):
    """What one application of an op adds at inference."""

    params: int
    macs: int
    activations: int


class Cost:
    """The costs of one graph, each worked out when it is asked for."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._shares = tuple(share(node.op, node.output.type, *node.input_types) for node in graph.nodes)
        self.name = graph.name
        self.outputs = {output.name: output.value.type.sizes for output in graph.outputs}

    @cached_property
    def _live(self) -> tuple[Node, ...]:
        return live_nodes(self._graph)

    @cached_property
    def _alive(self) -> tuple[Share, ...]:
        """The shares of the nodes that the outputs need."""
        alive = {node.path for node in self._live}
        return tuple(x for node, x in zip(self._graph.nodes, self._shares, strict=True) if node.path in alive)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        alive = {node.path for node in self._live}
        return tuple(layer(n, x, n.path not in alive) for n, x in zip(self._graph.nodes, self._shares, strict=True))

    @cached_property
    def params(self) -> Params:
        return Params(sum(x.params for x in self._shares), sum(x.params for x in self._alive))

    @cached_property
    def macs(self) -> int:
        return sum(x.macs for x in self._alive)

    @cached_property
    def activations(self) -> int:
        return sum(x.activations for x in self._alive)

    @cached_property
    def input_elements(self) -> int:
        return sum(value.type.elements for value in self._graph.inputs)

    @cached_property
    def weights(self) -> dict[str, int]:
        """Elements of the weights by path: what papers count that leave out biases and normalisation."""
        counted = (node for node in self._graph.nodes if node.op.counts == "weight")
        return {node.path: node.op.params(*node.input_types)["weight"].elements for node in counted}

    @cached_property
    def weight_layers(self) -> Mapping[str, int]:
        """How many convolutions and linear layers there are, by op; those of heads are counted as `aux`."""
        return Counter("aux" if x.aux else x.op for x in self.layers if x.path in self.weights)

    @cached_property
    def depth(self) -> int:
        return depth(self._graph, self._live)

    @cached_property
    def receptive_field(self) -> Pair:
        return receptive_field(self._graph, self._live)

    @cached_property
    def peak_activation_bytes(self) -> int:
        return peak_bytes(self._graph, self._live)

    @cached_property
    def min_input(self) -> Pair:
        return min_input(self._graph, self._live)


def cost(graph: Graph) -> Cost:
    """The costs of a graph of either phase; a training graph tells what its heads add."""
    return Cost(graph)


def live_nodes(graph: Graph) -> tuple[Node, ...]:
    """The nodes that the outputs need, in order; what only heads need is not among them."""
    wanted = {output.value.name for output in graph.outputs}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node.output.name in wanted:
            wanted.update([value.name for value in node.inputs])
            kept.append(node)
    return tuple(reversed(kept))


@lru_cache(maxsize=4096)
def share(op: Op, y: TensorType, *x: TensorType) -> Share:
    params = sum(param.elements for param in op.params(*x).values() if not param.buffer)
    counts = op.counts and not (pools_to_size(op) and x[0] == y)
    return Share(params, op.macs(y, *x), y.elements if counts else 0)


def layer(node: Node, share: Share, aux: bool) -> Layer:
    source = node.span.short if node.span else ""
    macs, activations = (0, 0) if aux else (share.macs, share.activations)
    return Layer(node.path, node.op.name, source, node.output.type.sizes, share.params, macs, activations, aux)


def pools_to_size(op: Op) -> bool:
    """Whether the op pools to a size of its own choosing, whatever arrives."""
    return op.name.startswith(("global_", "adaptive_"))


def depth(graph: Graph, nodes: tuple[Node, ...]) -> int:
    chain: dict[str, int] = {}
    for node in nodes:
        before = max((chain.get(value.name, 0) for value in node.inputs), default=0)
        chain[node.output.name] = before + (node.op.counts == "weight")
    return max((chain.get(output.value.name, 0) for output in graph.outputs), default=0)


def peak_bytes(graph: Graph, nodes: tuple[Node, ...]) -> int:
    """The most bytes alive at once in the graph's order: a value lives from its node to its last reader.

    No buffer is reused in place and no ops are fused; what only training does passes its tensor on for nothing.
    """
    stands_for: dict[str, str] = {}
    steps: list[tuple[Value, list[str]]] = []
    for node in nodes:
        reads = [stands_for.get(value.name, value.name) for value in node.inputs]
        if node.inputs and node.op.inference() is None:
            stands_for[node.output.name] = reads[0]
        else:
            steps.append((node.output, reads))
    last = {name: at for at, (_, reads) in enumerate(steps) for name in reads}
    for output in graph.outputs:
        last[stands_for.get(output.value.name, output.value.name)] = len(steps)
    values = (*graph.inputs, *(value for value, _ in steps))
    size = {value.name: value.type.elements * BYTES * (value.type.rank > 0) for value in values}
    alive = peak = sum(size[value.name] for value in graph.inputs if value.name in last)
    for at, (value, reads) in enumerate(steps):
        alive += size[value.name]
        peak = max(peak, alive)
        alive -= sum(size[name] for name in set(reads) if last[name] == at)
    return peak


class _Sight(NamedTuple):
    """How much of the image one position sees along an axis, and how far apart two positions look."""

    field: float
    jump: float


def receptive_field(graph: Graph, nodes: tuple[Node, ...]) -> Pair:
    features = final_features(graph, nodes)
    sizes = []
    for axis in (0, 1):
        seen = sights(graph, nodes, axis)
        sizes.append(ceil(max((seen[name].field for name in features if name in seen), default=1)))
    return sizes[0], sizes[1]


def sights(graph: Graph, nodes: tuple[Node, ...], axis: int) -> dict[str, _Sight]:
    seen = {value.name: _Sight(1, 1) for value in graph.inputs}
    for node in nodes:
        sources = [value for value in node.inputs if value.type.rank > 1]
        if not sources:
            continue
        window = node.op.window(*node.input_types)
        y = node.output.type
        if len(sources) == 1:
            x = sources[0].type
            field, jump = seen[sources[0].name]
            kernel = x.shape[2 + axis] if x.is_image and y.is_vector else window.kernel[axis]
            field += (int(kernel) - 1) * jump
            if x.is_image and y.is_image and node.op.name == "upsample":
                jump = jump * int(x.shape[2 + axis]) / int(y.shape[2 + axis])
            jump *= window.stride[axis]
        else:
            field = max(seen[value.name].field for value in sources)
            jumps = [seen[value.name].jump for value in sources if value.type.shape[2:] == y.shape[2:]]
            jump = max(jumps, default=1.0)
        seen[node.output.name] = _Sight(field, jump)
    return seen


def final_features(graph: Graph, nodes: tuple[Node, ...]) -> set[str]:
    """The maps that the classifier starts from: back from the outputs past vectors, 1x1 maps and the global pool."""
    producer = {node.output.name: node for node in nodes}
    pending = [output.value.name for output in graph.outputs]
    visited: set[str] = set()
    features: set[str] = set()
    while pending:
        name = pending.pop()
        if name in visited:
            continue
        visited.add(name)
        node = producer.get(name)
        if node and node.inputs and in_tail(node):
            pending.extend(value.name for value in node.inputs if value.type.rank > 1)
        else:
            features.add(name)
    return features


def in_tail(node: Node) -> bool:
    y, x = node.output.type, node.inputs[0].type
    if not y.is_image:
        return True
    if (y.height, y.width) != (1, 1):
        return False
    if pools_to_size(node.op):
        return True
    window = node.op.window(*node.input_types)
    covers = x.is_image and window.kernel == (x.height, x.width) and node.op.name == "avg_pool"
    return covers or window.kernel == (1, 1)


def min_input(graph: Graph, nodes: tuple[Node, ...]) -> Pair:
    """The smallest image that still passes through with the same weights, each axis by itself."""
    image = next((value.type for value in graph.inputs if value.type.is_image), None)
    if image is None:
        return 1, 1
    wanted = {node.path: node.op.params(*node.input_types) for node in nodes}

    def fits(height: int, width: int) -> bool:
        return passes(graph, nodes, wanted, (image.height, image.width), (height, width))

    height = smallest(image.height, lambda size: fits(size, image.width))
    width = smallest(image.width, lambda size: fits(image.height, size))
    return (height, width) if fits(height, width) else (image.height, image.width)


def smallest(size: int, fits: Callable[[int], bool]) -> int:
    low, high = 1, size
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle + 1, high)
    return high


def passes(graph: Graph, nodes: tuple[Node, ...], wanted: Mapping[str, object], old: Pair, new: Pair) -> bool:
    """Whether the graph's ops accept inputs of size `new` in place of `old`, and own the same tensors then."""
    types = {value.name: resized(value.type, old, new) for value in graph.inputs}
    for node in nodes:
        x = [types[value.name] for value in node.inputs]
        try:
            types[node.output.name] = inferred(node.op, *x)
        except Reject:
            return False
        if node.op.params(*x) != wanted[node.path]:
            return False
    return True


def resized(x: TensorType, old: Pair, new: Pair) -> TensorType:
    return x._replace(shape=(*x.shape[:2], *new)) if x.is_image and x.shape[2:] == old else x


def summed(layers: tuple[Layer, ...], by: str) -> Iterator[Layer]:
    """The layers summed by `block` (the first part of the path) or by `op`, in the order of first meeting.

    A row's output and place are those of its last and its first layer; `layer` leaves all as they are.
    """
    if by == "layer":
        yield from layers
        return
    groups: dict[str, list[Layer]] = {}
    for each in layers:
        groups.setdefault(each.op if by == "op" else each.path.split(".", 1)[0], []).append(each)
    for name, members in groups.items():
        ops = {x.op for x in members}
        yield Layer(
            name,
            ops.pop() if len(ops) == 1 else f"{len(members)} steps",
            members[0].source,
            members[-1].output,
            sum(x.params for x in members),
            sum(x.macs for x in members),
            sum(x.activations for x in members),
            all(x.aux for x in members),
        )
