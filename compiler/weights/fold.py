"""The arithmetic of folded batch norms, a layer at a time, in float64."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..ir.graph import Fold
from .source import WeightSource


class Folded:
    """A source whose folded convolutions have the norm's scale and shift in their weight and bias.

    With s = gamma / sqrt(var + eps): weight' = weight · s, bias' = (bias - mean) · s + beta.
    """

    def __init__(self, source: WeightSource, folds: Iterable[Fold]) -> None:
        self.source = source
        self.folds = {fold.conv: fold for fold in folds}

    def names(self) -> Iterable[str]:
        norms = tuple(f"{fold.norm}." for fold in self.folds.values())
        kept = [name for name in self.source.names() if not norms or not name.startswith(norms)]
        return dict.fromkeys([*kept, *(f"{conv}.bias" for conv in self.folds)])

    def shape(self, name: str) -> tuple[int, ...]:
        conv, _, what = name.rpartition(".")
        if conv in self.folds and what == "bias":
            return self.source.shape(f"{conv}.weight")[:1]
        return self.source.shape(name)

    def dtype(self, name: str) -> str:
        return "f32" if name.rpartition(".")[0] in self.folds else self.source.dtype(name)

    def get(self, name: str) -> Any:
        conv, _, what = name.rpartition(".")
        fold = self.folds.get(conv)
        if fold is None or what not in ("weight", "bias"):
            return self.source.get(name)
        import numpy as np

        def norm(part: str) -> Any:
            return np.asarray(self.source.get(f"{fold.norm}.{part}"), dtype=np.float64)

        scale = 1 / np.sqrt(norm("running_var") + fold.eps)
        scale = scale * norm("weight") if fold.affine else scale
        if what == "weight":
            # a float32 product: the scale alone is worked out in float64, so that no second copy of the weight is made
            return self.source.get(name) * scale.astype(np.float32).reshape(-1, 1, 1, 1)
        bias = np.asarray(self.source.get(name), dtype=np.float64) if fold.conv_bias else 0.0
        shift = norm("bias") if fold.affine else 0.0
        return ((bias - norm("running_mean")) * scale + shift).astype(np.float32)
