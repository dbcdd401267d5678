"""Seeded weights: the same numbers on any machine, for torch and for ONNX.

Each tensor has a random stream of its own, whose key is the seed and the tensor's name. numpy gives only raw bits, because its
distributions may change between versions, and the arithmetic after that is exact by IEEE 754. The normal distribution comes from a
table of quantiles, because logarithms differ in their last bit from machine to machine.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

from ..ir.dtypes import DType
from ..ir.operation import Param

QUANTILES = 65_536  # of the table of normal quantiles
BLOCK = 65_536  # numbers worked on together: they stay in the cache


class SeededSource:
    """A weight source without a checkpoint: it makes each tensor when it is asked for, from `seed` and the tensor's name."""

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
        return make_tensor(name, param, self.seed)


def make_tensor(name: str, param: Param, seed: int) -> Any:
    """The float32 array of one tensor, by its parameter's initialisation."""
    import numpy as np

    scheme, measure = param.init
    constants = {"zeros": 0.0, "ones": 1.0, "constant": measure}
    if scheme in constants:
        return np.full(param.shape, constants[scheme], np.float32)
    if scheme == "values":
        return np.array(param.values, np.float32).reshape(param.shape)
    values = np.empty(param.elements, np.float32)
    for _ in draw_blocks(name, param, seed, values):
        pass
    return values.reshape(param.shape)


def is_drawn(param: Param) -> bool:
    """Whether its start is random, so that another seed gives another one."""
    return param.dtype.kind == "float" and param.init[0] not in ("zeros", "ones", "constant", "values")


def draw_blocks(name: str, param: Param, seed: int, values: Any, first: int = BLOCK) -> Iterator[int]:
    """Fills the flat array `values` with a tensor's random start, a block at a time, and gives each time how far it is filled.

    `first` is the length of the first block, an even number.
    """
    import numpy as np

    scheme, measure = param.init
    scale = np.float32(initial_scale(scheme, measure, param.shape))
    fill = partial(fill_normal, truncated=scheme == "truncated_normal") if "normal" in scheme else fill_uniform
    stream = np.random.Philox(key=np.array([seed & (2**64 - 1), zlib.crc32(name.encode())], np.uint64))
    start, end = 0, min(first, len(values))
    while start < end:
        block = values[start:end]
        fill(random_words(stream, len(block)), out=block)
        if scheme == "signs":
            np.copysign(scale, block, out=block)
        else:
            block *= scale
        yield end
        start, end = end, min(end + BLOCK, len(values))


def initial_scale(scheme: str, measure: float, shape: tuple[int, ...]) -> float:
    """The factor for numbers of [-1, 1), or for standard normal ones: a scheme's bound, or its standard deviation.

    Sources: Glorot and Bengio 2010 (xavier), He et al. 2015 (kaiming). `measure` is the number that the spec states, for
    the schemes that want one.
    """
    fan_in, fan_out = fans(shape)
    return {
        "kaiming_uniform": math.sqrt(6 / fan_in),
        "xavier_uniform": math.sqrt(6 / (fan_in + fan_out)),
        "torch_default": math.sqrt(1 / fan_in),
        "uniform": measure,
        "signs": 1.0,
        "kaiming_normal": math.sqrt(2 / fan_out),
        "xavier_normal": math.sqrt(2 / (fan_in + fan_out)),
        "normal": measure,
        "truncated_normal": measure,
    }[scheme]


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """The fan-in and fan-out of a weight (out, in, …): what one number is computed from, and what one goes to, as torch counts them.

    The weight of a grouped convolution has the inputs of one group; its fan-out is that of all groups, in torch too.
    """
    return math.prod(shape[1:]) or 1, math.prod((shape[0], *shape[2:])) or 1


def random_words(stream: Any, count: int) -> Any:
    """The next `count` 32-bit words of a stream. Only a tensor's last block may be odd: half of a 64-bit draw is lost then."""
    return stream.random_raw(-(-count // 2)).astype("<u8", copy=False).view("<u4")[:count]


def fill_uniform(words: Any, out: Any) -> None:
    """Fills `out` with uniform numbers in [-1, 1): 24 bits of each word, so that every step is exact in float32. Overwrites `words`."""
    import numpy as np

    words >>= np.uint32(8)
    np.multiply(words, np.float32(2.0**-23), out=out, dtype=np.float32, casting="unsafe")
    out -= np.float32(1)


@lru_cache(maxsize=2)
def quantiles(truncated: bool) -> tuple[Any, Any]:
    """The quantiles of the standard normal distribution at the middles of 65,536 equal parts, and the step from each to the next.

    The last step is 0. `truncated` cuts the distribution at two standard deviations.
    """
    from statistics import NormalDist

    import numpy as np

    standard_normal = NormalDist()
    low = standard_normal.cdf(-2) if truncated else 0.0
    half = [
        round(standard_normal.inv_cdf(low + (1 - 2 * low) * (i + 0.5) / QUANTILES), 7) for i in range(QUANTILES // 2)
    ]
    table = np.array(half + [-q for q in reversed(half)], np.float32)
    return table, np.diff(table, append=table[-1:])


def fill_normal(words: Any, out: Any, truncated: bool) -> None:
    """Fills `out` with standard normal numbers. Overwrites `words`.

    The upper 16 bits of a word choose a quantile, and the lower 16 a place between it and the next.
    """
    import numpy as np

    table, steps = quantiles(truncated)
    index = words >> np.uint32(16)
    words &= np.uint32(0xFFFF)
    np.multiply(words, np.float32(2.0**-16), out=out, dtype=np.float32, casting="unsafe")
    out *= steps.take(index)
    out += table.take(index)
