"""What a value was probably meant as: a plain value in the words of other tools in, one that its rule takes out.

No words of a language stand here: they stand with its rules (schema.py lists them). Each guess is held against the rule, so that what a
message tells to write is taken when it is written.

The guesses of each `guess_…` are tried in order, and the first that fits its rule is taken. For a choice by name: what the rule itself says
(`guess_instead`), then the choices that the name means (`guess_choices`), those first in which most of what is given has a place. For any other
value: `guess_instead`, fields without their names (`guess_fields`), words of other tools, nothing at all where there may be none, and last what
its type suggests (`guess_from_text`, `guess_from_mapping`, `guess_from_list`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from ..diagnostics import Collector, Source
from ..ops.fields import Schema, quote_value
from ..ops.words import is_among, normalize_word
from .foreign_steps import MAX_ARGUMENTS, MAX_FRAGMENT, format_flow, parse_scalar
from .located_yaml import parse_yaml, plain_value
from .named_choices import FIRST, Candidate, candidates, is_choice, read_choice
from .other_words import advise_other_word, json_type
from .punctuation import split_pair
from .schema_rules import find_key
from .shares import correct_shares
from .validation import fits

MOST_LEVELS = 6
# words by which other tools say that there is to be none
OFF = ("none", "null", "no", "off", "false", "0", "disabled")
PRODUCT = re.compile(r"(\d+(?:\.\d+)?)\s*([*/])\s*(\d+(?:\.\d+)?)")


class Correction(NamedTuple):
    """A value that fits its rule, and remarks on what of the user's has no place in it."""

    value: Any
    remarks: tuple[str, ...] = ()


class CorrectedEntry(NamedTuple):
    """What to write in place of an entry of a document: a `key` with its `correction`; an empty key is that of an item of a list."""

    key: str
    correction: Correction

    @property
    def text(self) -> str:
        """The entry as it is written: `key: VALUE`."""
        return (f"{self.key}: " if self.key else "") + format_flow(self.correction.value)

    @property
    def advice(self) -> str:
        """The help of a message: to write the entry, and the remarks on it."""
        return "; ".join((f"write `{self.text}`", *self.correction.remarks))


def correct_entry(key: str, rule: Schema, value: Any) -> CorrectedEntry | None:
    """The entry with the value as it was probably meant; None where that cannot be told, or is too long for a message."""
    found = correct(rule, value)
    entry = CorrectedEntry(key, found) if found else None
    # a backtick would end what is to be written
    return entry if entry and len(entry.text) <= MAX_FRAGMENT and "`" not in entry.text else None


def suggest_entry(key: str, rule: Schema, value: Any) -> str:
    """The advice of `correct_entry`; empty where there is none."""
    entry = correct_entry(key, rule, value)
    return entry.advice if entry else ""


def correct(rule: Schema, value: Any, levels: int = MOST_LEVELS) -> Correction | None:
    """The value that the rule takes and that `value` was probably meant as; None where that cannot be told."""
    if levels == 0 or (isinstance(value, (str, list, dict)) and len(value) > MAX_FRAGMENT):
        return None
    if is_choice(rule):
        guesses = guess_choices(rule, value, levels)
    elif fits(rule, value):
        return Correction(value)
    else:
        guesses = guess_values(rule, value, levels)
    return next((guess for guess in guesses if fits(rule, guess.value)), None)


def guess_choices(rule: Schema, value: Any, levels: int) -> Iterator[Correction]:
    """What a choice by name may be meant as."""
    yield from guess_instead(rule, value)
    found = read_choice(rule, value)
    if found is None:
        return
    built = [guess for each in candidates(rule, found.word) for guess in build_choice(rule, each, found.given, levels)]
    # the one in which most of what is given has a place
    yield from sorted(built, key=lambda guess: len(guess.remarks))
    if isinstance(value, str) and (pair := split_pair(value)):
        key, _, text = pair.partition(": ")
        yield from guess_choices(rule, {key: parse_scalar(text)}, levels - 1)


