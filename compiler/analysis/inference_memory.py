"""The most memory that the values of a run need at once, in onnxruntime's order.

The figure is that of the file as it is written, node by node, with the values' own sizes: a value lives from its node to its last
reader. The net's inputs are the caller's and live all the time, its outputs to the end; weights are not counted. What onnxruntime
makes of the file besides (fusions, layouts of its own, an arena that holds what it once had) is not in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ..ir.graph import Graph
from .onnx_nodes import OnnxNode, onnx_nodes

# What only gives a tensor another shape: its result has the memory of its input.
VIEWS = frozenset(("Identity", "Reshape", "Flatten", "Unsqueeze"))
# Element by element: the result may be written over an input of the same size.
IN_PLACE = frozenset(
    ("Relu", "Sigmoid", "Tanh", "Elu", "LeakyRelu", "HardSigmoid", "Clip", "Add", "Sub", "Mul", "Div", "Sum")
)

# What onnxruntime has no kernel for and runs as the nodes of its definition, one after the other; each takes what the whole one takes.
DEFINED_BY = {"HardSwish": ("HardSigmoid", "Mul")}


class Peak(NamedTuple):
    """The most bytes that the values of a run need at once, and the path of the step at which they do."""

    bytes: int
    path: str


def inference_peak(graph: Graph, opset: int, batch: int = 1, in_place: bool = False) -> Peak:
    """The peak of an inference graph (as `run_passes` gives it, with batch norms folded) for `batch` images.

    `in_place` lets a ReLU, a sum and their like write over what they read, where nothing reads that later and it is no input of the net.
    """
    nodes = executed_nodes(onnx_nodes(graph, opset, batch))
    inputs = {value.name: batch * value.type.elements * value.type.dtype.size_bytes for value in graph.inputs}
    results = {value.name for value in graph.results()} | {node.output for node in nodes if not node.path}
    return find_peak(nodes, inputs, results, in_place)


def executed_nodes(nodes: Sequence[OnnxNode]) -> list[OnnxNode]:
    """The nodes that onnxruntime runs for those of a file: those of a definition in place of their node, and behind all others."""
    own = [node for node in nodes if node.type not in DEFINED_BY]
    return own + [step for node in nodes if node.type in DEFINED_BY for step in expand_node(node)]


def expand_node(node: OnnxNode) -> list[OnnxNode]:
    """The nodes of a node's definition, of which each reads the one before, and the last one the inputs, too."""
    *earlier, last = DEFINED_BY[node.type]
    steps: list[OnnxNode] = []
    for each in earlier:
        source = (steps[-1].output,) if steps else node.inputs
        name = f"{node.name}/{each}"
        steps.append(node._replace(name=name, type=each, inputs=source, output=name))
    return [*steps, node._replace(type=last, inputs=(*node.inputs, steps[-1].output))]


def find_peak(nodes: Sequence[OnnxNode], inputs: Mapping[str, int], results: Collection[str], in_place: bool) -> Peak:
    """The peak of ONNX nodes; `inputs` are the bytes of the net's inputs by name, `results` the names of its outputs."""
    buffers = LiveBuffers(nodes, results, in_place)
    alive = highest = sum(inputs.values())
    path = ""
    for node in execution_order(nodes):
        alive += buffers.allocate(node)
        if alive > highest:
            highest, path = alive, node.path
        alive -= buffers.release(node)
    return Peak(highest, path)


class LiveBuffers:
    """Which value's memory each value has, and how many readers of it are still to come."""

    def __init__(self, nodes: Sequence[OnnxNode], results: Collection[str], in_place: bool) -> None:
        self.results, self.in_place = results, in_place
        self.sizes = {node.output: node.bytes for node in nodes}
        self.readers = Counter(name for node in nodes for name in node.inputs)
        self.readers.update(results)  # nobody reads them in the net, and they are never freed
        self.owners: dict[str, str] = {}

    def allocate(self, node: OnnxNode) -> int:
        """Finds memory for a node's result, and gives the bytes that are new."""
        shared = self.shared(node)
        if shared is None:
            self.owners[node.output] = node.output
            return node.bytes
        self.owners[node.output] = shared
        self.readers[shared] += self.readers[node.output]
        return 0

    def shared(self, node: OnnxNode) -> str | None:
        """The value whose memory a node's result can have: that of what it only reshapes, or writes over as its last reader."""
        if node.output in self.results:
            return None
        owners = [self.owners.get(name, name) for name in node.inputs]
        if node.type in VIEWS:
            return owners[0]
        if not self.in_place or node.type not in IN_PLACE:
            return None
        return next((owner for owner, name in zip(owners, node.inputs, strict=True)
                     if self.readers[owner] == 1 and self.sizes.get(name) == self.sizes.get(owner) == node.bytes), None)  # fmt: skip

    def release(self, node: OnnxNode) -> int:
        """Gives the bytes that are free behind a node: of what it was the last to read, but for inputs and weights."""
        freed = 0
        for name in node.inputs:
            owner = self.owners.get(name, name)
            self.readers[owner] -= 1
            freed += self.sizes.get(owner, 0) if self.readers[owner] == 0 else 0
        return freed


def execution_order(nodes: Sequence[OnnxNode]) -> list[OnnxNode]:
    """The nodes in the order in which onnxruntime runs them: backwards from the ends of the net, the last written first.

    So of several branches the one that the file has last runs first. A node is known by its place in the file.
    """
    makers = {node.output: at for at, node in enumerate(nodes)}
    before = [sorted({makers[name] for name in node.inputs if name in makers}) for node in nodes]
    read = {at for sources in before for at in sources}
    pending = [(at, False) for at in range(len(nodes)) if at not in read]
    visited: set[int] = set()
    order: list[OnnxNode] = []
    while pending:
        at, ready = pending.pop()
        if ready:
            order.append(nodes[at])
        elif at not in visited:
            visited.add(at)
            pending.append((at, True))
            pending.extend((source, False) for source in before[at] if source not in visited)
    return order
