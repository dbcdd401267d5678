"""The tree of a sound recipe as a Recipe, with the defaults that the rules state."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ...compiler.ops.fields import Schema
from ..optimizers import GROUP_RULES
from .choice import BY_PATH
from .recipe import (
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
from .rules import recipe_schema

# the keys of a recipe that are its fields as they are
PLAIN = ("epochs", "steps", "batch", "summary", "source", "nets", "ema", "precision", "compile", "channels_last", "accumulate", "clip",
         "freeze", "seed")  # fmt: skip


def to_recipe(plain: Mapping[str, Any], name: str, origin: str) -> Recipe:
    """The recipe that a sound mapping of plain values states; `name` is for one that has none."""
    keys = recipe_schema()["properties"]
    whole = {key: fill(rule, plain[key]) if key in plain else default_of(rule) for key, rule in keys.items()}
    data = whole["data"]
    if data["split"] is not None and "val" not in plain.get("data", {}):
        data["val"] = None
    split = data.pop("split")
    every = whole["checkpoint"].pop("every")
    optimizer_name, optimizer = choice(keys["optimizer"], plain.get("optimizer", keys["optimizer"]["default"]))
    for_some = {key: optimizer.pop(key) for key in GROUP_RULES}
    init_rule = keys["init"]
    init_name, init = choice(init_rule, plain.get("init", init_rule["default"]))
    layers, last_norm = init.pop(BY_PATH), init.pop("zero_last_norm")
    layer_rule = layers_rule(init_rule, init_name)
    schedule_name, schedule = choice(keys["schedule"], plain.get("schedule", keys["schedule"]["default"]))
    warmup = whole["warmup"]
    step_rule = keys["augment"]["items"]
    steps = [choice(step_rule, step) for step in plain.get("augment", ())]
    return Recipe(
        name=whole["name"] or name,
        origin=origin,
        data=DataRules(**data, split=None if split is None else ValidationSplit(**split)),
        init=InitRules(
            init_name,
            MappingProxyType(init),
            tuple(layer(layer_rule, *each) for each in (layers or {}).items()),
            last_norm,
        ),
        optimizer=OptimizerRules(optimizer_name, MappingProxyType(optimizer), **for_some),
        schedule=ScheduleRules(schedule_name, MappingProxyType(schedule), None if warmup is None else Warmup(**warmup)),
        loss=LossRules(**whole["loss"]),
        augment=tuple(Augmentation(name, MappingProxyType(values)) for name, values in steps),
        checkpoint=CheckpointRules(every.get("epochs"), every.get("steps"), **whole["checkpoint"]),
        log=LogRules(**whole["log"]),
        **{key: whole[key] for key in PLAIN},
    )


def choice(rule: Schema, plain: Any) -> tuple[str, dict[str, Any]]:
    """The name of what is chosen, and all its fields."""
    name, fields = (plain, None) if isinstance(plain, str) else next(iter(plain.items()))
    return name, fill(rule["properties"][name], {} if fields is None else fields)


def layers_rule(rule: Schema, name: str) -> Schema:
    """The rule of what a layer begins with beside the start `name` of a net."""
    (found,) = rule["properties"][name]["properties"][BY_PATH]["patternProperties"].values()
    return dict(found)


def layer(rule: Schema, path: str, plain: Any) -> LayerInit:
    """How a layer begins: a choice of its own, or its bias alone."""
    if isinstance(plain, dict) and list(plain) == ["bias"]:
        return LayerInit(path, None, MappingProxyType({"bias": float(plain["bias"])}))
    name, values = choice(rule, plain)
    return LayerInit(path, name, MappingProxyType(values))


def fill(rule: Schema, plain: Any) -> Any:
    """A plain value as its rule types it: floats for numbers, tuples for lists, and mappings with all their keys."""
    if "x-bare" in rule and plain is not None and not isinstance(plain, dict):
        plain = {rule["x-bare"]: plain}
    if isinstance(plain, dict):
        keys = rule.get("properties", {})
        if "patternProperties" in rule:
            # keys of the user's own, whose values their reader fills
            return dict(plain)
        if rule.get("maxProperties") == 1:
            return {key: fill(keys[key], value) for key, value in plain.items()}
        return {key: fill(each, plain[key]) if key in plain else default_of(each) for key, each in keys.items()}
    if isinstance(plain, list):
        return tuple([fill(rule.get("items", {}), item) for item in plain])
    if isinstance(plain, int) and not isinstance(plain, bool) and "number" in rule.get("type", ()):
        return float(plain)
    return plain


def default_of(rule: Schema) -> Any:
    """The value of a key that is left out."""
    if "default" in rule:
        return fill(rule, rule["default"])
    return fill(rule, {}) if rule.get("type") == "object" and "maxProperties" not in rule else None
