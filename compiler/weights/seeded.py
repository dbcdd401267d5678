"""Seeded weights: the same numbers on any machine, for torch and for ONNX.

Each tensor has a counter-based stream of its own, keyed by the seed and its name. Only raw bits are taken from numpy (its
distributions may change between versions), and only IEEE-exact arithmetic follows; the normal distribution comes from a
table of quantiles, because a libm's logarithm differs in the last bit from machine to machine.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from typing import Any

from ..ir.dtypes import DType
from ..ir.operation import Param

TABLE = 65_536
BLOCK = 65_536  # numbers worked on together: they stay in the cache


class Seeded:
    """A weight source that makes each tensor when it is asked for."""

    def __init__(self, params: Mapping[str, Param], seed: int = 0) -> None:
        self.params, self.seed = params, seed

    def names(self) -> Iterable[str]:
        return self.params

    def shape(self, name: str) -> tuple[int, ...]:
        return self.params[name].shape

    def dtype(self, name: str) -> DType:
        return self.params[name].dtype

    def get(self, name: str) -> Any:
        import numpy as np

        param = self.params[name]
        if param.dtype.kind == "int":
            return np.zeros(param.shape, param.dtype.numpy)
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
        draw, factor = uniform, np.float32(bounds[scheme])
    else:
        draw, factor = partial(normal, truncated=scheme == "truncated_normal"), np.float32(deviations[scheme])
    values = np.empty(param.elements, np.float32)
    stream = np.random.Philox(key=np.array([seed & (2**64 - 1), zlib.crc32(name.encode())], np.uint64))
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK]
        draw(bits(stream, len(block)), out=block)
        if scheme == "signs":
            np.copysign(factor, block, out=block)
        else:
            block *= factor
    return values.reshape(param.shape)


def bits(stream: Any, count: int) -> Any:
    """The next `count` 32-bit words of a stream; `count` is even but for a tensor's end."""
    return stream.random_raw(-(-count // 2)).astype("<u8", copy=False).view("<u4")[:count]


def uniform(words: Any, out: Any) -> None:
    """Uniform in [-1, 1): 24 bits, so every step is exact in float32."""
    import numpy as np

    words >>= np.uint32(8)
    np.multiply(words, np.float32(2.0**-23), out=out, dtype=np.float32, casting="unsafe")
    out -= np.float32(1)


@lru_cache(maxsize=2)
def quantiles(truncated: bool) -> tuple[Any, Any]:
    """The standard normal's quantiles at the middles of 65,536 equal shares (within two deviations when truncated).

    With them the steps from each to the next; the last has none.
    """
    from statistics import NormalDist

    import numpy as np

    law = NormalDist()
    low = law.cdf(-2) if truncated else 0.0
    half = [round(law.inv_cdf(low + (1 - 2 * low) * (i + 0.5) / TABLE), 7) for i in range(TABLE // 2)]
    table = np.array(half + [-q for q in reversed(half)], np.float32)
    return table, np.diff(table, append=table[-1:])


def normal(words: Any, out: Any, truncated: bool) -> None:
    """Standard normal numbers: a quantile by 16 random bits, moved towards the next by 16 further ones."""
    import numpy as np

    table, steps = quantiles(truncated)
    index = words >> np.uint32(16)
    words &= np.uint32(0xFFFF)
    np.multiply(words, np.float32(2.0**-16), out=out, dtype=np.float32, casting="unsafe")
    out *= steps.take(index)
    out += table.take(index)
