"""A net and pictures in, weights out. torch and lightning_fabric are imported when training begins."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..compiler.name_maps import NamesGiven
    from ..compiler.weights.given import Weights
    from ..compiler.weights.input_channels import InputMethod
    from .data import TrainingData
    from .recipe.recipe import (
        Augmentation,
        CheckpointRules,
        DataRules,
        InitRules,
        LayerInit,
        LogRules,
        LossRules,
        OptimizerRules,
        Recipe,
        ScheduleRules,
        ValidationSplit,
        Warmup,
    )
    from .result import TrainingResult
    from .watching import Watcher

__all__ = [
    "Augmentation",
    "CheckpointRules",
    "DataRules",
    "InitRules",
    "LayerInit",
    "LogRules",
    "LossRules",
    "OptimizerRules",
    "Recipe",
    "ScheduleRules",
    "TrainingData",
    "TrainingResult",
    "ValidationSplit",
    "Warmup",
    "Watcher",
    "read_recipe",
    "resume",
    "train",
]
# the modules of those names that are not of a recipe's values
PLACES = {"TrainingData": "data", "TrainingResult": "result", "Watcher": "watching"}


def train(
    spec: str | os.PathLike[str], recipe: Recipe | str | os.PathLike[str] | None = None, *, output: str | os.PathLike[str],
    data: TrainingData | str | os.PathLike[str] | None = None, params: Mapping[str, Any] | None = None, settings: str | Sequence[str] = (),
    epochs: int | None = None, weights: Weights | Mapping[str, Weights] | None = None, weights_skip: str | Sequence[str] = (),
    weights_key: str | None = None, weights_prefix: str | None = None, weights_map: NamesGiven | None = None,
    weights_input: InputMethod | None = None, device: str = "auto", watchers: Sequence[Watcher] = (),
) -> TrainingResult:  # fmt: skip
    """Trains a net, and gives what came of it: `archc train` from Python. docs/reference/train.md tells what the folder `output` holds.

    spec      a spec's path, or the name of a bundled one
    recipe    a recipe's path, the name of a bundled one, or a Recipe; None takes the bundled recipe of a bundled spec
    output    the folder of the run, which must be new
    data      the folder of the pictures, or a TrainingData; None is the recipe's own folder
    params    parameters of the spec by name
    settings  values of the recipe or the spec as `--set` takes them: "batch=64", "optimizer.sgd.lr=0.05"; a string is one
    epochs    how long, instead of what the recipe says
    weights   a checkpoint's path that the net starts from, "zoo:NAME", a state_dict, or one of these for each step by its path
    weights_skip    steps that are left out of it; a string is one
    weights_key     the key of the state dict in it, "." for the top; None finds the one that fits
    weights_prefix  what is taken off its names; None finds the one that fits
    weights_map     its names by the net's, where they differ: the path of a YAML file, or a mapping; `*` for any part
    weights_input   what first layers for another number of channels become: "sum" adds them up to one, "repeat" gives more
    device    "auto", "cpu", "cuda" or "mps"
    watchers  who is told of the steps and epochs

    Ctrl-C ends the run after its step, with a checkpoint: the result's `reason` is "interrupted" then. Raises SpecError for a wrong
    spec or recipe, and Failure for what else stands in the way.
    """
    from .members import train_any
    from .requests import one_or_more, plan_request
    from .start_weights import read_start_weights

    skip = one_or_more(weights_skip, "weights_skip")
    start = read_start_weights(weights, skip, weights_key, weights_prefix, weights_map, weights_input)
    return train_any(plan_request(
        os.fspath(spec), recipe, Path(output), data=data, params=params or {}, settings=settings, epochs=epochs, start=start,
        device=device, watchers=tuple(watchers),
    ))  # fmt: skip


def resume(output: str | os.PathLike[str], *, data: TrainingData | str | os.PathLike[str] | None = None, epochs: int | None = None,
           device: str = "auto", watchers: Sequence[Watcher] = ()) -> TrainingResult:  # fmt: skip
    """Goes on with the run in the folder `output`, from its newest checkpoint: `archc train --resume`.

    With more `epochs` than the run has it becomes longer, where the schedule allows it. Raises as `train` does.
    """
    from .members import train_any
    from .requests import plan_resume

    return train_any(plan_resume(Path(output), data=data, epochs=epochs, device=device, watchers=tuple(watchers)))


def read_recipe(recipe: str | os.PathLike[str], settings: str | Sequence[str] = ()) -> Recipe:
    """A recipe, to be looked at, changed by `dataclasses.replace`, and given to `train`.

    recipe    its path, or the name of a bundled one
    settings  values as `--set` takes them: "batch=64", "optimizer.sgd.lr=0.05"; a string is one

    Raises SpecError where it has mistakes, and Failure where there is no such recipe or a setting does not fit.
    """
    from .recipe.read import read_recipe as read_text
    from .requests import one_or_more

    return read_text(os.fspath(recipe), one_or_more(settings, "settings"))


def __getattr__(name: str) -> Any:
    """The public classes, each imported when it is first asked for."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module(f".{PLACES.get(name, 'recipe.recipe')}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What there is for users, whether it is imported yet or not."""
    return sorted(__all__)
