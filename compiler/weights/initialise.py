"""Seeded weights: the same numbers on any machine, for torch and for ONNX.

Each tensor has a counter-based stream of its own, keyed by the seed and its name. Only raw bits are taken from numpy (its
distributions may change between versions), and only IEEE-exact arithmetic follows; the normal distribution comes from a
table of quantiles, because a libm's logarithm differs in the last bit from machine to machine.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from ..ops.op import Param

TABLE = 65_536


class Seeded:
    """A weight source that makes each tensor when it is asked for."""

    def __init__(self, params: Mapping[str, Param], seed: int = 0) -> None:
        self.params, self.seed = params, seed

    def names(self) -> Iterable[str]:
        return self.params

    def shape(self, name: str) -> tuple[int, ...]:
        return self.params[name].shape

    def dtype(self, name: str) -> str:
        return self.params[name].dtype

    def get(self, name: str) -> Any:
        import numpy as np

        param = self.params[name]
        if param.dtype == "i64":
            return np.zeros(param.shape, np.int64)
        return make(name, param, self.seed)


def make(name: str, param: Param, seed: int) -> Any:
    """The float32 array of one tensor."""
    import numpy as np

    scheme, measure = param.init
    constants = {"zeros": 0.0, "ones": 1.0, "constant": measure}
    if scheme in constants:
        return np.full(param.shape, constants[scheme], np.float32)
    if scheme == "values":
        return np.array(param.values, np.float32).reshape(param.shape)
    fan_in = math.prod(param.shape[1:]) or 1
    fan_out = math.prod((param.shape[0], *param.shape[2:])) or 1
    bounds = {
        "kaiming_uniform": math.sqrt(6 / fan_in),
        "xavier_uniform": math.sqrt(6 / (fan_in + fan_out)),
        "torch_default": math.sqrt(1 / fan_in),
        "uniform": measure,
        "signs": 1.0,
    }
    deviations = {
        "kaiming_normal": math.sqrt(2 / fan_out),
        "xavier_normal": math.sqrt(2 / (fan_in + fan_out)),
        "normal": measure,
        "truncated_normal": measure,
    }
    if scheme in bounds:
        values = uniform(name, param.elements, seed)
        values = (
            np.where(values < 0, np.float32(-1), np.float32(1))
            if scheme == "signs"
            else values * np.float32(bounds[scheme])
        )
    else:
        values = normal(name, param.elements, seed, scheme == "truncated_normal") * np.float32(deviations[scheme])
    return values.reshape(param.shape)


def bits(name: str, count: int, seed: int) -> Any:
    """`count` 32-bit words of the tensor's own stream."""
    import numpy as np

    key = np.array([seed & (2**64 - 1), zlib.crc32(name.encode())], np.uint64)
    return np.random.Philox(key=key).random_raw(-(-count // 2)).astype("<u8").view("<u4")[:count]


def uniform(name: str, count: int, seed: int) -> Any:
    """Uniform in [-1, 1): 24 bits, so every step is exact in float32."""
    import numpy as np

    return (bits(name, count, seed) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)


@lru_cache(maxsize=2)
def quantiles(truncated: bool) -> Any:
    """The standard normal's quantiles at the middles of 65,536 equal shares (within two deviations when truncated)."""
    from statistics import NormalDist

    import numpy as np

    law = NormalDist()
    low = law.cdf(-2) if truncated else 0.0
    half = [round(law.inv_cdf(low + (1 - 2 * low) * (i + 0.5) / TABLE), 7) for i in range(TABLE // 2)]
    return np.array(half + [-q for q in reversed(half)], np.float32)


def normal(name: str, count: int, seed: int, truncated: bool = False) -> Any:
    """Standard normal numbers: a quantile by 16 random bits, moved towards the next by 16 further ones."""
    import numpy as np

    table, words = quantiles(truncated), bits(name, count, seed)
    index = words >> np.uint32(16)
    here, there = table[index], table[np.minimum(index + np.uint32(1), np.uint32(TABLE - 1))]
    return here + (there - here) * ((words & np.uint32(0xFFFF)).astype(np.float32) * np.float32(2.0**-16))
