"""The arithmetic of rewrites: tensors that a pass makes of others, one at a time and only when they are asked for.

A pass records which tensors it takes and makes (ir/graph.Rewrite) and names the arithmetic, which stands here under that name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..ir.dtypes import DType
from ..ir.graph import Graph
from .source import WeightSource

Take = Callable[[str], Any]  # the array of the tensor that a rewrite takes in a role


def fold_batch_norm(role: str, take: Take, roles: frozenset[str], options: Mapping[str, Any]) -> Any:
    """The `weight` (out, in / groups, kh, kw) or `bias` (out) of a convolution with the norm behind it worked in.

    With s = scale / sqrt(variance + eps): weight' = weight · s, bias' = (bias - mean) · s + shift.
    """
    import numpy as np

    def exact(part: str) -> Any:
        return np.asarray(take(part), dtype=np.float64)

    scale = 1 / np.sqrt(exact("variance") + options["eps"])
    scale = scale * exact("scale") if "scale" in roles else scale
    if role == "weight":
        # a float32 product: the scale alone is worked out in float64, so that no second copy of the weight is made
        return take("weight") * scale.astype(np.float32).reshape(-1, 1, 1, 1)
    bias = exact("bias") if "bias" in roles else 0.0
    shift = exact("shift") if "shift" in roles else 0.0
    return ((bias - exact("mean")) * scale + shift).astype(np.float32)


ARITHMETIC: Mapping[str, Callable[[str, Take, frozenset[str], Mapping[str, Any]], Any]] = {
    "fold_batch_norm": fold_batch_norm,
}


class Rewritten:
    """The tensors of a graph with rewrites, out of a source of the spec's: what a rewrite makes is worked out when it is read."""

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
