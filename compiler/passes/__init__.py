"""The passes, each a function from graph to graph, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..ir.graph import Graph
from .erase_training import erase_training
from .fold_batch_norm import fold_batch_norm
from .remove_dead import remove_dead

__all__ = ["PIPELINE", "Pass", "erase_training", "fold_batch_norm", "remove_dead"]


class Pass(NamedTuple):
    """A pass by name, with what it needs of a graph and what holds afterwards."""

    name: str
    run: Callable[[Graph], Graph]
    requires: str
    ensures: str


PIPELINE: tuple[Pass, ...] = (
    Pass("erase-training", erase_training, "a verified training graph", "no training-only op; heads gone unless kept"),
    Pass("remove-dead", remove_dead, "a verified graph", "every node reaches an output or a head"),
    Pass(
        "fold-batch-norm",
        fold_batch_norm,
        "an inference graph",
        "no batch norm directly behind a convolution of its own",
    ),
)
