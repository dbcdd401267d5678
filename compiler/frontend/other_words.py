"""Words of other tools that the language has no word for, with what to do instead (`x-other-keys`).

The rows stand with the rules: words, and an advice; or an advice for each JSON type of the value, of which "" is the one for all others.
A word is answered wherever it stands, as a key or as a value; an empty word stands for any. KEY stands for the word in an advice, and VALUE for its value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..ops.fields import Schema
from ..ops.words import is_own_word, normalize_word
from .foreign_steps import MAX_FRAGMENT, format_flow

JSON_TYPES = {type(None): "null", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


def json_type(value: Any) -> str:
    """The JSON type of a plain value; `true` and `false` are types of their own."""
    return ("true" if value else "false") if isinstance(value, bool) else JSON_TYPES.get(type(value), "")


def advice_by_word(rule: Schema) -> Mapping[str, Any]:
    """The advices of `x-other-keys` by their words in one spelling; of a word in two rows the first."""
    found: dict[str, Any] = {}
    for words, advice in rule.get("x-other-keys", ()):
        for word in words:
            found.setdefault(one_spelling(word), advice)
    return found


def one_spelling(word: str) -> str:
    """The word as it is looked up, however it is spelled. A number keeps its sign and its point, and so does a word that would become
    one: what stands before a point is left out, as in `torch.optim.SGD`, and of `rand-m9-mstd0.5` there would be a 5. A whole number is
    the same with a point and without: `-1.0` is `-1`."""
    if whole := re.fullmatch(r"(-?\d+)\.0*", word):
        return whole[1]
    spelled = normalize_word(word)
    return word.lower() if spelled.isdigit() else spelled


def advise_other_word(rule: Schema, word: str, value: Any = None) -> str:
    """What to do instead of a word that the language does not have; empty for any other word, and for a value that is a name of the user's own."""
    is_told = "x-other-keys" in rule and not (word == value and is_own_word(word))
    return choose_advice(advice_by_word(rule), word, value) if is_told else ""


def choose_advice(advices: Mapping[str, Any], word: str, value: Any) -> str:
    """The advice for a word with its value; empty where there is none."""
    advice = told = advices.get(one_spelling(word)) or advices.get("", "")
    if isinstance(advice, dict):
        kind = json_type(value)
        advice = advice.get(kind, advice.get("number", "") if kind == "integer" else "") or advice.get("", "")
    text = format_flow(value) if "VALUE" in advice and not isinstance(value, (dict, list)) else ""
    if "VALUE" in advice and (value is None or not 0 < len(text) <= MAX_FRAGMENT):
        return ""
    if value is False and advice and not isinstance(told, dict) and not advice.startswith("leave it out"):
        advice = f"leave it out; {advice}"
    return str(advice).replace("KEY", word).replace("VALUE", text)
