"""Lays the words of other tools (words.py) into the rules of a recipe, by which the front end explains mistakes.

Names of our own come first: a word that the rules know at a place is no word of others there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...compiler.frontend.schema_rules import words_of
from ...compiler.ops.fields import Schema
from ...compiler.ops.words import normalize_word
from .choice import CHOICES, LISTS
from .words import (
    EXAMPLES,
    FORMS,
    INSTEAD,
    ITEM_ORDERS,
    MEANT_KEYS,
    NEEDS,
    ORDER,
    OTHER_KEYS,
    OTHER_WORDS,
    PARTS,
    SHARES,
    STANDS_IN,
)

# sections whose keys and choices are looked for at the top, the first to have a word gets it
SECTIONS = ("optimizer", "data", "loss", "checkpoint", "log", "warmup", "schedule", "augment")
OF_MESSAGES = (
    "x-name-key",
    "x-meant-key",
    "x-other-keys",
    "x-other-forms",
    "x-other-words",
    "x-stands-in",
    "x-needs",
    "x-parts",
    "x-item-order",
    "x-shares",
    "x-order",
    "x-example",
    "x-choice",
)


def with_other_words(rule: Schema) -> Schema:
    """The rule of a whole recipe with the words of other tools in it, and where words belong that stand at its top."""
    keys = {key: lay_in(each, key) for key, each in rule["properties"].items()}
    found = rule | {"properties": keys}
    return lay_in(found, "", inside=False) | {"x-stands-in": stands_in(keys)}


def without_other_words(rule: Any) -> Any:
    """A rule without the rows that messages alone read: an editor has no use for them, and they are most of the text."""
    if isinstance(rule, dict):
        return {key: without_other_words(each) for key, each in rule.items() if key not in OF_MESSAGES}
    return rule


def lay_in(rule: Schema, place: str, inside: bool = True) -> Schema:
    """The rule at a place with the words of others, and so the rules `inside` it."""
    found = dict(rule)
    if inside and "properties" in rule:
        found["properties"] = {key: lay_in(each, f"{place}.{key}") for key, each in rule["properties"].items()}
    if inside and "properties" in rule.get("items", {}):
        steps = {key: lay_in(each, f"{place}.{key}") for key, each in rule["items"]["properties"].items()}
        found["items"] = rule["items"] | {"properties": steps}
        found["items"] |= rows_at(f"{place}.*", found["items"])
    if inside and "patternProperties" in rule and place:
        # what stands below keys of the user's own is a choice as its section has it
        section = place.partition(".")[0]
        found["patternProperties"] = {key: lay_in(each, section) for key, each in rule["patternProperties"].items()}
    if place in INSTEAD:
        found["x-instead"] = rule.get("x-instead", {}) | INSTEAD[place]
    if place in OTHER_WORDS:
        found["x-other-words"] = rule.get("x-other-words", {}) | OTHER_WORDS[place]
    if place in FORMS:
        found["x-other-forms"] = [[list(words), name, fields, more] for words, name, fields, more in FORMS[place]]
    if place in MEANT_KEYS:
        found["x-meant-key"] = MEANT_KEYS[place]
    if place in PARTS:
        found["x-parts"] = [list(words) for words in PARTS[place]]
    if place in SHARES:
        found["x-shares"] = SHARES[place]
    if place in ITEM_ORDERS:
        found["x-item-order"] = ITEM_ORDERS[place]
    if place in ORDER:
        found["x-order"] = list(ORDER[place])
    section = place.partition(".")[0]
    is_choice = place.count(".") == 1 and section in (*CHOICES, *LISTS)
    example = EXAMPLES.get(
        place, EXAMPLES.get(f"{section}.*.{place.rpartition('.')[2]}") if place.count(".") == 2 else None
    )
    if example is not None:
        found["x-example"] = example
    if place in NEEDS:
        found["x-needs"] = [[list(fields), *rest] for fields, *rest in NEEDS[place]]
    return found | rows_at(f"{section}.*" if is_choice and section in CHOICES else place, found)


def rows_at(place: str, rule: Schema) -> Schema:
    """`x-other-keys` of a place, without the words that the rule knows by now; empty where there are none."""
    known = {normalize_word(word) for word in words_of(rule.get("properties", {}))}
    rows = [
        [[word for word in words if normalize_word(word) not in known], advice]
        for words, advice in OTHER_KEYS.get(place, ())
    ]
    kept = [row for row in rows if row[0]]
    return {"x-other-keys": kept} if kept else {}


def stands_in(keys: Schema) -> list[list[Any]]:
    """Rows for words that stand deeper in a recipe than at its top: the words, the section, and the key in it, empty where it knows them."""
    taken = {normalize_word(word) for word in words_of(keys)}
    rows: list[list[Any]] = []

    def add(words: Iterator[str] | tuple[str, ...], section: str, key: str) -> None:
        new = [word for word in dict.fromkeys(words) if normalize_word(word) not in taken]
        taken.update(map(normalize_word, new))
        if new:
            rows.append([new, section, key])

    for words, section, key in STANDS_IN:
        add(words, section, key)
    for section in SECTIONS:
        rule = keys[section]
        choices = rule.get("items", rule)["properties"]
        if section in CHOICES:
            add((word for each in choices.values() for word in words_of(each.get("properties", {}))), section, "")
        add(words_of(choices), section, "")
    return rows
