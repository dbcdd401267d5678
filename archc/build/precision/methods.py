"""How the ranges of values may be found. It is light, because `archc build --help` and the build's options read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Calibration = Literal["minmax", "entropy", "percentile"]
# the library's names, and what of its options is not as it has it
METHODS: Mapping[Calibration, tuple[str, Mapping[str, Any]]] = {
    "minmax": ("MinMax", {}),
    # with its 128 bins there is no threshold to choose; its time grows with their square, and 512 take 2 s a value
    "entropy": ("Entropy", {"num_bins": 256, "num_quantized_bins": 128}),
    "percentile": ("Percentile", {"num_bins": 2048, "percentile": 99.999, "symmetric": False}),
}
