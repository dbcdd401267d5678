"""How an error was measured. Errors of different protocols do not compare, so a chart shows one, or says which mark is which."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..compiler.frontend.reported import Reported


class Metric(NamedTuple):
    """What an accuracy is of: the key of `reported`, and what an axis is called. `in_crops` says that pictures are cropped for it."""

    key: str
    title: str
    in_crops: bool = False


METRICS = {
    "imagenet-top1": Metric("imagenet_top1_error", "ImageNet top-1 accuracy", True),
    "imagenet-top5": Metric("imagenet_top5_error", "ImageNet top-5 accuracy", True),
    "cifar10": Metric("cifar10_error", "CIFAR-10 accuracy"),
    "cifar100": Metric("cifar100_error", "CIFAR-100 accuracy"),
    "mnist": Metric("mnist_error", "MNIST accuracy"),
}


class Protocol(NamedTuple):
    """How an error was measured; the fields are those of Reported."""

    metric: str
    split: str
    crops: int | str | None
    size: int | None
    models: int
    augmented: bool
    subset: str

    @property
    def name(self) -> str:
        """The word for --protocol: `val-1-crop`, `test-augmented`, `val-1-crop.without-two`. Each protocol has a word of its own:
        the subset stands behind a dot, and what is neither letter, digit nor space in it is its code point, `_2d_`."""
        word = re.sub(r"[^a-z0-9]+", "-", self._replace(subset="").description.lower())
        subset = "".join(c if c.isalnum() else "-" if c == " " else f"_{ord(c):x}_" for c in self.subset)
        return f"{word}.{subset}" if subset else word

    @property
    def description(self) -> str:
        """For people: `val, 1 crop of 320 px, 7 models`."""
        parts = [self.split]
        if isinstance(self.crops, int):
            parts.append("1 crop" if self.crops == 1 else f"{self.crops:,} crops")
        elif self.crops or METRICS[self.metric].in_crops:
            parts.append(self.crops or "crops not told")
        if self.size:
            parts[-1] += f" of {self.size} px"
        parts += [f"{self.models:,} models"] * (self.models > 1) + ["augmented"] * self.augmented
        return ", ".join([*parts, *([self.subset] if self.subset else [])])


def protocol_of(metric: str, row: Reported) -> Protocol:
    """The protocol of a row of `reported`."""
    return Protocol(metric, row.split, row.crops, row.size, row.models, row.augmented, row.subset)
