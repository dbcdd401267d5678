"""What tells how good a net is: its measures on the validation pictures, and the metrics that a recipe chooses among them."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

MetricName = Literal["top1", "top5", "loss"]
METRICS: tuple[MetricName, ...] = get_args(MetricName)
# with so many classes or fewer, the right one is always among the first five
TOP_CLASSES = 5


class Measures(NamedTuple):
    """How well the net does on the validation pictures: `loss`, and the shares `top1` and `top5` (from 0 to 1)."""

    loss: float
    top1: float
    top5: float
    pictures: int


def is_loss(metric: str) -> bool:
    """Whether a metric is a loss, which is best low. The others are shares, which are best high."""
    return metric == "loss"
