"""The operations of the language. Importing this package registers them all."""

from . import activation, cast, conv, linear, merge, norm, pool, regularise, scale, shape
from .op import OPS

__all__ = ["OPS", "activation", "cast", "conv", "linear", "merge", "norm", "pool", "regularise", "scale", "shape"]
