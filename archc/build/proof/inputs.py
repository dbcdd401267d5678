"""What a net is asked in a proof: kinds of input, because a fault may need one. A maximum over a border of zeros is right for
every input with a positive number in each window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ...compiler.ir.graph import Graph

SEED = 20140917
# where pixels are asked for, a normal number becomes one of about these
PIXEL_MEAN, PIXEL_DEVIATION = 128, 64


def make_negative(x: Any) -> Any:
    return -abs(x) - 0.1


def make_sparse(x: Any) -> Any:
    """The sixth of the numbers that is over one, ten times as large; zeros elsewhere."""
    return x * (x > 1) * 10


def shift_channels(x: Any) -> Any:
    """Each channel with a mean of its own, from -3 to 3."""
    import numpy as np

    means = 3 * np.cos(np.arange(len(x)), dtype=x.dtype)
    return x + means.reshape(-1, *(1,) * (x.ndim - 1))


def make_constant(x: Any) -> Any:
    return x * 0 + 0.5


def make_tiny(x: Any) -> Any:
    return x * 1e-3


# how one image of each kind is made of standard normal numbers (C, H, W); a fast proof takes the first four
KINDS: dict[str, Callable[[Any], Any]] = {
    "standard normal": lambda x: x,
    "all negative": make_negative,
    "sparse and large": make_sparse,
    "shifted per channel": shift_channels,
    "constant": make_constant,
    "tiny": make_tiny,
}
ALL_KINDS = tuple(KINDS)
FAST_KINDS = ALL_KINDS[:4]


def draw_inputs(graph: Graph, kinds: Iterable[str]) -> dict[str, Any]:
    """One image of each kind, in their order, as float32 arrays (kinds, C, H, W) by the names of the graph's inputs."""
    return draw_arrays({value.name: value.type.sizes for value in graph.inputs}, kinds)


def draw_arrays(sizes: Mapping[str, Sequence[int]], kinds: Iterable[str]) -> dict[str, Any]:
    """One array of each kind, in their order, as float32 arrays (kinds, …) by name; `sizes` are those of one."""
    import numpy as np

    images: dict[str, list[Any]] = {name: [] for name in sizes}
    for kind in kinds:
        random = np.random.default_rng((SEED, ALL_KINDS.index(kind)))
        for name, size in sizes.items():
            image = KINDS[kind](random.standard_normal(size, dtype=np.float32))
            images[name].append(image.astype(np.float32, copy=False))
    return {name: np.stack(rows) for name, rows in images.items()}
