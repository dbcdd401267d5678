"""The last look at an advice before it is told: what it tells to write has to be what the rules take.

An advice is a text, and much of it comes from tables of words in which the user's value is put. Each `key: value` in it is held against
the rules of the places that the value stands in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..diagnostics import Collector, Source
from ..ops.fields import Schema
from .language import Rules
from .located_yaml import parse_yaml, plain_value
from .schema_rules import Path
from .validation import fits

ENTRY = re.compile(r"`(\w+: [^`]+)`")


def first_sound(advices: Iterable[str], scopes: list[Schema]) -> str:
    """The first of the advices that is one and tells nothing that is refused; empty without any."""
    return next((advice for advice in advices if advice and is_sound(advice, scopes)), "")


def scopes_at(rules: Rules, path: Path) -> list[Schema]:
    """The rules of the values around a place and of its own, the whole document's first, as far as they are not references."""
    scopes = [rules()]
    for key in path:
        inner = scopes[-1].get("items") if isinstance(key, int) else scopes[-1].get("properties", {}).get(key)
        if inner is None:
            break
        scopes.append(inner)
    return scopes


def is_sound(advice: str, scopes: list[Schema]) -> bool:
    """Whether each entry in the advice is taken by a rule that knows its key; what no rule knows is no entry of the document."""
    for text in ENTRY.findall(advice):
        node = parse_yaml(Source("an advice", text), Collector())
        if node is None:
            # a backtick in a value has cut it
            return False
        plain = plain_value(node)
        for key, value in plain.items() if isinstance(plain, dict) else ():
            known = [scope["properties"][key] for scope in scopes if key in scope.get("properties", {})]
            if known and not any(fits(rule, value) or refers(rule) for rule in known):
                return False
    return True


def refers(rule: Any) -> bool:
    """Whether a rule refers to another, which is not looked up."""
    if isinstance(rule, list):
        return any(map(refers, rule))
    return isinstance(rule, dict) and ("$ref" in rule or any(map(refers, rule.values())))
