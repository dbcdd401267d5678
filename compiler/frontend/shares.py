"""A whole in shares, where the language wants one of them: `{train: 0.8, val: 0.2}`, `[0.8, 0.1, 0.1]`.

The rule of the value in which they stand says so (`x-shares`): `parts`, words for each part of the whole, the first of which is what remains;
the part that is `wanted`, and in words what it is (`wants`); the key `into` which it is written, or none where it is the value's own; and a
`remark` on parts that there are not. All shares of a value are one mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..diagnostics import Diagnostic, list_names
from ..ops.fields import Schema, is_number
from ..ops.words import is_among
from .foreign_steps import MAX_ARGUMENTS, format_flow
from .language import Rules
from .located_yaml import Located, plain_value
from .schema_rules import Path, find_key, find_node
from .sound_advice import scopes_at
from .validation import fits

PERCENT = re.compile(r"(\d{1,2}(?:\.\d{1,6})?) *%")


class Shares(NamedTuple):
    """The shares in a value, by their keys, or by the parts in whose order they stand in a list; and that which is `wanted`.

    `remark` is what else there is to say.
    """

    by_key: Mapping[str, float]
    wanted: float
    remark: str = ""


def find_shares(rule: Schema, value: Any) -> Shares | None:
    """The shares in a plain value of this rule; None where there are none, or one alone that is explained by its own key."""
    row = rule.get("x-shares")
    if not row or not isinstance(value, (dict, list)) or len(value) > MAX_ARGUMENTS:
        return None
    parts, wanted, remaining = row["parts"], row["wanted"], next(iter(row["parts"]))
    if isinstance(value, list) and not 1 < len(value) <= len(parts):
        return None
    given = value if isinstance(value, dict) else dict(zip(parts, value, strict=False))
    read = {key: as_share(each, given) for key, each in given.items() if part_of(parts, key)}
    shares = {key: share for key, share in read.items() if share is not None}
    by_part = {part_of(parts, key): share for key, share in shares.items()}
    is_known = len(shares) == 1 and find_key(rule["properties"], next(iter(shares))) in {row["into"], wanted} - {""}
    # a folder of its own is no share, nor are numbers of anything
    is_other = any(
        each is None and (isinstance(value, list) or part_of(parts, key) == wanted) for key, each in read.items()
    )
    if not shares or is_known or is_other:
        return None
    rest = round(1 - by_part[remaining], 6) if remaining in by_part else next(iter(by_part.values()))
    others = wanted in by_part and not by_part.keys() <= {wanted, remaining}
    return Shares(shares, by_part.get(wanted, rest), row["remark"] if others else "")


def part_of(parts: Mapping[str, Any], key: str) -> str:
    """The part that a key names; empty where it names none."""
    return next((part for part, words in parts.items() if is_among(key, (part, *words))), "")


def as_share(value: Any, whole: Mapping[str, Any]) -> float | None:
    """A value as a share of the `whole`, over 0 and under 1; None where it is none. Whole numbers are percent, where they add up to 100."""
    if isinstance(value, str) and (percent := PERCENT.fullmatch(value)):
        value = float(percent[1]) / 100
    elif isinstance(value, int) and sum(each for each in whole.values() if isinstance(each, int)) == 100:
        value = value / 100
    return float(value) if is_number(value) and 0 < value < 1 else None


def correct_shares(rule: Schema, value: Any) -> dict[str, Any] | None:
    """The value with the share that is wanted alone; None where it has no shares."""
    found = find_shares(rule, value)
    if found is None:
        return None
    row = rule["x-shares"]
    one = {row["wanted"]: found.wanted}
    rest = {key: each for key, each in value.items() if key not in found.by_key} if isinstance(value, dict) else {}
    return {**rest, **({row["into"]: one} if row["into"] else one)}


def explain_shares(root: Located, path: Path, validator: str, rules: Rules) -> Iterator[Diagnostic] | None:
    """The diagnostics of a schema error that is about shares: one for all of a value, at the first that has no place there, and none at the others.

    None where the error is about something else.
    """
    scopes = scopes_at(rules, path)
    for length in (len(path), len(path) - 1):
        found = None
        if 0 < length < len(scopes):
            holder = find_node(root, path[:length])[1]
            found = find_shares(scopes[length], plain_value(holder))
        if found is None:
            continue
        if length < len(path) and path[-1] not in found.by_key:
            return None
        return report_shares(found, holder, scopes[length], path, length, validator)
    return None


def report_shares(
    found: Shares, holder: Located, rule: Schema, path: Path, length: int, validator: str
) -> Iterator[Diagnostic]:
    """The one diagnostic of the shares of `holder`, whose path has this `length`, where the error at `path` is that of the first wrong one."""
    row, known = rule["x-shares"], rule["properties"]
    is_list = isinstance(holder.value, list)
    wrong = [] if is_list else [key for key in found.by_key if key not in known or not fits(known[key], plain_value(holder.value[key].value))]  # fmt: skip
    first = wrong[0] if wrong else ""
    is_mine = first == path[-1] if length < len(path) else is_list or (validator == "additionalProperties" and first not in known)  # fmt: skip
    if not is_mine:
        return
    name, into = path[length - 1], row["into"] or path[length - 1]
    told = list_names(found.by_key, "`{}`") if not is_list else "several parts"
    shares = "the share" if len(found.by_key) == 1 else "the shares"
    message = f"`{name}` says {shares} of {told}, where one is wanted: {row['wants']}"
    written = f"write `{into}: {{{row['wanted']}: {format_flow(found.wanted)}}}`"
    span = holder.span if is_list else holder.value[first].value.span
    yield Diagnostic("wrong-type", span, message, help="; ".join(filter(None, (written, found.remark))))
