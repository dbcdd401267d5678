"""The keys of a recipe as tables: what each takes, its default and its meaning, from the rules that recipes are checked by."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

PLAIN_TYPES = {"object": "a mapping", "array": "a list", "string": "a string"}
BRACES = re.compile(r"(\{(?:[^{}]|\{[^{}]*\})*\})")
# what a message says to who is wrong, and a table need not
ADVICE = re.compile(" of its fields|(?<=alone):.*|: it has no fields")


def recipe_table(keys: Sequence[str]) -> str:
    """The rows of keys at the top of a recipe, each followed by those below it. Raises KeyError for a key that there is not."""
    from archc.training.recipe.rules import recipe_schema

    rules = recipe_schema()["properties"]
    rows = [row for key in keys for row in rows_of(key, rules[key])]
    return "| key | meaning | value | default |\n|---|---|---|---|\n" + "".join(f"{row}\n" for row in rows)


def rows_of(key: str, rule: dict[str, Any]) -> Iterator[str]:
    """A row for the key, unless it is a list's own, and those of all keys below it, dotted."""
    yield row_of(key, rule)
    below = [rule, rule["items"]] if isinstance(rule.get("items"), dict) else [rule]
    for each in below:
        for name, inner in each.get("properties", {}).items():
            yield from rows_of(f"{key}.{name}", inner)


def row_of(key: str, rule: dict[str, Any]) -> str:
    """A key's row: its meaning, its value, its default."""
    from archc.training.recipe.write import flow

    kinds = [rule["type"]] if isinstance(rule["type"], str) else rule["type"]
    value = ADVICE.sub("", rule.get("x-wants", PLAIN_TYPES.get(kinds[0], "")).removeprefix("the integer "))
    # as code: what stands in braces at the end of a cell would be taken for its attributes
    value = BRACES.sub(r"`\1`", value)
    if "enum" in rule:
        value = ", ".join("null" if word is None else f"`{word}`" for word in rule["enum"])
    elif "null" in kinds and "null" not in value and "x-wants" not in rule:
        value += ", or null"
    default = rule.get("default", "")
    default = default if isinstance(default, str) else flow(default)
    return f"| `{key}` | {rule['description']} | {value} | {f'`{default}`' if default else ''} |"
