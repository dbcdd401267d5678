"""The learning rate as a function of the position in a run. Nothing is counted from call to call, so a resumed run needs no state.

A schedule is a class with all that is special about it: its words, its fields with their defaults, its rate, and what is wrong with a recipe of it.
Only ReduceOnPlateau looks at what happened: what it remembers is a frozen value, which lies in the checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

from ..compiler.counts import count_of, list_words
from ..compiler.diagnostics import Diagnostic, Note
from ..compiler.frontend.located_yaml import Entry, Located
from ..compiler.ops.fields import Schema, is_number, quote_value
from .measures import METRICS, is_loss
from .recipe.choice import RecipeChoice, field
from .recipe.field_rules import (
    MOST,
    between_rule,
    count_rule,
    from_zero_rule,
    number_rule,
    share_rule,
    word_rule,
)
from .recipe.recipe import Recipe, ScheduleRules, Warmup
from .recipe.tree import find, holds, is_sound_mapping, number

# the relative change that counts as better, as torch's ReduceLROnPlateau has it
THRESHOLD = 1e-4


class Length(NamedTuple):
    """How long a run is: `steps` in all, `per_epoch` of them in an epoch."""

    steps: int
    per_epoch: int

    @property
    def epochs(self) -> float:
        return self.steps / self.per_epoch


class Plateau(NamedTuple):
    """What the plateau schedule remembers: the `best` value so far, the epochs since then that were no better, and by how much
    the learning rate was lowered until now."""

    best: float | None = None
    waited: int = 0
    lowered: float = 1.0


START = Plateau()


class Moment(NamedTuple):
    """When a rate is asked for: before the step `step`, from 0, of a run of this `length` whose warm-up ends at the step `began`."""

    step: int
    length: Length
    began: int = 0
    plateau: Plateau = START

    @property
    def progress(self) -> float:
        """How far the run is behind its warm-up, from 0 to 1."""
        return min(max((self.step - self.began) / max(self.length.steps - self.began, 1), 0.0), 1.0)


def min_lr_field() -> Any:
    """The field of the rate at which a schedule ends."""
    return field(from_zero_rule("the lowest learning rate", default=0.0), "eta_min", "end_lr")


FACTOR_WORDS = ("gamma", "decay_rate", "decay")


def factor_rule(**more: Any) -> Schema:
    """The rule of what a rate is multiplied by."""
    what = "what the learning rate is multiplied by"
    return number_rule(what, "a number over 0 and at most 1", exclusiveMinimum=0, maximum=1, **more)


def times_rule(what: str, wants: str, item: Schema) -> Schema:
    """The rule of a list of times, each as `item` says."""
    return {"type": ["array", "null"], "description": what, "items": item, "minItems": 1, "default": None, "x-wants": wants}  # fmt: skip


@dataclass(frozen=True)
class Schedule(RecipeChoice):
    """How the learning rate goes on.

    `spans_run` says that its course depends on how long the run is: a longer run is another one from the first step on. `watches` says that it
    looks at a metric of the validation pictures.
    """

    spans_run: ClassVar[bool] = False
    watches: ClassVar[bool] = False

    def rate(self, base: float, moment: Moment) -> float:
        """The learning rate, without the warm-up, of a recipe whose optimizer has the learning rate `base`."""
        raise NotImplementedError

    def after_epoch(self, plateau: Plateau, metrics: Mapping[str, float]) -> Plateau:
        """What it remembers after an epoch with these metrics of validation, by name; the same `plateau` where it watches none."""
        return plateau

    def beyond_end(self, length: Length, counts_steps: bool) -> str:
        """In words what of it lies behind the end of a run whose recipe `counts_steps`, or epochs; empty where nothing does."""
        return ""


@dataclass(frozen=True)
class ConstantRate(Schedule):
    """The same learning rate at every step."""

    name = "constant"
    also_called = ("ConstantLR", "none", "fixed")

    def rate(self, base: float, moment: Moment) -> float:
        return base


@dataclass(frozen=True)
class ReduceOnPlateau(Schedule):
    """Lower where the metric makes no progress.

    Times `factor` after more than `patience` epochs without: torch's ReduceLROnPlateau.
    """

    name = "plateau"
    also_called = ("ReduceLROnPlateau", "on_plateau")
    watches = True

    metric: str = field(word_rule("what is looked at, on the validation pictures", METRICS, "top1"), "monitor")
    factor: float = field(factor_rule(default=0.1), *FACTOR_WORDS)
    patience: int = field(count_rule("epochs without progress that it waits", 0, default=10))
    min_lr: float = min_lr_field()

    def rate(self, base: float, moment: Moment) -> float:
        return max(base * moment.plateau.lowered, min(base, float(self.min_lr)))

    def after_epoch(self, plateau: Plateau, metrics: Mapping[str, float]) -> Plateau:
        """The best value so far, how many epochs have passed without a better one, and the product of the factors.

        An epoch whose metric is NaN changes nothing.
        """
        value, best = metrics[self.metric], plateau.best
        if math.isnan(value):
            return plateau
        # a share of its size, as torch has it
        margin = THRESHOLD * abs(best or 0.0)
        if best is None or (value < best - margin if is_loss(self.metric) else value > best + margin):
            return Plateau(value, 0, plateau.lowered)
        if plateau.waited < self.patience:
            return plateau._replace(waited=plateau.waited + 1)
        return Plateau(best, 0, plateau.lowered * self.factor)


@dataclass(frozen=True)
class StepDecay(Schedule):
    """Lower at the given times.

    Times `factor` at each of the epochs `at`, or of the steps `at_steps`; of a list, the first of these has the first one.
    """

    name = "steps"
    also_called = ("StepLR", "MultiStepLR", "step", "multistep")
    instead = {"array": "steps: {at: VALUE}"}
    exclusive = (("at", "at_steps", "when the learning rate is lowered"),)
    needs = ((("at", "at_steps"), [30, 60]),)

    at: Sequence[float] | None = field(
        times_rule(
            "after which epochs it is multiplied",
            "a list of epochs",
            {"type": "number", "exclusiveMinimum": 0, "x-wants": "epochs: a number over 0"},
        ),
        "milestones",
        "epochs",
    )
    at_steps: Sequence[int] | None = field(
        times_rule(
            "after which optimizer steps, instead of `at`",
            "a list of steps",
            {"type": "integer", "minimum": 1, "x-wants": "an integer of at least 1"},
        )
    )
    factor: float | Sequence[float] = field(
        factor_rule() | {"type": ["number", "array"], "description": "what the learning rate is multiplied by; a list has one for each time",
         "items": {key: value for key, value in factor_rule().items() if key != "description"}, "minItems": 1, "default": 0.1,
         "x-wants": "a number over 0 and at most 1, or a list of them"}, *FACTOR_WORDS,
    )  # fmt: skip

    def rate(self, base: float, moment: Moment) -> float:
        times: Sequence[float] = self.at_steps or [each * moment.length.per_epoch for each in self.at or ()]
        passed = sum(moment.step >= each for each in times)
        return float(
            base * (math.prod(self.factor[:passed]) if isinstance(self.factor, Sequence) else self.factor**passed)
        )

    def beyond_end(self, length: Length, counts_steps: bool) -> str:
        """Empty also where the recipe alone tells it, as it counts its drops as it counts its length."""
        if bool(self.at_steps) == counts_steps:
            return ""
        name, size = ("at_steps", 1) if self.at_steps else ("at", length.per_epoch)
        late = [f"{each:,}" for each in self.at_steps or self.at or () if each * size >= length.steps]
        ends = f"{count_of(length.steps, 'step')}, {length.per_epoch:,} an epoch"
        named = f"`{name}` names {list_words(late)}, and the run ends after {ends}: the rate is not lowered then"
        return named if late else ""

    @classmethod
    def rule(cls) -> Schema:
        # that both times are missing is reported by find_missing: the schema asks for neither, but the name cannot stand alone
        return super().rule() | {"type": ["object"]}

    @classmethod
    def find_missing(cls, entry: Entry) -> Iterator[Diagnostic]:
        fields = entry.value
        if not holds(fields, "at") and not holds(fields, "at_steps") and is_sound_mapping(fields):
            help = "write `steps: {at: [30, 60]}`, in epochs, or `at_steps: [32000, 48000]`"
            message = "`steps` needs `at` or `at_steps`: when it is lowered"
            yield Diagnostic("missing-key", fields.span, message, help=help)

    @classmethod
    def find_conflicts(cls, fields: Located, root: Located) -> Iterator[Diagnostic]:
        """Times that do not rise, or lie behind the end of the run, and a list of factors that has not one for each time."""
        for key, length in (("at", "epochs"), ("at_steps", "steps")):
            times, end, factors = find(fields, key), number(root, length), find(fields, "factor")
            if times is None or not isinstance(times.value, list):
                continue
            items = [item for item in times.value if is_number(item.value)]
            for one, two in pairwise(items):
                if two.value <= one.value:
                    message = f"`{key}` does not rise: {quote_value(two.value)} follows {quote_value(one.value)}"
                    yield Diagnostic("not-rising", two.span, message, help="write the numbers in rising order, each once")  # fmt: skip
            if late := [item for item in items if end is not None and item.value >= end]:
                named = list_words([quote_value(item.value) for item in late])
                message = f"`{key}` names {named}, and the run ends after {quote_value(end)} {length[:-1] if end == 1 else length}: the rate is not lowered then"
                yield Diagnostic("beyond-end", late[0].span, message, severity="warning",
                                 help=f"leave {'it' if len(late) == 1 else 'them'} out, or train longer")  # fmt: skip
            if factors and isinstance(factors.value, list) and len(times.value) != len(factors.value):
                message = f"`factor` has {count_of(len(factors.value), 'number')}, and `{key}` {count_of(len(times.value), 'time')}"
                note = Note("the times are here", times.span)
                help = f"write {count_of(len(times.value), 'factor')}, or one number for all times"
                yield Diagnostic("keys-conflict", factors.span, message, notes=(note,), help=help)


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """Half a cosine down to `min_lr`.

    It begins at the end of the warm-up. Source: Loshchilov and Hutter 2017, SGDR, without restarts.
    """

    name = "cosine"
    also_called = ("CosineAnnealingLR", "cosine_annealing", "cosineannealing")
    spans_run = True

    min_lr: float = min_lr_field()

    def rate(self, base: float, moment: Moment) -> float:
        return float(self.min_lr + (base - self.min_lr) * (1 + math.cos(math.pi * moment.progress)) / 2)


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """Lower every so many epochs.

    Times `factor` after every `every` epochs, at once and not by and by, as GoogLeNet's 4 % every 8 epochs.
    """

    name = "exponential"
    also_called = ("ExponentialLR",)

    factor: float = field(factor_rule(default=0.94), *FACTOR_WORDS)
    every: float = field(between_rule("epochs from one to the next", 0.001, MOST, default=1.0), "decay_epochs")

    def rate(self, base: float, moment: Moment) -> float:
        return float(base * self.factor ** math.floor(moment.step / (self.every * moment.length.per_epoch)))


@dataclass(frozen=True)
class PolynomialDecay(Schedule):
    """Down to `min_lr` by a power of what is left of the run.

    (1 - progress) to the `power`, from the end of the warm-up; power 1 is a straight line.
    """

    name = "polynomial"
    also_called = ("PolynomialLR", "poly", "linear", "LinearLR")
    spans_run = True

    power: float = field(between_rule("1 is a straight line", 0.001, 1000, default=1.0))
    min_lr: float = min_lr_field()

    def rate(self, base: float, moment: Moment) -> float:
        return float(self.min_lr + (base - self.min_lr) * (1 - moment.progress) ** self.power)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up and down again by cosines (Smith and Topin 2018).

    Up to `lr` at the share `peak` of the run, and down to nearly nothing: torch's OneCycleLR with its defaults. It starts at lr / `start_factor`
    and ends at lr / (`start_factor` · `end_factor`).
    """

    name = "one_cycle"
    also_called = ("OneCycleLR",)
    spans_run = True

    peak: float = field(share_rule("the share of the run after which the learning rate is `lr`", default=0.3), "pct_start")  # fmt: skip
    start_factor: float = field(between_rule("it starts at lr / start_factor", 0.001, MOST, default=25.0), "div_factor")
    end_factor: float = field(
        between_rule("it ends at lr / (start_factor · end_factor)", 0.001, 1_000_000_000, default=1e4),
        "final_div_factor",
    )

    def rate(self, base: float, moment: Moment) -> float:
        first = base / self.start_factor
        last = first / self.end_factor
        peak = self.peak * moment.length.steps - 1
        if moment.step <= peak:
            return between(first, base, moment.step / peak if peak > 0 else 1.0)
        return between(base, last, (moment.step - peak) / max(moment.length.steps - 1 - peak, 1))