def build_choice(rule: Schema, candidate: Candidate, given: Any, levels: int) -> Iterator[Correction]:
    """A choice with what is given for it, in our words."""
    name, words, usual = candidate
    inner = rule["properties"][name]
    value: Any = dict(usual) or None
    remarks: tuple[str, ...] = ()
    if isinstance(given, dict) and "properties" in inner:
        first = inner.get("x-bare") or next(iter(inner["properties"]), FIRST)
        ours = {
            first if key == FIRST else translated(words, key): each
            for key, each in islice(given.items(), MAX_ARGUMENTS)
        }
        fields, remarks = correct_fields(inner, ours, levels)
        value = {**usual, **fields}
    elif given is not None and given is not True:
        found = correct(inner, given, levels - 1)
        if found is None:
            return
        value, remarks = found
        bare = inner.get("x-bare")
        if usual and (isinstance(value, dict) or bare):
            # what goes with their word goes with its one value, too: torch's StepLR(30) has a gamma
            value = {**usual, **(value if isinstance(value, dict) else {bare: value})}
    if value is None or isinstance(value, dict):
        value = with_needed(inner, value or {}) or value
    if not value and isinstance(value, (dict, type(None))):
        yield Correction(name, remarks)
        yield Correction({name: None}, remarks)
    if isinstance(value, dict) and list(value) == [inner.get("x-bare")]:
        yield Correction({name: value[inner["x-bare"]]}, remarks)
    yield Correction({name: value}, remarks)


def translated(words: Mapping[str, str], key: str) -> str:
    """Our name for a field of another tool's choice; the name itself where there is none."""
    return next((ours for theirs, ours in words.items() if is_among(key, (theirs,))), key)


def correct_fields(rule: Schema, given: Mapping[str, Any], levels: int) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The fields by our names with values that fit, and a remark on each that has no place or does not fit."""
    given = join_parts(rule, given)
    fields: dict[str, Any] = {}
    remarks: list[str] = []
    known: Mapping[str, Schema] = rule["properties"]
    for word, value in islice(given.items(), MAX_ARGUMENTS):
        key = word if word in known else find_key(known, word)
        if not key:
            remarks.append(remark_on(rule, word, value))
            continue
        found = correct(known[key], value, levels - 1)
        if found is None:
            remarks.append(remark_on_value(known[key], key, value))
        else:
            if fields.setdefault(key, found.value) != found.value:
                remarks.append(remark_on_two(key, fields[key], found.value))
            remarks += found.remarks
    return fields, tuple(dict.fromkeys(remarks))


def join_parts(rule: Schema, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with those that are numbers of one list here (`x-parts`) in that list: `beta1` and `beta2` are `betas`."""
    joined = dict(given)
    for key, each in rule["properties"].items():
        numbers = list(each["default"]) if "x-parts" in each else []
        parts = {word: place for place, words in enumerate(each.get("x-parts", ())) for word in given if is_among(word, tuple(words))}  # fmt: skip
        for word, place in parts.items():
            numbers[place] = joined.pop(word)
        if parts:
            joined.setdefault(key, numbers)
    return joined


def remark_on_two(key: str, first: Any, second: Any) -> str:
    """What to say of a field that has two values."""
    return f"`{key}` is said twice, as {quote_value(first)} and as {quote_value(second)}: keep the one that is meant"


def remark_on(rule: Schema, word: str, value: Any) -> str:
    """What to do with a field that is none of the rule's."""
    if advice := advise_other_word(rule, word, value):
        return f"`{word}`: {advice}"
    name = rule.get("x-choice", "")
    return f"`{name}` has no `{word}`" if name else f"there is no `{word}`"


def remark_on_value(rule: Schema, key: str, value: Any) -> str:
    """What to do with a value of a field that cannot be told from it."""
    other = "" if isinstance(value, (list, dict)) else advise_other_word(rule, str(value), value)
    return (
        f"`{key}`: {other}"
        if other
        else f"`{key}` wants {rule.get('x-wants', 'another value')}, not {quote_value(value)}"
    )


