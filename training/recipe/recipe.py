"""A recipe as frozen values: what a text says once it is read, with the defaults of what it leaves out.

Lengths are in epochs (passes over the training pictures) or optimizer steps; sizes of pictures in pixels; shares are from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from ...compiler.counts import count_of
from ..measures import MetricName

DataFormat = Literal["imagefolder", "idx", "csv"]
WarmupShape = Literal["linear", "constant"]
TrainingPrecision = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class ValidationSplit:
    """A part of the training pictures that is kept for validation.

    val   the share of each class, over 0 and under 1
    seed  of the draw
    """

    val: float
    seed: int = 0


@dataclass(frozen=True)
class DataRules:
    """Where the pictures are. Paths are relative to `--data`, or without it to the recipe's own folder.

    format   "imagefolder", "idx" or "csv"; None is told by what lies there
    train    the pictures that the net learns from
    val      the pictures for validation; None takes the `split` of the others, and validates nothing where there is none
    split    the part of `train` that is kept for validation
    classes  the names of the classes, where the data have only numbers (idx)
    broken   how many pictures that cannot be read are skipped before training stops
    workers  processes that read pictures; None is one for each core of this process's share, at most 8
    """

    format: DataFormat | None = None
    train: str = "train"
    val: str | None = "val"
    split: ValidationSplit | None = None
    classes: tuple[str, ...] | None = None
    broken: int = 100
    workers: int | None = None


@dataclass(frozen=True)
class LayerInit:
    """How a layer begins, where it is otherwise than the net.

    path    the path of a step, and of all that lies in it; `*` stands for anything
    name    the choice's, as "normal"; None is the net's own, so that the bias alone is another
    values  its own, and "bias"; what they leave out has its default
    """

    path: str
    name: str | None = None
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class InitRules:
    """How the weights of convolutions and linear layers begin; docs/reference/recipes.md lists the choices and their values.

    name            the choice's, as "kaiming"; "default" is as the spec says
    values          its own, and "bias", what biases begin with; what they leave out has its default
    layers          layers that begin otherwise; of two that say the same the later one counts
    zero_last_norm  whether the scale of the norm at the end of each residual's body begins at 0
    """

    name: str = "default"
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    layers: tuple[LayerInit, ...] = ()
    zero_last_norm: bool = False


@dataclass(frozen=True)
class OptimizerRules:
    """The optimizer; docs/reference/recipes.md lists them.

    name            its name, as "sgd"
    values          its numbers as torch.optim calls them: "lr", "momentum", "weight_decay", …
    decay_norms     whether norms and biases decay, too
    bias_lr_factor  what the learning rate of the biases is multiplied by at every step: 2 is what Caffe's nets have
    """

    name: str = "sgd"
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({"lr": 0.1}))
    decay_norms: bool = True
    bias_lr_factor: float = 1.0


@dataclass(frozen=True)
class Warmup:
    """A lower learning rate at the beginning, for `epochs` or `steps`.

    epochs  how long, in passes over the training pictures
    steps   how long, in optimizer steps
    start   the share of the learning rate that it begins with, from 0 to 1
    shape   "linear" rises from there in a straight line; "constant" stays there, and the whole learning rate follows at once
    """

    epochs: float | None = None
    steps: int | None = None
    start: float = 0.0
    shape: WarmupShape = "linear"


@dataclass(frozen=True)
class ScheduleRules:
    """How the learning rate goes on; docs/reference/recipes.md lists the schedules and their values.

    name    the schedule's, as "cosine"
    values  its own; what they leave out has its default
    warmup  a lower learning rate at the beginning
    """

    name: str = "constant"
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    warmup: Warmup | None = None


@dataclass(frozen=True)
class LossRules:
    """Cross-entropy, and its options. How much each auxiliary head counts is the spec's own fact.

    label_smoothing  the share of the target that goes to all classes alike, from 0 to under 1
    class_weights    a weight for each class, in their order, or "balanced": the inverse of how often a class is there
    """

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | Literal["balanced"] | None = None


@dataclass(frozen=True)
class Augmentation:
    """One step of `augment`; docs/reference/recipes.md lists them.

    name    its name, as "flip"
    values  its own; what they leave out has its default
    """

    name: str
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class CheckpointRules:
    """How often a checkpoint is written, and which stay.

    every_epochs  after so many epochs; None where steps are counted
    every_steps   after so many optimizer steps; None where epochs are counted
    keep          how many of the newest stay
    best          "top1", "top5" or "loss", by which the best weights are kept
    """

    every_epochs: int | None = 1
    every_steps: int | None = None
    keep: int = 2
    best: MetricName = "top1"


@dataclass(frozen=True)
class LogRules:
    """What a run writes of how it goes.

    every        optimizer steps from one row of metrics.csv to the next
    tensorboard  whether event files are written, too
    """

    every: int = 50
    tensorboard: bool = False


@dataclass(frozen=True)
class Recipe:
    """How a net is trained: `epochs` or `steps` is how long, never both. docs/reference/recipes.md tells more of each value.

    name           its name
    batch          pictures of one optimizer step: of all processes, and of all passes that it accumulates
    epochs         how many passes over the training pictures
    steps          how many optimizer steps
    summary        what it is, in a sentence
    source         where its numbers come from, as a paper
    nets           bundled specs whose own recipe it is
    data           where the pictures are
    init           how the weights begin, where no checkpoint has them
    optimizer      the optimizer and its numbers
    schedule       how the learning rate goes on
    loss           the options of the cross-entropy
    augment        steps on the training pictures, in their order
    ema            the decay of the average of the weights; None keeps no average
    precision      "fp32", "bf16" or "fp16", of the passes
    compile        whether torch.compile compiles the net
    channels_last  whether a picture's channels lie innermost in memory
    accumulate     how many passes make one optimizer step
    clip           the largest norm of the gradient; None does not clip
    freeze         paths of the spec's steps that are not trained
    checkpoint     how often a checkpoint is written, and which stay
    seed           of all draws
    log            what a run writes of how it goes
    origin         the file, or the bundled recipe, that it was read from; empty for one made by hand
    """

    name: str
    batch: int
    epochs: int | None = None
    steps: int | None = None
    summary: str = ""
    source: str = ""
    nets: tuple[str, ...] = ()
    data: DataRules = DataRules()
    init: InitRules = InitRules()
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

    def __repr__(self) -> str:
        length = count_of(self.steps or 0, "step") if self.epochs is None else count_of(self.epochs, "epoch")
        return f"<{type(self).__name__} {self.name}: {length}, batch {self.batch:,}, {self.optimizer.name}, {self.schedule.name}>"

    def to_yaml(self) -> str:
        """Its whole text, defaults included, which reads back to an equal recipe but for its `origin`."""
        from .write import to_yaml

        return to_yaml(self)
