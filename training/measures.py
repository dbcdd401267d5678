"""What tells how good a net is: its measures on the validation pictures, and the metrics that a recipe chooses among them."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

MetricName = Literal["top1", "top5", "loss"]
METRICS: tuple[MetricName, ...] = get_args(MetricName)


class Measures(NamedTuple):
    """How well a net does on the validation pictures.

    loss      the mean cross-entropy
    top1      the share of pictures, from 0 to 1, whose most probable class is the right one
    top5      the share of pictures whose right class is among the five most probable
    pictures  how many were measured
    """

    loss: float
    top1: float
    top5: float
    pictures: int


def is_loss(metric: str) -> bool:
    """Whether a metric is a loss, which is best low. The others are shares, which are best high."""
    return metric == "loss"
