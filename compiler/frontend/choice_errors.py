"""Explains a choice by name that is written as other tools write it: one diagnostic, with the choice as it is written here."""

from __future__ import annotations

from typing import Any

from ..diagnostics import Diagnostic, nearest
from ..ops.fields import Schema, quote_value
from ..ops.words import is_own_word
from .corrections import CorrectedEntry, correct, correct_entry
from .foreign_steps import format_flow
from .located_yaml import Entry, Located, plain_value
from .named_choices import candidates, choice_with, find_name_key, is_name
from .other_words import advise_other_word
from .punctuation import advise_punctuation

LONGEST_WORD = 60


def explain_choice(
    node: Located, rule: Schema, subject: str, key: str, corrected: CorrectedEntry | None = None
) -> Diagnostic:
    """The diagnostic of a value that is no choice by this rule.

    `key` is that under which it stands, empty for an item of a list, and `corrected` what to write, where the document tells more than the value.
    """
    value, wants = plain_value(node), rule["x-wants"]
    if isinstance(value, dict) and value:
        return explain_mapping(node, rule, subject, key, corrected)
    if value == {}:
        help = f"write `{key}: {example_of(rule)}`" if key else f"it can be {', '.join(rule['properties'])}"
        return Diagnostic("empty", node.span, f"{subject}is empty: it wants {wants}", help=help)
    corrected = corrected or correct_entry(key, rule, value)
    help = corrected.advice if corrected else ""
    if isinstance(value, str):
        called = name_meant(rule, value, corrected)
        help = f"`{cut_word(value)}` is `{called}` here: {help}" if called and called != value else help
        help = help or advise_word(rule, value, value)
    help = help or (f"such as `{key}: {example_of(rule)}`" if key else "")
    return Diagnostic("wrong-type", node.span, f"{subject}wants {wants}, not {quote_value(value)}", help=help)


def cut_word(word: str) -> str:
    """A user's word, cut where it is long: a message shows all of it in its place."""
    return word if len(word) <= LONGEST_WORD else word[: LONGEST_WORD - 1] + "…"


def explain_mapping(
    node: Located, rule: Schema, subject: str, key: str, corrected: CorrectedEntry | None
) -> Diagnostic:
    """The diagnostic of a mapping that is not that of one choice."""
    value, kind = plain_value(node), rule["x-what"]
    article = "an" if kind[0] in "aeiou" else "a"
    known: list[str] = [each for each in value if each in rule["properties"]]
    unknown: list[Entry] = [entry for word, entry in node.value.items() if word not in rule["properties"]]
    corrected = corrected or correct_entry(key, rule, value)
    advice = corrected.advice if corrected else ""
    name_key = find_name_key(rule, value)
    if name_key:
        span, word = node.value[name_key].key.span, value[name_key]
        message = f"`{name_key}` is no {kind}: {article} {kind} is a key itself, and its fields stand in it"
        return Diagnostic("unknown-key", span, message, help=advice or f"`{word}`: {advise_word(rule, word, value)}")
    if len(known) > 1:
        second = node.value[known[1]].key.span
        message = f"{subject}wants {rule['x-wants']}, not {len(known)} of them"
        return Diagnostic("wrong-type", second, message, help=advice or "leave one of them out" if key else advise_items(rule, value))  # fmt: skip
    first = unknown[0]
    word = str(first.key.value)
    if known:
        message = f"`{word}` stands beside `{known[0]}`, and the fields of {article} {kind} stand in it"
        return Diagnostic(
            "unknown-key", first.key.span, message, help=advice or advise_word(rule, word, plain_value(first.value))
        )
    if not is_name(rule, word) and choice_with(rule, {word: None}):
        message = f"`{word}` is a field of {article} {kind}, whose name is missing around it"
        help = advice or (f"such as `{key}: {example_of(rule)}`" if key else "")
        return Diagnostic("unknown-key", first.key.span, message, help=help)
    help = advise_punctuation(first.key) if not is_name(rule, word) else ""
    called = name_meant(rule, word, corrected)
    if not help and called:
        help = f"`{cut_word(word)}` is `{called}` here" + (f": {advice}" if advice else "")
    help = help or advise_word(rule, word, plain_value(first.value))
    return Diagnostic("unknown-key", first.key.span, f"unknown {kind}: `{word}`", help=help)


def name_meant(rule: Schema, word: str, corrected: CorrectedEntry | None) -> str:
    """Our name for the choice that a word means: the one that is chosen in what is corrected; empty where it means none."""
    names = [each.name for each in candidates(rule, word)]
    if corrected is None:
        return names[0] if names else ""
    chosen = names_chosen(corrected.correction.value)
    return next((name for name in names if name in chosen), "")


def names_chosen(value: Any) -> list[str]:
    """The names of a choice that is written as a name alone or as a mapping of one key, or of a list of such choices."""
    if isinstance(value, list):
        return [name for item in value for name in names_chosen(item)]
    return [value] if isinstance(value, str) else list(value) if isinstance(value, dict) else []


def advise_word(rule: Schema, word: str, value: Any) -> str:
    """What to say of a name that is none of the choices."""
    if not is_own_word(word) and (other := advise_other_word(rule, word, value)):
        return other
    if word in rule["properties"]:
        return (
            f"write `{word}: {{FIELD: VALUE}}`, with one of {', '.join(rule['properties'][word].get('properties', {}))}"
        )
    names = {
        each: name for name, inner in rule["properties"].items() for each in (name, *inner.get("x-also-called", ()))
    }
    last = word.rpartition(".")[2]
    near = nearest(word, names) or (last if last in names else None)
    return f"did you mean `{names[near]}`?" if near else f"it can be {', '.join(rule['properties'])}"


def advise_items(rule: Schema, value: dict[str, Any]) -> str:
    """The help for several choices that stand in one item of a list: each of them as an item, as it is written here."""
    entries = [correct_entry("", rule, {name: inner}) for name, inner in value.items()]
    written = ", ".join(f"`- {each.text}`" for each in entries if each)
    remarks = dict.fromkeys(remark for each in entries if each for remark in each.correction.remarks)
    return "; ".join(("each is an item of its own" + (f": write {written}" if written else ""), *remarks))


def example_of(rule: Schema) -> str:
    """The first choice with what it needs, as an example."""
    found = correct(rule, rule.get("default", next(iter(rule["properties"]))))
    return format_flow(found.value) if found else "{NAME: {FIELD: VALUE}}"
