"""First layers for another number of input channels than the checkpoint's: RGB weights summed for grey images, or repeated for more.

Source: timm's adapt_input_conv, which keeps the size of the activations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from ..ir.dtypes import DType
from ..ir.graph import Graph
from .source import WeightSource

InputMethod = Literal["sum", "repeat"]
INPUT_METHODS = get_args(InputMethod)
Shape = tuple[int, ...]


def first_weights(graph: Graph) -> dict[str, int]:
    """The weights of the convolutions that read the image itself, by name, each with the number of channels that it reads.

    Layers without weights of their own may come before: a pad, a pool, a norm.
    """
    image = {value.name for value in graph.inputs}
    found: dict[str, int] = {}
    for node in graph.nodes:
        if not node.inputs or not all(value.name in image for value in node.inputs):
            continue
        weights = {name: param.shape for name, param in node.params().items() if len(param.shape) > 1}
        channels = node.input_types[0].shape[1]
        found |= {name: channels for name, shape in weights.items() if len(shape) == 4 and shape[1] == channels}
        if not weights:
            image |= {value.name for value in node.outputs if value.type.shape[1:2] == (channels,)}
    return found


def differs_in_channels(shape: Shape, wanted: Shape) -> bool:
    """Whether a weight has another number of input channels than is `wanted`, and agrees in all else."""
    return (
        len(shape) == len(wanted) == 4 and shape[1] != wanted[1] and (shape[0], *shape[2:]) == (wanted[0], *wanted[2:])
    )


def suitable_method(channels: int) -> InputMethod:
    """The way to weights that read `channels` channels."""
    return "sum" if channels == 1 else "repeat"


def adapt_channels(weight: Any, channels: int) -> Any:
    """A weight (out, C, kh, kw) as one of `channels` input channels: for one the sum, else a repetition scaled by C / channels."""
    import numpy as np

    found = weight.shape[1]
    if channels == 1:
        return weight.sum(axis=1, keepdims=True)
    repeated = np.tile(weight, (1, -(-channels // found), 1, 1))[:, :channels]
    return repeated * np.float32(found / channels)


class AdaptedSource:
    """A weight source whose weights `channels` (by name, with the channels that each is to read) are adapted; all others are as they are."""

    def __init__(self, source: WeightSource, channels: Mapping[str, int]) -> None:
        self.source, self.channels = source, channels

    def names(self) -> Iterable[str]:
        return self.source.names()

    def shape(self, name: str) -> Shape:
        shape = self.source.shape(name)
        return (shape[0], self.channels[name], *shape[2:]) if name in self.channels else shape

    def dtype(self, name: str) -> DType:
        return self.source.dtype(name)

    def get(self, name: str) -> Any:
        tensor = self.source.get(name)
        return adapt_channels(tensor, self.channels[name]) if name in self.channels else tensor
