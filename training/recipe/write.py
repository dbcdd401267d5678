"""A whole Recipe as YAML, defaults and settings applied: what a run's recipe.yaml holds. It reads back to an equal Recipe."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from .recipe import InitRules, LayerInit, Recipe

# what JSON leaves as it is and the reader refuses, or another reader takes for the end of a line
UNSEEN = re.compile("[\x7f-\x9f\u2028\u2029\ufffe\uffff\ufeff]")
# a key that YAML reads as its text, but for words that it takes for other values
PLAIN_KEY = re.compile(r"[A-Za-z_]\w*(?:[.-]\w+)*", re.ASCII)
NO_TEXTS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")


def to_yaml(recipe: Recipe) -> str:
    """The text of a recipe, each key on its line. `origin` is not written: a text's origin is where it lies."""
    lines = [f"{key}: {flow(value)}" for key, value in to_plain(recipe).items() if key != "augment"]
    steps = [f"  - {flow(step)}" for step in to_plain(recipe)["augment"]]
    return "\n".join([*lines, "augment:" if steps else "augment: []", *steps]) + "\n"


def to_plain(recipe: Recipe) -> dict[str, Any]:
    """A recipe as the plain values of its text."""
    data, rules, loss, log = recipe.data, recipe.optimizer, recipe.loss, recipe.log
    warmup, kept = recipe.schedule.warmup, recipe.checkpoint
    split = {} if data.split is None else {"split": {"val": data.split.val, "seed": data.split.seed}}
    whole = {
        "recipe": 1,
        "name": recipe.name,
        "summary": recipe.summary,
        "source": recipe.source,
        "nets": recipe.nets,
        "data": {"format": data.format, "train": data.train, "val": data.val, **split, "classes": data.classes, "broken": data.broken,
                 "workers": data.workers},
        **({"epochs": recipe.epochs} if recipe.epochs is not None else {}),
        **({"steps": recipe.steps} if recipe.steps is not None else {}),
        "batch": recipe.batch,
        "init": plain_init(recipe.init),
        "optimizer": {rules.name: {**rules.values, "decay_norms": rules.decay_norms, "bias_lr_factor": rules.bias_lr_factor}},
        "schedule": {recipe.schedule.name: dict(recipe.schedule.values)},
        "warmup": None if warmup is None else {"epochs": warmup.epochs, "steps": warmup.steps, "start": warmup.start,
                                                 "shape": warmup.shape},
        "loss": {"label_smoothing": loss.label_smoothing, "class_weights": loss.class_weights},
        "augment": [{step.name: dict(step.values)} for step in recipe.augment],
        "ema": recipe.ema,
        "precision": recipe.precision,
        "compile": recipe.compile,
        "channels_last": recipe.channels_last,
        "accumulate": recipe.accumulate,
        "clip": recipe.clip,
        "freeze": recipe.freeze,
        "checkpoint": {
            "every": {"epochs": kept.every_epochs} if kept.every_epochs is not None else {"steps": kept.every_steps},
            "keep": kept.keep,
            "best": kept.best,
        },
        "seed": recipe.seed,
        "log": {"every": log.every, "tensorboard": log.tensorboard},
    }  # fmt: skip
    return {key: value for key, value in whole.items() if value != "" or key == "name"}


def plain_init(rules: InitRules) -> dict[str, Any]:
    """How weights begin, as the plain values of a text."""
    layers = {each.path: plain_layer(each) for each in rules.layers}
    return {rules.name: {**rules.values, "layers": layers, "zero_last_norm": rules.zero_last_norm}}


def plain_layer(layer: LayerInit) -> dict[str, Any]:
    """How one layer begins, likewise."""
    return dict(layer.values) if layer.name is None else {layer.name: dict(layer.values)}


def flow(value: Any) -> str:
    """A value in YAML's flow style, on one line, as YAML 1.1 and 1.2 read it alike."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow_key(key)}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, str):
        return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))
    return json.dumps(value)


def flow_key(key: str) -> str:
    """A key, in quotes where it would be read as something else than its text: a path may be `0`, `on` or `*.conv1`."""
    return key if PLAIN_KEY.fullmatch(key) and key.lower() not in NO_TEXTS else json.dumps(key)


def number_text(value: float) -> str:
    """A number with a point, which YAML 1.1 wants before an exponent: `1.0e-05`."""
    digits, e, exponent = repr(value).partition("e")
    if not e:
        return digits
    sign = "" if exponent[0] in "+-" else "+"
    return f"{digits}{'' if '.' in digits else '.0'}e{sign}{exponent}"
