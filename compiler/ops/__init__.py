"""The operations of the language. Importing this package registers them all."""

from . import activation, cast, conv, linear, merge, norm, pool, pool_to_size, regularise, scale, shape, upsample
from .op import OPS

__all__ = [
    "OPS",
    "activation",
    "cast",
    "conv",
    "linear",
    "merge",
    "norm",
    "pool",
    "pool_to_size",
    "regularise",
    "scale",
    "shape",
    "upsample",
]