def guess_values(rule: Schema, value: Any, levels: int) -> Iterator[Correction]:
    """What a value that is no choice may be meant as."""
    kinds = rule.get("type", ())
    yield from guess_instead(rule, value)
    if shares := correct_shares(rule, value):
        yield Correction(shares)
    yield from guess_fields(rule, value)
    words = rule.get("x-other-words", {})
    if not isinstance(value, (list, dict)) and str(value).lower() in words:
        yield Correction(words[str(value).lower()])
    if is_off(value) and "default" in rule and rule["default"] in (None, []):
        yield Correction(rule["default"])
    if isinstance(value, str):
        yield from guess_from_text(rule, value, levels)
    elif isinstance(value, float) and value.is_integer():
        yield Correction(int(value))
    elif isinstance(value, dict):
        yield from guess_from_mapping(rule, value, levels)
    elif isinstance(value, list):
        yield from guess_from_list(rule, value, levels)
    if (
        "array" in kinds
        and "items" in rule
        and not isinstance(value, (list, dict))
        and (item := correct(rule["items"], value, levels - 1))
    ):
        yield Correction([item.value], item.remarks)
    bare = rule.get("x-bare")
    if bare and not isinstance(value, dict) and (inner := correct(rule["properties"][bare], value, levels - 1)):
        yield inner


