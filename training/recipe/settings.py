"""`--set` for recipes: `optimizer.lr=0.05`, `epochs=3`, `augment=[]`; and which of a command's settings are the recipe's.

Each setting is a small recipe of one value, which is laid over the recipe, so that the schema checks it as it checks a file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from ...compiler.diagnostics import Collector, Failure, Span, list_names, nearest
from ...compiler.frontend.located_yaml import Entry, Located
from ...compiler.frontend.overrides import Override, from_setting, from_value
from ...compiler.frontend.schema_rules import find_key
from ...compiler.frontend.validation import validate
from ...compiler.ops.fields import Schema
from .choice import BY_PATH, CHOICES
from .layers import OWN, lay_over
from .rules import recipe_schema
from .setting_names import (
    FIXED,
    OF_RECIPE,
    OF_SPEC,
    advise_elsewhere,
    as_setting,
    ask_for_start,
    did_you_mean,
    place_of,
    refuse_name,
)
from .tree import chosen, find


class SplitSettings(NamedTuple):
    """The settings of a command by whose they are, without a prefix that said so."""

    recipe: tuple[str, ...]
    spec: tuple[str, ...]


def split_settings(settings: Sequence[str], params: Collection[str]) -> SplitSettings:
    """Which settings are the recipe's and which the spec's, whose parameters are `params`. Raises Failure (usage)."""
    recipe: list[str] = []
    spec: list[str] = []
    for setting in settings:
        if setting.startswith(OF_RECIPE):
            recipe.append(setting.removeprefix(OF_RECIPE))
        elif setting.startswith(OF_SPEC):
            spec.append(setting.removeprefix(OF_SPEC))
        else:
            name, _, value = setting.partition("=")
            (recipe if is_of_recipe(name, params, value) else spec).append(setting)
    return SplitSettings(tuple(recipe), tuple(spec))


def is_of_recipe(name: str, params: Collection[str], value: str = "") -> bool:
    """Whether a setting's name is the recipe's, and not the spec's. Raises Failure (usage) where it is both's, or nobody's."""
    keys = recipe_schema()["properties"]
    first, dot, _ = name.partition(".")
    if dot:
        if first in keys:
            return True
    elif name in keys and name in params:
        message = f"--set {name}: both the recipe and the spec have a `{name}`"
        raise Failure("set-unknown", message, f"write --set recipe.{name}=… or --set spec.{name}=…", 2)
    elif name in keys or name in params:
        return name in keys
    near = nearest(name, params)
    other = "" if near else advise_elsewhere(name, value)
    place = place_of(name)
    if other or place or dot:
        help = other or (
            f"{did_you_mean(place, value)}" if place else f"the first part is a key of a recipe: {', '.join(keys)}"
        )
        raise Failure(
            "set-unknown", f"--set {name[:80]} names no key of a recipe and no parameter of the spec", help, 2
        )
    near = near or nearest(name, keys)
    of_spec = f"the spec has {list_names(params, '`{}`')}" if params else "the spec has no parameters"
    help = (
        did_you_mean(near, value)
        if near
        else f"{of_spec}; a recipe has {', '.join(key for key in keys if key not in OWN)} (docs/reference/recipes.md)"
    )
    raise Failure("set-unknown", f"--set {name[:80]} names no parameter of the spec and no key of a recipe", help, 2)


def lay_settings(root: Located, settings: Sequence[str], values: Mapping[str, Any]) -> Located:
    """The tree of a recipe with settings of a shell, and `values` of Python, laid over it. Raises Failure (usage)."""
    for override in (*map(from_setting, settings), *(from_value(name, value) for name, value in values.items())):
        layer = layer_of(override, root)
        faults = Collector()
        validate(layer, faults, recipe_schema)
        if found := list(faults):
            message = "; ".join(each.message for each in found)
            help = as_setting(next((d.help for d in found if d.help), ""), override)
            raise Failure("set-value", f"{override.origin}: {message}", ask_for_start(override, help), 2)
        kept = {key: entry for key, entry in layer.value.items() if key != "recipe"}
        root = lay_over(root, Located(kept, root.span))
    return root


def layer_of(override: Override, root: Located) -> Located:
    """The small recipe that a setting is. Raises Failure (usage) where it names no key."""
    span, rule = override.value.span, recipe_schema()
    path: list[str] = []
    parts = override.name.removeprefix(OF_RECIPE).split(".")
    if "" in parts[1:]:
        where = "behind the last dot" if all(parts[:-1]) else "between two dots"
        help = "a setting is the keys on the way to its value with one dot between them, as `optimizer.lr`, or `init.layers.fc.normal`"
        raise Failure("set-unknown", f"{override.origin}: a name is missing {where}", help, 2)
    for at, part in enumerate(parts):
        if path[-1:] == [BY_PATH]:
            path += step_and_start(parts[at:], rule, find(root, *path))
            break
        keys: Mapping[str, Schema] = rule.get("properties", {})
        if len(path) == 1 and path[0] in CHOICES and part not in keys:
            node = find(root, path[0])
            default = recipe_schema()["properties"][path[0]]["default"]
            name = (chosen(node) if node else None) or (default if isinstance(default, str) else next(iter(default)))
            path.append(name)
            keys = keys.get(name, {}).get("properties", {})
            rule = rule["properties"].get(name, rule)
        if part not in keys or (not path and part in FIXED):
            refuse_name(override, path, part, rule, root)
        path.append(part)
        rule = keys[part]
    node = override.value
    for part in reversed(path):
        node = nest(part, node, span)
    node.value["recipe"] = Entry(Located("recipe", span), Located(1, span, "1"))
    return node


def step_and_start(parts: Sequence[str], rule: Schema, layers: Located | None) -> list[str]:
    """The path of a step, which has dots, as one key, and the keys in it: behind `init.layers.` come `layer1.conv1`, `layer1.conv1.bias`,
    `layer1.conv1.normal` or `layer1.conv1.normal.std`. `layers` is what a recipe says there, whose start takes a bias into it.
    """
    starts: Mapping[str, Schema] = next(iter(rule["patternProperties"].values()))["properties"]
    for at, (start, *field) in ((at, parts[at : at + 3]) for at in range(1, len(parts))):
        known = starts.get(start, {}).get("properties", {})
        if start in starts and (not field or (len(field) == 1 and find_key(known, field[0]))):
            step = ".".join(parts[:at])
            there = find(layers, step) if layers else None
            around = chosen(there) if there else None
            inside = [around] if around and around != start and start in starts[around].get("properties", {}) else []
            return [step, *inside, start, *field]
    return [".".join(parts)]


def nest(key: str, node: Located, span: Span) -> Located:
    """A mapping of one key."""
    return Located({key: Entry(Located(key, span, key), node)}, span)
