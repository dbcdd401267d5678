"""Choices by name, as other tools write them: `{name: sgd, lr: 0.1}`, `{type: SGD, …}`, `SGD`, `{lr: 0.1}`.

Here a choice is a mapping of one key, its name, with the fields in it: `{sgd: {lr: 0.1}}`. The rule of one has its names as properties
and `maxProperties: 1`; the rule of its fields says which choice it is of (`x-choice`). Three more keys are for what is read here:

- `x-name-key`: a key under which other tools name what is chosen, beside those of NAME_KEYS: `{optimizer: sgd, …}`
- `x-other-forms`: rows of words, the choice that they mean, our names for their fields, and the fields that it has then
- `x-needs`: rows of fields, of which a choice has one, an example for the first, and a field that it then has, if not always

Two are for lists (corrections.py): `x-parts` has other tools' words for each of its numbers, `x-item-order` says in words the order of items
that other tools name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from ..ops.fields import Schema
from ..ops.words import NESTED_ARGUMENTS, OP_KEYS, is_among, is_own_word
from .foreign_steps import MAX_ARGUMENTS, MAX_FRAGMENT, parse_scalar
from .schema_rules import words_of

# the key of an argument by position
FIRST = "0"
# keys under which other formats name what is chosen
NAME_KEYS = (*OP_KEYS, "name", "policy", "algorithm", "alg")


class NamedChoice(NamedTuple):
    """What a user's value chooses: a `word`, and what stands under it: fields, a bare value, or None.

    `name_key` is the key that holds the word, where it is no key itself.
    """

    word: str
    given: Any = None
    name_key: str = ""


class Candidate(NamedTuple):
    """One of our choices that a word may mean, with our names for the fields that go with that word, and what it has by itself."""

    name: str
    fields: Mapping[str, str] = {}
    usual: Mapping[str, Any] = {}


def is_choice(rule: Schema) -> bool:
    """Whether the rule is that of a choice by name."""
    return rule.get("maxProperties") == 1 and "properties" in rule


def candidates(rule: Schema, word: str) -> Iterator[Candidate]:
    """The choices that a word means, the most probable first; none for a word that nobody knows."""
    if word in rule["properties"]:
        yield Candidate(word)
    if is_own_word(word):
        return
    for words, name, fields, usual in rule.get("x-other-forms", ()):
        if name in rule["properties"] and is_among(word, tuple(words)):
            yield Candidate(name, fields, usual)
    for name, inner in rule["properties"].items():
        if is_among(word, (name, *inner.get("x-also-called", ()))):
            yield Candidate(name)


def is_name(rule: Schema, word: str) -> bool:
    """Whether the word means one of the choices."""
    return next(candidates(rule, word), None) is not None


def find_name_key(rule: Schema, value: Mapping[str, Any]) -> str:
    """The key of a mapping under which it names what is chosen, as other formats do; empty where there is none."""
    own = (rule["x-name-key"],) if "x-name-key" in rule else ()
    keys = (key for key in value if key not in rule["properties"] and is_among(key, (*NAME_KEYS, *own)))
    return next((key for key in keys if isinstance(value[key], str)), "")


def read_choice(rule: Schema, value: Any) -> NamedChoice | None:
    """What a plain value chooses; None where that cannot be told."""
    if isinstance(value, str):
        return read_call(value) or NamedChoice(value)
    if isinstance(value, list):
        return read_row(rule, value)
    if not isinstance(value, dict) or not 0 < len(value) <= MAX_ARGUMENTS:
        return None
    if key := find_name_key(rule, value):
        return NamedChoice(value[key], flatten({k: v for k, v in value.items() if k != key}), key)
    # a word of others may be a field of ours: nesterov
    names = outer_names(rule, value) or [each for each in value if is_name(rule, each)]
    if len(names) == 1:
        return NamedChoice(names[0], join_outdented(rule, names[0], value))
    if not names and (name := choice_with(rule, value)):
        return NamedChoice(name, value)
    if len(value) == 1:
        return NamedChoice(*next(iter(value.items())))
    return None


def outer_names(rule: Schema, value: Mapping[str, Any]) -> list[str]:
    """The choices that a mapping names, but for those that are fields of another one beside them: in `{bias: 1, normal: 0.1}` a start's bias."""
    names = [each for each in value if each in rule["properties"]]
    fields = {field for each in names for field in rule["properties"][each].get("properties", {})}
    return [each for each in names if each not in fields]