def missing_fields(rule: Schema, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a choice needs and does not have, with values for an example."""
    rows = (
        (fields, example) for fields, example, *only in rule.get("x-needs", ()) if all(given.get(each) for each in only)
    )
    return {fields[0]: example for fields, example in rows if all(given.get(field) is None for field in fields)}


def with_needed(rule: Schema, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are given, and those that the rule needs beside them."""
    return {**missing_fields(rule, given), **{field: value for field, value in given.items() if value is not None}}


def guess_fields(rule: Schema, value: Any) -> Iterator[Correction]:
    """The fields of a choice that are given as a value without them: what it needs, of which a number is the first; or none."""
    needed = missing_fields(rule, {})
    if needed and value is not None and not isinstance(value, dict):
        yield Correction(needed | {next(iter(needed)): value})
    if needed and (value is None or value == {}):
        yield Correction(needed)
    is_choice_made = "x-choice" in rule
    if is_choice_made and isinstance(value, (int, float)) and not isinstance(value, bool) and "x-bare" not in rule:
        # the first field that takes a number like this
        found = ((field, correct(each, value)) for field, each in rule["properties"].items())
        yield from (Correction({field: each.value}) for field, each in found if each)
    if is_choice_made and value is True:
        yield Correction({})


def is_off(value: Any) -> bool:
    """Whether a value says that there is to be none, as other tools do."""
    return value is None or value is False or value == 0 or (isinstance(value, str) and value.lower() in OFF)


def guess_instead(rule: Schema, value: Any) -> Iterator[Correction]:
    """What the rule says to write for a value of this JSON type (`x-instead`)."""
    kind, instead = json_type(value), rule.get("x-instead", {})
    form = instead.get(kind) or (instead.get("number") if kind == "integer" else None)
    if form is None or "NAME" in form:
        return
    text = form.replace("VALUE", format_flow(value))
    node = parse_yaml(Source("a form", text), Collector())
    plain = plain_value(node) if node else None
    if isinstance(plain, dict) and len(plain) == 1:
        yield Correction(next(iter(plain.values())))


def guess_from_text(rule: Schema, text: str, levels: int) -> Iterator[Correction]:
    """What a string may be meant as: one of the words, a number, or a list."""
    known = (word for word in (*rule.get("x-words", ()), *rule.get("enum", ())) if isinstance(word, str))
    yield from (Correction(word) for word in known if normalize_word(word) == normalize_word(text))
    yield from (Correction(number) for number in numbers_in(rule, text))
    if text in rule.get("properties", {}):
        yield Correction({text: True})
    items = [each for each in re.split(r"\s*[,;|]\s*|\s+", text.strip("()[] ")) if each]
    if "array" in rule.get("type", ()) and 0 < len(items) <= MAX_ARGUMENTS:
        values = [parse_scalar(item) for item in items]
        yield Correction(values)
        yield from guess_from_list(rule, values, levels)


def numbers_in(rule: Schema, text: str) -> Iterator[Any]:
    """The numbers that a text may be meant as."""
    scalar = parse_scalar(text)
    if not isinstance(scalar, str):
        yield scalar
    if re.fullmatch(r"\d{1,3}([_, ]\d{3})+", text):
        yield int(re.sub(r"[_, ]", "", text))
    if decimal := re.fullmatch(r"(-?\d{1,9}),(\d{1,9})", text):
        yield float(f"{decimal[1]}.{decimal[2]}")
    percent = re.fullmatch(r"(\d{1,3}(?:\.\d{1,9})?) *%", text)
    if percent and rule.get("maximum", rule.get("exclusiveMaximum")) == 1:
        yield round(float(percent[1]) / 100, 12)
    if product := PRODUCT.fullmatch(text[:40]):
        one, other = float(product[1]), float(product[3])
        result = one * other if product[2] == "*" else one / other if other else 0.0
        yield int(result) if result.is_integer() else float(f"{result:.10g}")


def guess_from_mapping(rule: Schema, value: Mapping[str, Any], levels: int) -> Iterator[Correction]:
    """What a mapping may be meant as: the same with our keys, a list of its entries, or its one value."""
    if "properties" in rule:
        fields, remarks = correct_fields(rule, value, levels)
        if fields:
            yield Correction(fields, remarks)
            yield Correction(with_needed(rule, fields), remarks)
    elif "x-item-order" in rule and (by_name := items_by_name(rule, value, levels)):
        yield by_name
    elif "patternProperties" in rule:
        yield from guess_by_key(rule, value, levels)
    elif "array" in rule.get("type", ()) and "items" in rule:
        yield from guess_from_list(rule, [{key: each} for key, each in islice(value.items(), MAX_ARGUMENTS)], levels)
        yield from guess_from_list(rule, [value], levels)
    else:
        one = (
            value[rule["x-meant-key"]]
            if rule.get("x-meant-key") in value
            else next(iter(value.values()))
            if len(value) == 1
            else None
        )
        if isinstance(one, (int, float)) and (inner := correct(rule, one, levels - 1)):
            yield inner


def guess_by_key(rule: Schema, value: Mapping[str, Any], levels: int) -> Iterator[Correction]:
    """A mapping whose keys are the user's own, with each value as it was meant; nothing where one of them cannot be told."""
    inner = next(iter(rule["patternProperties"].values()))
    found = {key: correct(inner, each, levels - 1) for key, each in islice(value.items(), MAX_ARGUMENTS)}
    known = {key: each for key, each in found.items() if each is not None}
    if len(known) == len(value):
        remarks = dict.fromkeys(remark for each in known.values() for remark in each.remarks)
        yield Correction({key: each.value for key, each in known.items()}, tuple(remarks))


def items_by_name(rule: Schema, value: Mapping[str, Any], levels: int) -> Correction | None:
    """A list whose items have names in other tools, in the order that the rule says in words (`x-item-order`), which is that of the names,
    or of numbers; None where one of them cannot be told."""
    items = {name: correct(rule["items"], each, levels - 1) for name, each in islice(value.items(), MAX_ARGUMENTS)}
    names = sorted(items, key=int) if all(name.isdecimal() for name in items) else sorted(items)
    found = [each.value for name in names if (each := items[name])]
    if len(found) < len(value):
        return None
    return Correction(found, (f"the list is in {rule['x-item-order']}: {', '.join(names)[:80]}",))


def guess_from_list(rule: Schema, values: list[Any], levels: int) -> Iterator[Correction]:
    """What a list may be meant as: the same with our items, fields in their order, or its one item."""
    if "array" in rule.get("type", ()) and "items" in rule:
        items = [correct(rule["items"], each, levels - 1) for each in values[:MAX_ARGUMENTS]]
        found = [item for item in items if item is not None]
        if len(found) == len(values):
            yield Correction(
                [item.value for item in found], tuple(dict.fromkeys(r for item in found for r in item.remarks))
            )
    names = list(rule.get("properties", ()))
    # a pair, and the field behind it
    if len(values) == 3 and len(names) > 1:
        pair = values[0] if values[0] == values[1] else values[:2]
        if fits(rule["properties"][names[0]], pair):
            yield Correction({names[0]: pair, names[1]: values[2]})
    if 1 < len(values) <= len(names):
        yield Correction(dict(zip(names, values, strict=False)))
    if len(values) == 1 and (inner := correct(rule, values[0], levels - 1)):
        yield inner
