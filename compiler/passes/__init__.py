"""The passes, in the order in which they run. A new pass is a file of its own and a place in PIPELINE."""

from __future__ import annotations

from .compute_in_half import ComputeInHalf
from .erase_training import EraseTraining
from .fold_batch_norm import FoldBatchNorm
from .graph_pass import Pass, PassOptions
from .remove_dead import RemoveDead
from .take_pixels import TakePixels

__all__ = [
    "PIPELINE",
    "ComputeInHalf",
    "EraseTraining",
    "FoldBatchNorm",
    "Pass",
    "PassOptions",
    "RemoveDead",
    "TakePixels",
]

PIPELINE: tuple[type[Pass], ...] = (EraseTraining, RemoveDead, FoldBatchNorm, TakePixels, ComputeInHalf)
