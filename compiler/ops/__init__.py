"""The operations of the language. Importing this package registers them all."""

from . import activation, conv
from .op import OPS

__all__ = ["OPS", "activation", "conv"]
