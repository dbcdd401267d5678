"""How many bytes a training step needs: weights, gradients, an optimiser's state, and what is kept for the backward pass.

What each op keeps is its own fact, as torch's autograd keeps it; a tensor that several keep counts once. Not counted is what passes:
the gradients of activations, the buffers of a convolution's algorithm, and what an allocator holds in reserve.
"""

from __future__ import annotations

from typing import NamedTuple

from ..ir.graph import Graph, Value
from ..ops.op import op_of
from .cost import OPTIMIZERS


class TrainingMemory(NamedTuple):
    """The bytes of a training step. `weights` are parameters and buffers; `gradients` are of the parameters alone."""

    batch: int
    weights: int
    gradients: int
    activations: int

    def optimizer_bytes(self, optimizer: str) -> int:
        """What an optimiser of OPTIMIZERS keeps."""
        return OPTIMIZERS[optimizer] * self.gradients

    def total(self, optimizer: str) -> int:
        """All of it with an optimiser of OPTIMIZERS."""
        return self.weights + self.gradients + self.activations + self.optimizer_bytes(optimizer)


def training_memory(graph: Graph, batch: int = 1) -> TrainingMemory:
    """What a training graph needs for `batch` images, auxiliary heads included."""
    params = graph.params().values()
    sizes = {kind: sum(p.elements * p.dtype.size_bytes for p in params if p.buffer is kind) for kind in (False, True)}
    image, once = saved_bytes(graph)
    return TrainingMemory(batch, sizes[False] + sizes[True], sizes[False], batch * image + once)


def saved_bytes(graph: Graph) -> tuple[int, int]:
    """The bytes of what a training step keeps for its backward pass: for each image, and once for the batch.

    An op keeps nothing where no gradient passes: it has no parameters, and none come before it.
    """
    storage: dict[str, Value] = {}
    trained: set[str] = set()
    kept: dict[str, Value] = {}
    own = once = 0
    for node in graph.needed_by(graph.results()):
        op, inputs = op_of(node), [storage.get(value.name, value) for value in node.inputs]
        if op.gives_view(*node.input_types):
            storage[node.output.name] = inputs[0]
        learns = any(not param.buffer for param in op.params(*node.input_types).values())
        if not learns and not any(value.name in trained for value in node.inputs):
            continue
        trained.add(node.output.name)
        saved = op.saved_for_backward(node.output.type, *node.input_types)
        passes = [value.name in trained for value in node.inputs]
        values = [node.output] if saved.output else []
        if saved.inputs:  # a layer's for its weights and its input; a factor's for the other factors
            values += [v for i, v in enumerate(inputs) if len(inputs) == 1 or any(passes[:i] + passes[i + 1 :])]
        kept.update((value.name, value) for value in values)
        own, once = own + saved.bytes, once + saved.bytes_once
    return own + sum(value.type.elements * value.type.dtype.size_bytes for value in kept.values()), once
