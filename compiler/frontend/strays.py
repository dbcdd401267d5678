"""Keys that stand at the top of a document and belong in one of its sections: `lr` beside `optimizer`, `mixup` beside `augment`.

The rule of the document lists these words (`x-stands-in`). A row of the list has some words, the section in which they belong, and the key
that they mean there; this key is empty where the section knows the words by itself. All words that belong in one section make one mistake.
Its message shows the section with all of them in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ..diagnostics import Diagnostic, list_names
from ..ops.fields import Schema, quote_value
from ..ops.words import is_among
from .corrections import CorrectedEntry, Correction, correct, correct_entry, is_off, remark_on_two
from .language import Rules
from .located_yaml import Entry, Located, plain_value
from .named_choices import NAME_KEYS, candidates, is_choice, read_choice
from .other_words import advise_other_word
from .schema_rules import find_key, unknown_entries
from .validation import fits, fits_itself

MAX_STRAYS = 40


class Stray(NamedTuple):
    """An entry at the top that belongs in a section, under `field`; that is empty where it is the section itself by another name."""

    entry: Entry
    field: str


@lru_cache(maxsize=4)
def find_strays(root: Located, rules: Rules) -> Mapping[str, tuple[Stray, ...]]:
    """The strays of a document by their sections, looked for once."""
    rule = rules()
    found: dict[str, list[Stray]] = {}
    for entry in unknown_entries(root, rule)[:MAX_STRAYS] if "x-stands-in" in rule else ():
        word = str(entry.key.value)
        section = find_key(rule["properties"], word)
        row = next((row for row in rule["x-stands-in"] if is_among(word, tuple(row[0]))), None)
        # a field of the choice that is made means that choice, as `patience` beside `schedule: plateau`
        is_of_choice = row is not None and word in fields_of_choice(root, row[1], rule)
        if not is_of_choice and advise_other_word(rule, word, plain_value(entry.value)):
            continue
        if section:
            found.setdefault(section, []).append(Stray(entry, ""))
        elif row:
            found.setdefault(row[1], []).append(Stray(entry, row[2] or word))
    return {section: tuple(strays) for section, strays in found.items()}


def fields_of_choice(root: Located, section: str, rule: Schema) -> Mapping[str, Schema]:
    """The fields of what a section chooses by name, with their rules; empty for any other section."""
    inner = rule["properties"][section]
    node = next((entry.value for key, entry in root.value.items() if find_key({section: inner}, key)), None)
    named = read_choice(inner, plain_value(node)) if node and is_choice(inner) else None
    found = next(candidates(inner, named.word), None) if named else None
    fields: Mapping[str, Schema] = inner["properties"][found.name].get("properties", {}) if found else {}
    return fields


def find_clashes(rule: Schema, head: Any, fields: list[tuple[str, Any]]) -> Iterator[str]:
    """A remark on each field that stands in its section and outside of it, or outside of it twice, with two values."""
    named = read_choice(rule, head) if is_choice(rule) else None
    corrected = correct(rule, head) if isinstance(head, (int, float)) and not is_choice(rule) else None
    own = named.given if named else corrected.value if corrected else head
    known: dict[str, Schema] = {}
    for each in rule["properties"].values() if is_choice(rule) else (rule,):
        known |= each.get("properties", {})
    given = [*(own.items() if isinstance(own, dict) else ()), *fields]
    told: dict[str, Any] = {}
    for word, value in given:
        key = find_key(known, word) or word
        if told.setdefault(key, value) != value:
            yield remark_on_two(key, told[key], value)


def correct_section(root: Located, section: str, rules: Rules) -> CorrectedEntry | None:
    """The section with all that belongs in it; None where it cannot be told."""
    rule, strays = rules()["properties"][section], find_strays(root, rules).get(section, ())
    heads = [each.entry.value for each in strays if not each.field]
    head = root.value[section].value if section in root.value else heads[0] if heads else None
    fields = [(each.field, plain_value(each.entry.value)) for each in strays if each.field]
    base = plain_value(head) if head else None
    entry = correct_entry(section, rule, join_section(rule, base, dict(fields)))
    if entry is None or not fields:
        return entry
    value, remarks = entry.correction
    remarks = tuple(dict.fromkeys((*remarks, *find_clashes(rule, base, fields))))
    return entry._replace(correction=Correction(value, remarks))


def join_section(rule: Schema, base: Any, fields: Mapping[str, Any]) -> Any:
    """The plain value of a section with the fields that stand outside of it."""
    if not fields:
        return base
    if "array" in rule.get("type", ()):
        steps = [{key: each} for key, each in base.items()] if isinstance(base, dict) else base or []
        steps = steps if isinstance(steps, list) else [steps]
        return [*steps, *({key: value} for key, value in fields.items() if not is_off(value))]
    fields = {key: value for key, value in fields.items() if not is_left_out(rule_of(rule, key), value)}
    if is_choice(rule) and isinstance(base, str):
        base = {NAME_KEYS[0]: base}
    elif base is not None and not isinstance(base, dict):
        found = correct(rule, base)
        base = found.value if found else None
    return {**(base or {}), **fields}


def rule_of(section: Schema, field: str) -> Schema:
    """The rule of a field of a section, or of the first of its choices that is it or has it; empty where there is none."""
    keys = section.get("items", section).get("properties", {})
    for each in (keys, *(inner.get("properties", {}) for inner in keys.values() if is_choice(section))):
        if key := find_key(each, field):
            found: Schema = each[key]
            return found
    return {}


def is_left_out(rule: Schema, value: Any) -> bool:
    """Whether the value says that there is to be none, where leaving the key out says it: `warmup_epochs: 0`."""
    can_be_none = "default" in rule and rule["default"] in (None, [])
    return can_be_none and is_off(value) and (value is None or not fits(rule, value))


def are_left_out(rule: Schema, strays: list[Stray]) -> bool:
    """Whether keys of a section with this rule say together that there is to be none."""
    values = [(each.field, plain_value(each.entry.value)) for each in strays]
    if "array" in rule.get("type", ()):
        return all(is_off(value) for _, value in values)
    off = [field for field, value in values if is_left_out(rule_of(rule, field) if field else rule, value)]
    needed = {field for fields, *_ in rule.get("x-needs", ()) for field in fields}
    # a warm-up without a length is none, whatever else is said of it
    return len(off) == len(values) or any(not field or field in needed for field in off)


def explain_strays(root: Located, what: str, rules: Rules) -> Iterator[Diagnostic]:
    """One diagnostic for all that belongs in a section; none where the section itself is refused, which then says it."""
    for section, strays in find_strays(root, rules).items():
        heads, others = [each for each in strays if not each.field], [each for each in strays if each.field]
        if section in root.value:
            own = root.value[section]
            for each in heads:
                message = f"`{each.entry.key.value}` is `{section}` here, which stands on line {own.key.span.line}"
                yield Diagnostic("unknown-key", each.entry.key.span, message, help="leave one of them out")
            if others and fits_itself(rules()["properties"][section], plain_value(own.value)):
                yield stray_keys(root, section, others, what, rules)
        elif heads:
            rule = rules()["properties"][section]
            word = heads[0].entry.key.value
            if are_left_out(rule, [*heads, *others]):
                yield stray_keys(root, section, [*heads, *others], what, rules)
                continue
            value = heads[0].entry.value.value
            other = advise_other_word(rule, value, value) if isinstance(value, str) else ""
            corrected = correct_section(root, section, rules)
            advice = other or (corrected.advice if corrected else "")
            help = f"`{word}` is `{section}` here" + (f": {advice}" if advice else "")
            yield Diagnostic("unknown-key", heads[0].entry.key.span, f"unknown {what}: `{word}`", help=help)
        else:
            yield stray_keys(root, section, others, what, rules)


def advise_field(section: Schema, stray: Stray) -> str:
    """What the section wants of a stray whose value cannot be mended, in words alone."""
    value = plain_value(stray.entry.value)
    rule = rule_of(section, stray.field)
    key = find_key(section.get("items", section).get("properties", {}), stray.field) or stray.field
    other = "" if isinstance(value, (list, dict)) else advise_other_word(rule, str(value), value)
    return other or (f"`{key}` wants {rule['x-wants']}, not {quote_value(value)}" if "x-wants" in rule else "")


def several_of(what: str, count: int) -> str:
    """What a rule calls one of its keys, for so many of them: `key of a recipe`, `keys of a recipe`."""
    return what if count == 1 else re.sub(r"^(key|field)\b", r"\1s", what)


def stray_keys(root: Located, section: str, strays: list[Stray], what: str, rules: Rules) -> Diagnostic:
    """The diagnostic of keys that stand at the top and belong in a section."""
    first = strays[0].entry
    words = list_names([str(each.entry.key.value) for each in strays], "`{}`")
    rule = rules()["properties"][section]
    is_list = "array" in rule.get("type", ())
    if are_left_out(rule, strays):
        rest = f"there is only what stands in `{section}`" if is_list else "then there is none"
        help = f"leave {'it' if len(strays) == 1 else 'them'} out: {rest}"
    else:
        one, several = ("it is a step of", "they are steps of") if is_list else ("it stands in", "they stand in")
        place = one if len(strays) == 1 else several
        corrected = correct_section(root, section, rules)
        advice = (
            corrected.advice if corrected else "; ".join(dict.fromkeys(advise_field(rule, each) for each in strays))
        )
        help = f"{place} `{section}`" + (f": {advice}" if advice else "")
    return Diagnostic("unknown-key", first.key.span, f"unknown {several_of(what, len(strays))}: {words}", help=help)
