"""How many bytes a training step needs: weights, gradients, an optimiser's state, and what is kept for the backward pass.

What each op keeps is its own fact, as torch's autograd keeps it on a CPU; a tensor that several keep counts once, and a slice of one
keeps the whole. Not counted is what passes:
the gradients of activations, the buffers of a convolution's algorithm, and what an allocator holds in reserve.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress
from math import prod
from typing import NamedTuple

from ..ir.graph import Graph, Node, Value
from ..ir.types import TensorType
from ..ops.op import Saved, Strides, op_of
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


class Placement(NamedTuple):
    """How a value lies in memory: in that of which value, whether channels last, and its strides."""

    memory: Value
    channels_last: bool
    strides: Strides

    def has_gaps(self, type: TensorType) -> bool:
        """Whether elements of other values lie between those of a value of this type."""
        lengths = zip(type.sizes, self.strides[1:], dense_strides(type, self.channels_last)[1:], strict=True)
        return self.strides[0] != type.elements or any(size > 1 and own != dense for size, own, dense in lengths)


def dense_strides(type: TensorType, channels_last: bool) -> Strides:
    """The strides of a tensor without gaps."""
    if type.is_image and channels_last:
        return type.elements, 1, type.width * type.channels, type.channels
    return tuple(prod(type.sizes[axis:]) for axis in range(len(type.sizes) + 1))


def place_values(graph: Graph, nodes: Iterable[Node]) -> dict[str, Placement]:
    """How the values of a training step lie in torch's memory, by their names; images arrive channels first."""
    found = {value.name: Placement(value, False, dense_strides(value.type, False)) for value in graph.inputs}
    for node in nodes:
        op, given, y = op_of(node), [found[value.name] for value in node.inputs], node.output
        strides = op.view_strides(given[0].strides, *node.input_types) if given else None
        last = op.gives_channels_last([each.channels_last for each in given], *node.input_types)
        if strides is None:
            found[y.name] = Placement(y, last, dense_strides(y.type, last))
        else:
            found[y.name] = Placement(given[0].memory, last, strides)
    return found


def saved_bytes(graph: Graph) -> tuple[int, int]:
    """The bytes of what a training step keeps for its backward pass: for each image, and once for the batch.

    An op keeps nothing where no gradient passes: it has no parameters, and none come before it.
    """
    nodes = graph.needed_by(graph.results())
    places = place_values(graph, nodes)
    trained: set[str] = set()
    kept: dict[str, Value] = {}
    own = once = 0
    for node in nodes:
        op, passes = op_of(node), [value.name in trained for value in node.inputs]
        if not any(passes) and all(param.buffer for param in op.params(*node.input_types).values()):
            continue
        trained.add(node.output.name)
        saved = op.saved_for_backward(node.output.type, *node.input_types)
        values = [places[node.output.name].memory] if saved.output else []
        for value, is_kept in zip(node.inputs, kept_inputs(saved, passes), strict=True):
            if is_kept and saved.without_gaps and places[value.name].has_gaps(value.type):
                own += bytes_of(value)
            elif is_kept:
                values.append(places[value.name].memory)
        kept.update((value.name, value) for value in values)
        # a product is kept for the gradient of the next factor
        own += saved.bytes + sum(compress(saved.products, passes[2:]))
        once += saved.bytes_once
    return own + sum(map(bytes_of, kept.values())), once


def kept_inputs(saved: Saved, passes: list[bool]) -> list[bool]:
    """Which inputs of an op are kept: a layer's for its weights and its input, a factor for what it is multiplied with."""
    if len(passes) == 1 or not saved.inputs:
        return [saved.inputs] * len(passes)
    return [passes[1], *(any(passes[:at]) for at in range(1, len(passes)))]


def bytes_of(value: Value) -> int:
    """The bytes of a value of one image."""
    return value.type.elements * value.type.dtype.size_bytes
