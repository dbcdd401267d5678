"""What a picture shows of a model's graph: the nodes that work on what arrives, in an order in which each follows what it reads.

Left out are the nodes that work on constants alone, which are constants themselves (a weight that is stored as integers), and those
that work out sizes of values (`Shape`, and what is made of it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..compiler.diagnostics import clean
from ..runtime.faults import RuntimeFault
from ..runtime.full_graph import FullGraph, FullNode, WeightHeader, shorten_name
from .operators import OPERATORS

# ten times as many as the largest nets have; a structure of more takes minutes
MAX_NODES = 20_000
# the values that these read in all
MAX_READ = 100_000
SIZES = ("Shape", "Size")


class LiveGraph(NamedTuple):
    """A graph as it is drawn: its nodes in order, the number of the node that makes each value, and its constants."""

    nodes: tuple[FullNode, ...]
    producers: Mapping[str, int]
    constants: Mapping[str, WeightHeader]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def find_live_graph(graph: FullGraph, name: str) -> LiveGraph:
    """What is drawn of a graph. Raises RuntimeFault `model-refused` where its nodes go in a circle, a value is made twice, there are too
    many of them, or nothing is left to draw.
    """
    edges = sum(len(reads(node)) for node in graph.nodes)
    if len(graph.nodes) > MAX_NODES or edges > MAX_READ:
        told = f"{len(graph.nodes):,} nodes, which read {edges:,} values"
        raise RuntimeFault(
            "model-refused", f"{name} is too large to draw: {told}", f"at most {MAX_NODES:,} and {MAX_READ:,} are drawn"
        )
    nodes = in_order(graph.nodes, name)
    constants = dict(graph.constants)
    wanted = {*graph.outputs}
    kept = []
    for node in nodes:
        is_sized = node.kind in SIZES or all(value in constants or not value for value in reads(node))
        if is_sized and not node.graphs and not wanted & {*node.outputs}:
            constants.update(dict.fromkeys(filter(None, node.outputs), derive_constant(node, constants)))
        else:
            kept.append(node)
    producers = {value: at for at, node in enumerate(kept) for value in node.outputs if value}
    outputs = tuple(value for value in dict.fromkeys(graph.outputs) if value in producers or value in graph.inputs)
    if not any(value in producers for value in outputs):
        why = "no node in it works on an input" if not graph.nodes else "no output comes from a node"
        raise RuntimeFault("model-refused", f"there is nothing to draw in {name}: {why}")
    return LiveGraph(tuple(kept), producers, constants, tuple(graph.inputs), outputs)


class DanglingRead(NamedTuple):
    """A value that nothing makes, and who reads it: a node, by its name or its operator; empty for an output of the model."""

    reader: str
    value: str

    def __str__(self) -> str:
        value = f"`{clean(shorten_name(self.value))}`"
        if not self.reader:
            return f"the output {value} is made by no node"
        return f"the node `{clean(shorten_name(self.reader))}` reads {value}, which is no input, no weight and no node's value"


def find_dangling_reads(graph: FullGraph) -> list[DanglingRead]:
    """The values that nothing makes, each with its first reader, in the file's order."""
    made = {"", *graph.inputs, *graph.constants, *(value for node in graph.nodes for value in node.outputs)}
    read = [(node.name or node.kind, value) for node in graph.nodes for value in reads(node)]
    first: dict[str, str] = {}
    for reader, value in [*read, *(("", value) for value in graph.outputs)]:
        if value not in made:
            first.setdefault(value, reader)
    return [DanglingRead(reader, value) for value, reader in first.items()]


def reads(node: FullNode) -> tuple[str, ...]:
    """The values that a node reads, with those that graphs inside it read from around it."""
    return (*node.inputs, *node.captured)


def derive_constant(node: FullNode, constants: Mapping[str, WeightHeader]) -> WeightHeader:
    """What is known of a constant that a node makes of constants: its shape, where that stays or is only turned."""
    first = constants.get(node.inputs[0]) if node.inputs else None
    if first is None or node.kind in SIZES:
        return WeightHeader(0, ())
    order = node.attributes.get("perm")
    if node.kind == "Transpose" and isinstance(order, tuple) and sorted(order) == [*range(len(first.shape))]:
        return first._replace(shape=tuple(first.shape[at] for at in order))
    known = OPERATORS.get(node.kind)
    return first if known and known.keeps_shape else WeightHeader(0, ())


def in_order(nodes: Sequence[FullNode], name: str) -> list[FullNode]:
    """The nodes, each behind those whose values it reads, as near to the file's order as that goes. Raises RuntimeFault `model-refused`."""
    makers: dict[str, int] = {}
    for at, node in enumerate(nodes):
        for value in filter(None, node.outputs):
            if value in makers:
                raise RuntimeFault(
                    "model-refused", f"two nodes of {name} make the value `{clean(shorten_name(value))}`"
                )
            makers[value] = at
    if all(makers.get(value, -1) < at for at, node in enumerate(nodes) for value in reads(node)):
        return [*nodes]
    waits = [{makers[value] for value in reads(node) if value in makers} for node in nodes]
    readers: dict[int, list[int]] = {}
    for at, sources in enumerate(waits):
        for source in sources:
            readers.setdefault(source, []).append(at)
    return [nodes[at] for at in sort_topologically(waits, readers, nodes, name)]


def sort_topologically(
    waits: Sequence[set[int]], readers: Mapping[int, Sequence[int]], nodes: Sequence[FullNode], name: str
) -> list[int]:
    """Numbers of nodes, each behind those that it waits for. Raises RuntimeFault `model-refused` for a circle."""
    from heapq import heapify, heappop, heappush

    left = [len(sources) for sources in waits]
    ready = [at for at, count in enumerate(left) if not count]
    heapify(ready)
    order = []
    while ready:
        at = heappop(ready)
        order.append(at)
        for reader in readers.get(at, ()):
            left[reader] -= 1
            if not left[reader]:
                heappush(ready, reader)
    if len(order) < len(nodes):
        stuck = nodes[next(at for at, count in enumerate(left) if count)]
        told = clean(shorten_name(stuck.name or stuck.kind))
        raise RuntimeFault(
            "model-refused", f"the nodes of {name} go in a circle: `{told}` reads what is made of its own value"
        )
    return order
