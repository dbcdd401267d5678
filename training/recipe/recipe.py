"""A recipe as frozen values: what a text says once it is read, with the defaults of what it leaves out.

Lengths are in epochs (passes over the training pictures) or optimizer steps; sizes of pictures in pixels; shares are from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from ..measures import MetricName

DataFormat = Literal["imagefolder", "idx", "csv"]
WarmupShape = Literal["linear", "constant"]
TrainingPrecision = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class ValidationSplit:
    """A part of the training pictures that is kept for validation: a share of each class, drawn by `seed`."""

    val: float
    seed: int = 0


@dataclass(frozen=True)
class DataRules:
    """Where the pictures are. Paths are relative to `--data`, or without it to the recipe's own folder.

    `format` None is told by what lies there. `val` None with a `split` takes a part of `train`; with neither nothing is validated.
    `classes` are the names of the classes where the data have only numbers (idx). `broken` is how many unreadable pictures are
    skipped before training stops.
    """

    format: DataFormat | None = None
    train: str = "train"
    val: str | None = "val"
    split: ValidationSplit | None = None
    classes: tuple[str, ...] | None = None
    broken: int = 100
    workers: int | None = None  # None: one for each core of this process's share, at most 8


@dataclass(frozen=True)
class OptimizerRules:
    """The optimizer, a `name` of training/optimizers.py, with its numbers as torch.optim calls them (`lr`, `momentum`, `weight_decay`, …).

    `decay_norms` False leaves norms and biases out of the weight decay. `bias_lr_factor` multiplies the learning rate of the biases, at every
    step: 2 is what Caffe's nets have.
    """

    name: str = "sgd"
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({"lr": 0.1}))
    decay_norms: bool = True
    bias_lr_factor: float = 1.0


@dataclass(frozen=True)
class Warmup:
    """The learning rate begins with the share `start` of its value, for `epochs` or `steps`.

    `linear` rises from there in a straight line; `constant` stays there, and the whole learning rate follows at once.
    """

    epochs: float | None = None
    steps: int | None = None
    start: float = 0.0
    shape: WarmupShape = "linear"


@dataclass(frozen=True)
class ScheduleRules:
    """How the learning rate goes on: a `name` of training/schedules.py, and `values` of its own (docs/reference/recipes.md).

    What the values leave out has its default there.
    """

    name: str = "constant"
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    warmup: Warmup | None = None


@dataclass(frozen=True)
class LossRules:
    """Cross-entropy. `class_weights` are a weight a class, or "balanced": the inverse of how often a class is there.

    How much each auxiliary head counts is the spec's own fact.
    """

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | Literal["balanced"] | None = None


@dataclass(frozen=True)
class Augmentation:
    """One step of `augment` by its name, with its values."""

    name: str
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class CheckpointRules:
    """A checkpoint after so many epochs or steps; the newest `keep` stay. `best` is the metric by which the best weights are kept."""

    every_epochs: int | None = 1
    every_steps: int | None = None
    keep: int = 2
    best: MetricName = "top1"


@dataclass(frozen=True)
class LogRules:
    """A row of metrics.csv every so many steps; `tensorboard` writes event files beside it."""

    every: int = 50
    tensorboard: bool = False


@dataclass(frozen=True)
class Recipe:
    """How a net is trained.

    `epochs` or `steps` is how long, never both. `batch` is the global batch: of all processes, and of all passes that one step
    accumulates. `clip` is the largest norm of the gradient. `freeze` are paths of steps that are not trained. `ema` is the decay of
    the average of the weights. `origin` is the file, or the bundled recipe, that it was read from.
    """

    name: str
    batch: int
    epochs: int | None = None
    steps: int | None = None
    summary: str = ""
    source: str = ""
    nets: tuple[str, ...] = ()
    data: DataRules = DataRules()
    optimizer: OptimizerRules = OptimizerRules()
    schedule: ScheduleRules = ScheduleRules()
    loss: LossRules = LossRules()
    augment: tuple[Augmentation, ...] = ()
    ema: float | None = None
    precision: TrainingPrecision = "fp32"
    compile: bool = False
    channels_last: bool = False
    accumulate: int = 1
    clip: float | None = None
    freeze: tuple[str, ...] = ()
    checkpoint: CheckpointRules = CheckpointRules()
    seed: int = 0
    log: LogRules = LogRules()
    origin: str = ""
