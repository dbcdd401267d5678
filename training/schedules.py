"""The learning rate as a function of the position in a run. Nothing is counted from call to call, so a resumed run needs no state.

Only `plateau` looks at what happened: what it remembers is a frozen value, which lies in the checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..compiler.counts import count_of
from .recipe.recipe import Recipe, ScheduleRules, Warmup

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


def after_epoch(plateau: Plateau, value: float, rules: ScheduleRules) -> Plateau:
    """What the plateau schedule remembers after an epoch whose metric has the `value`. Losses are best low, shares best high."""
    if rules.name != "plateau" or math.isnan(value):
        return plateau
    metric, best = rules.values.get("metric", "top1"), plateau.best
    low = metric == "loss"
    # of a size, as without validation pictures the metric is a negative loss
    margin = THRESHOLD * abs(best or 0.0)
    if best is None or (value < best - margin if low else value > best + margin):
        return Plateau(value, 0, plateau.lowered)
    if plateau.waited < rules.values.get("patience", 10):
        return plateau._replace(waited=plateau.waited + 1)
    return Plateau(best, 0, plateau.lowered * rules.values.get("factor", 0.1))


START = Plateau()


def learning_rate(recipe: Recipe, step: int, length: Length, plateau: Plateau = START) -> float:
    """The learning rate of the step `step`, from 0, in a run of this `length`."""
    rules, base = recipe.schedule, float(recipe.optimizer.values["lr"])
    began = warmup_steps(rules.warmup, length)
    if rules.name == "plateau":
        scheduled = max(base * plateau.lowered, min(base, float(rules.values.get("min_lr", 0.0))))
    else:
        scheduled = SCHEDULES[rules.name](base, step, length, began, rules.values)
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


def progress(step: int, length: Length, began: int) -> float:
    """How far the run is behind its warm-up, from 0 to 1."""
    return min(max((step - began) / max(length.steps - began, 1), 0.0), 1.0)


def constant(base: float, step: int, length: Length, began: int, values: Mapping[str, Any]) -> float:
    """The same at every step."""
    return base


def steps(base: float, step: int, length: Length, began: int, values: Mapping[str, Any]) -> float:
    """Times `factor` at each of the epochs `at`, or of the steps `at_steps`; of a list, the first of these has the first one."""
    at = values["at_steps"] if values.get("at_steps") else [each * length.per_epoch for each in values.get("at", ())]
    factor, passed = values.get("factor", 0.1), sum(step >= each for each in at)
    return float(base * (math.prod(factor[:passed]) if isinstance(factor, Sequence) else factor**passed))


def beyond_end(recipe: Recipe, length: Length) -> str:
    """That drops of the rate lie behind the end of a run of this `length`, in words; empty where none does, or the recipe alone tells it: where
    it counts its drops as it counts its length."""
    rules = recipe.schedule
    if rules.name != "steps":
        return ""
    name = "at_steps" if rules.values.get("at_steps") else "at"
    if (name == "at_steps") == (recipe.steps is not None):
        return ""
    size = 1 if name == "at_steps" else length.per_epoch
    late = [f"{each:,}" for each in rules.values.get(name, ()) if each * size >= length.steps]
    ends = f"{count_of(length.steps, 'step')}, {length.per_epoch:,} an epoch"
    return (
        f"`{name}` names {' and '.join(late)}, and the run ends after {ends}: the rate is not lowered then"
        if late
        else ""
    )


def cosine(base: float, step: int, length: Length, began: int, values: Mapping[str, Any]) -> float:
    """Half a cosine from the end of the warm-up down to `min_lr`. Source: Loshchilov and Hutter 2017, SGDR, without restarts."""
    low = values.get("min_lr", 0.0)
    return float(low + (base - low) * (1 + math.cos(math.pi * progress(step, length, began))) / 2)


def exponential(base: float, step: int, length: Length, began: int, values: Mapping[str, Any]) -> float:
    """Times `factor` after every `every` epochs, at once and not by and by, as GoogLeNet's 4 % every 8 epochs."""
    return float(base * values.get("factor", 0.94) ** math.floor(step / (values.get("every", 1) * length.per_epoch)))


def polynomial(base: float, step: int, length: Length, began: int, values: Mapping[str, Any]) -> float:
    """(1 - progress) to the `power`, from the end of the warm-up down to `min_lr`; power 1 is a straight line."""
    low = values.get("min_lr", 0.0)
    return float(low + (base - low) * (1 - progress(step, length, began)) ** values.get("power", 1.0))


def one_cycle(base: float, step: int, length: Length, began: int, values: Mapping[str, Any]) -> float:
    """Up to `lr` at the share `peak` of the run, and down to nearly nothing, by cosines: torch's OneCycleLR with its defaults.

    It starts at lr / `start_factor` and ends at lr / (`start_factor` · `end_factor`). Source: Smith and Topin 2018.
    """
    first = base / values.get("start_factor", 25.0)
    last = first / values.get("end_factor", 1e4)
    peak = values.get("peak", 0.3) * length.steps - 1
    if step <= peak:
        return between(first, base, step / peak if peak > 0 else 1.0)
    return between(base, last, (step - peak) / max(length.steps - 1 - peak, 1))


def between(first: float, last: float, share: float) -> float:
    """From `first` to `last` along half a cosine."""
    return last + (first - last) * (1 + math.cos(math.pi * min(share, 1.0))) / 2


SCHEDULES: Mapping[str, Callable[[float, int, Length, int, Mapping[str, Any]], float]] = {
    each.__name__: each for each in (constant, steps, cosine, exponential, polynomial, one_cycle)
}
# their course depends on how long the run is: a longer run is another one from the first step on
DEPENDS_ON_LENGTH = ("cosine", "polynomial", "one_cycle")
