"""A recipe as text: whole, with the defaults of what it leaves out, a line for each key. It is what a run's recipe.yaml holds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .recipe import Recipe

# that a recipe says of itself, and that does not change what is computed
ABOUT = ("name", "summary", "source", "nets", "data", "log", "checkpoint")
LENGTH = ("epochs", "steps")


def recipe_text(recipe: Recipe) -> str:
    """The recipe as YAML."""
    return "".join(
        f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in recipe_document(recipe).items()
    )


def recipe_document(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON values under the keys of its language, without those that have no value."""
    return {key: value for key, value in entries(recipe) if value not in (None, "", [])}


def computed_document(recipe: Recipe) -> dict[str, Any]:
    """What of a recipe decides which numbers a step computes, but for how long it goes on."""
    whole = recipe_document(recipe)
    best = {"best": recipe.checkpoint.best, "split": repr(recipe.data.split)}
    return {key: value for key, value in whole.items() if key not in (*ABOUT, *LENGTH)} | best


def entries(recipe: Recipe) -> Iterator[tuple[str, Any]]:
    """Each key with its value."""
    yield "recipe", 1
    for key in ("name", "summary", "source"):
        yield key, getattr(recipe, key)
    yield "nets", list(recipe.nets)
    data, split = recipe.data, recipe.data.split
    yield "data", {
        "format": data.format, "train": data.train, "val": data.val, "split": {"val": split.val, "seed": split.seed} if split else None,
        "classes": list(data.classes) if data.classes else None, "broken": data.broken, "workers": data.workers,
    }  # fmt: skip
    for key in ("epochs", "steps", "batch"):
        yield key, getattr(recipe, key)
    optimizer, schedule, warmup = recipe.optimizer, recipe.schedule, recipe.schedule.warmup
    yield "optimizer", {optimizer.name: plain(optimizer.values) | {"decay_norms": optimizer.decay_norms}}
    yield "schedule", {schedule.name: plain(schedule.values)}
    if warmup:
        length = {"steps": warmup.steps} if warmup.steps is not None else {"epochs": warmup.epochs}
        yield "warmup", length | {"start": warmup.start}
    weights = recipe.loss.class_weights
    yield "loss", {"label_smoothing": recipe.loss.label_smoothing,
                   "class_weights": list(weights) if isinstance(weights, tuple) else weights}  # fmt: skip
    yield "augment", [{each.name: plain(each.values)} for each in recipe.augment]
    for key in ("ema", "precision", "compile", "channels_last", "accumulate", "clip"):
        yield key, getattr(recipe, key)
    yield "freeze", list(recipe.freeze)
    rules = recipe.checkpoint
    every = {"steps": rules.every_steps} if rules.every_steps else {"epochs": rules.every_epochs}
    yield "checkpoint", {"every": every, "keep": rules.keep, "best": rules.best}
    yield "seed", recipe.seed
    yield "log", {"every": recipe.log.every, "tensorboard": recipe.log.tensorboard}


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping as JSON values."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