def between(first: float, last: float, share: float) -> float:
    """From `first` to `last` along half a cosine."""
    return last + (first - last) * (1 + math.cos(math.pi * min(share, 1.0))) / 2


SCHEDULES: Mapping[str, type[Schedule]] = {
    each.name: each
    for each in (
        ConstantRate,
        ReduceOnPlateau,
        StepDecay,
        CosineDecay,
        ExponentialDecay,
        PolynomialDecay,
        OneCycle,
    )
}


def make_schedule(rules: ScheduleRules) -> Schedule:
    """The schedule of a recipe, with the defaults of what its values leave out."""
    return SCHEDULES[rules.name](**rules.values)


def learning_rate(recipe: Recipe, step: int, length: Length, plateau: Plateau = START) -> float:
    """The learning rate of the step `step`, from 0, in a run of this `length`."""
    rules, base = recipe.schedule, float(recipe.optimizer.values["lr"])
    began = warmup_steps(rules.warmup, length)
    scheduled = make_schedule(rules).rate(base, Moment(step, length, began, plateau))
    return scheduled * warmup_share(rules.warmup, step, began)


def warmup_steps(warmup: Warmup | None, length: Length) -> int:
    """How many steps the warm-up takes."""
    if warmup is None:
        return 0
    return warmup.steps if warmup.steps is not None else round((warmup.epochs or 0) * length.per_epoch)


def warmup_share(warmup: Warmup | None, step: int, steps: int) -> float:
    """The share of the learning rate at `step`: a straight line from `start` up to 1, which the first step behind the warm-up has, or
    `start` throughout.

    A line from 0 begins a step further on, so that no step is taken in vain: 1/n, 2/n, … 1.
    """
    if warmup is None or step >= steps:
        return 1.0
    if warmup.shape == "constant":
        return warmup.start
    return warmup.start + (1 - warmup.start) * (step if warmup.start else step + 1) / steps
