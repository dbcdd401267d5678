"""The languages that the front end reads: specs, and, in training/recipe, recipes. What differs is in their words and their rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..ops.fields import Schema

# gives the JSON Schema of a language when it is wanted: to make one takes a while
Rules = Callable[[], Schema]


class Language(NamedTuple):
    """What a text is read as: a `kind` in a word, by `rules`, its JSON Schema.

    `keys` are examples of its keys and `smallest` the help for an empty file. `telling` are keys that no other language has. `others`
    are the first keys of other languages, each with what such a text is, what to do with it, and its telling keys. It is hashed: a
    cache of trees has it in its key.
    """

    kind: str
    rules: Rules
    keys: str
    smallest: str
    telling: tuple[str, ...] = ()
    others: tuple[tuple[str, str, str, tuple[str, ...]], ...] = ()


SPEC_KEYS = ("archspec", "graph", "blocks", "input", "params", "preprocess", "labels", "expect", "reported", "import")
RECIPE_KEYS = ("recipe", "epochs", "batch", "optimizer", "schedule", "warmup", "augment", "loss", "batch_size", "lr", "learning_rate", "max_epochs", "num_epochs",
               "scheduler", "lr_scheduler", "weight_decay", "momentum")  # fmt: skip


def spec_rules() -> Schema:
    """The JSON Schema of specs."""
    # late: to make the schema costs time, and a bundled spec is not held against it
    from .schema import schema

    return schema()


SPECS = Language(
    "spec",
    spec_rules,
    "archspec, name, input and graph",
    "the smallest spec: archspec: 1, name: tiny, input: {image: [3, 32, 32]}, graph: [relu]",
    SPEC_KEYS,
    (("recipe", "a recipe", "`archc check` and `archc train SPEC RECIPE` take recipes", RECIPE_KEYS),),
)
