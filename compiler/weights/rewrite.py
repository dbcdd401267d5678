"""The arithmetic of rewrites: the tensors that a pass makes out of others, each worked out when it is read.

A pass records which tensors it takes and makes (ir/graph.Rewrite), and the name of the arithmetic, which is a row of ARITHMETIC.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ..ir.dtypes import F16, LARGEST_HALF, DType
from ..ir.graph import Graph
from .source import WeightSource

ReadTensor = Callable[[str], Any]  # gives the array of the tensor that has a role in the rewrite


def fold_batch_norm(role: str, read: ReadTensor, roles: frozenset[str], options: Mapping[str, Any]) -> Any:
    """The new `weight` (out, in / groups, kh, kw) or `bias` (out) of a convolution into which the norm behind it is folded.

    `role` says which of the two, and `roles` are those that `read` can give. With s = scale / sqrt(variance + eps):
    weight' = weight · s, bias' = (bias - mean) · s + shift.
    """
    import numpy as np

    def read_exactly(part: str) -> Any:  # in float64, so that only the last step rounds
        return np.asarray(read(part), dtype=np.float64)

    scale = 1 / np.sqrt(read_exactly("variance") + options["eps"])
    scale = scale * read_exactly("scale") if "scale" in roles else scale
    if role == "weight":
        # a float32 product: the scale alone is worked out in float64, so that no second copy of the weight is made
        return read("weight") * scale.astype(np.float32).reshape(-1, 1, 1, 1)
    bias = read_exactly("bias") if "bias" in roles else 0.0
    shift = read_exactly("shift") if "shift" in roles else 0.0
    return ((bias - read_exactly("mean")) * scale + shift).astype(np.float32)


ARITHMETIC: Mapping[str, Callable[[str, ReadTensor, frozenset[str], Mapping[str, Any]], Any]] = {
    "fold_batch_norm": fold_batch_norm,
}


class RewrittenSource:
    """The tensors of a graph after its passes, from a source of the spec's tensors; rewrites are worked out when a tensor is read."""

    def __init__(self, source: WeightSource, graph: Graph) -> None:
        self.source, self.params = source, graph.params()
        self.made = {tensor: (rewrite, role) for rewrite in graph.rewrites for role, tensor in rewrite.makes}

    def names(self) -> Iterable[str]:
        return self.params

    def shape(self, name: str) -> tuple[int, ...]:
        return self.params[name].shape

    def dtype(self, name: str) -> DType:
        return self.params[name].dtype if name in self.made else self.source.dtype(name)

    def get(self, name: str) -> Any:
        if name not in self.made:
            return self.source.get(name)
        rewrite, role = self.made[name]
        takes = dict(rewrite.takes)
        arithmetic = ARITHMETIC[rewrite.how]
        return arithmetic(role, lambda part: self.source.get(takes[part]), frozenset(takes), dict(rewrite.options))


class RoundedSource:
    """The tensors of a source, those in `rounded` as half floats have them, in float32."""

    def __init__(self, source: WeightSource, rounded: Collection[str]) -> None:
        self.source, self.rounded = source, rounded

    def names(self) -> Iterable[str]:
        return self.source.names()

    def shape(self, name: str) -> tuple[int, ...]:
        return self.source.shape(name)

    def dtype(self, name: str) -> DType:
        return self.source.dtype(name)

    def get(self, name: str) -> Any:
        array = self.source.get(name)
        return F16.decode(F16.encode(array), array.shape) if name in self.rounded else array


def too_large_for_half(source: WeightSource, names: Iterable[str]) -> dict[str, float]:
    """Those of the tensors that half floats do not hold, each with its largest number. Every tensor is read once."""
    import numpy as np

    found: dict[str, float] = {}
    for name in names:
        array = source.get(name)
        largest = max(float(np.max(array, initial=0.0)), -float(np.min(array, initial=0.0)))
        if largest > LARGEST_HALF:
            found[name] = largest
    return found