def read_row(rule: Schema, value: list[Any]) -> NamedChoice | None:
    """The choice of a list: one in brackets, or a name with its value, `[flip, 0.5]`."""
    match value:
        case [one] if not isinstance(one, list):
            return read_choice(rule, one)
        case [str(word), given] if is_name(rule, word) and not isinstance(given, str):
            return NamedChoice(word, given)
    names = [each for each in value if isinstance(each, str) and is_name(rule, each)]
    return NamedChoice(names[0]) if len(names) == 1 else None


def read_call(text: str) -> NamedChoice | None:
    """The choice of a call as Python writes it, `SGD(lr=0.1, momentum=0.9)`; None for any other text."""
    call = re.fullmatch(r"([A-Za-z_][\w.]*)\((.*)\)", text[:MAX_FRAGMENT], re.DOTALL)
    if call is None:
        return None
    parts = [part.strip() for part in re.split(r",(?![^\[(]*[\])])", call[2]) if part.strip()]
    pairs = [part.partition("=") for part in parts]
    fields = {key.strip(): parse_argument(given) for key, equals, given in pairs if equals}
    values = [parse_argument(key) for key, equals, _ in pairs if not equals]
    if fields and values:
        return NamedChoice(call[1], {FIRST: values[0], **fields})
    return NamedChoice(call[1], fields or (values if len(values) > 1 else values[0] if values else None))


def parse_argument(text: str) -> Any:
    """The value of an argument: a number, a boolean, a list of them, or its text."""
    inner = re.fullmatch(r"[\[(](.*)[\])]", text.strip())
    if inner:
        return [parse_scalar(each.strip()) for each in inner[1].split(",") if each.strip()]
    return parse_scalar(text.strip().strip("'\""))


def flatten(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, with those that other formats keep in a mapping of their own: `{name: sgd, params: {lr: 0.1}}`."""
    found: dict[str, Any] = {}
    for key, value in fields.items():
        found |= value if NESTED_ARGUMENTS.fullmatch(key) and isinstance(value, dict) else {key: value}
    return found


def join_outdented(rule: Schema, word: str, value: Mapping[str, Any]) -> Any:
    """What stands under the word, with the fields that stand beside it: `{flip: , p: 0.3}`."""
    inner, beside = value[word], {key: each for key, each in value.items() if key != word}
    if not beside:
        return inner
    if isinstance(inner, dict):
        return {**inner, **{key: each for key, each in beside.items() if key not in inner}}
    found = next(candidates(rule, word), None)
    bare = rule["properties"][found.name].get("x-bare") if found else None
    return {bare: inner} | beside if bare and inner is not None else beside


def choice_with(rule: Schema, fields: Mapping[str, Any]) -> str:
    """A word for the first choice that has all of the fields, those that other tools call so before ours; empty where none has.

    `x-order` names the choices in the order in which they are looked through.
    """

    def fields_of(name: str) -> Mapping[str, Schema]:
        found: Mapping[str, Schema] = rule["properties"][name].get("properties", {})
        return found

    names = [name for name in rule.get("x-order", ()) if name in rule["properties"]]
    known = {
        words[0]: (*theirs, *words_of(fields_of(name)))
        for words, name, theirs, _ in rule.get("x-other-forms", ())
        if theirs and name in rule["properties"]
    }
    known |= {name: tuple(words_of(fields_of(name))) for name in dict.fromkeys((*names, *rule["properties"]))}
    asked = list(islice(fields, MAX_ARGUMENTS))
    return next((word for word, each in known.items() if each and all(is_among(field, each) for field in asked)), "")
