"""Look-ups for the explanations of schema errors: the keys that a rule knows, and names in the rest of the document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from ..diagnostics import Span, nearest
from ..ops import OPS
from ..ops.fields import Schema
from ..ops.op import Op
from ..ops.words import is_among, match_field, normalize_word
from .located_yaml import Entry, Located

Path = list[str | int]


def find_node(root: Located, path: Path) -> tuple[Span | None, Located]:
    """The span of the key at `path`, None for an item of a list, and the node at `path`."""
    key, node = None, root
    for index in path:
        if isinstance(node.value, dict):
            entry = node.value[str(index)]
            key, node = entry.key.span, entry.value
        else:
            key, node = None, node.value[index]
    return key, node


def wants_in_words(rule: Schema) -> str:
    """What a rule wants, in words, for a rule that has no `x-wants`."""
    if "enum" in rule:
        return "one of " + ", ".join(f"`{w}`" for w in rule["enum"])
    kinds = rule.get("type", [])
    names = {"object": "a mapping", "array": "a list", "string": "a string", "integer": "an integer", "number": "a number",
             "boolean": "a boolean", "null": "nothing"}  # fmt: skip
    words = [names[k] for k in ([kinds] if isinstance(kinds, str) else kinds)]
    if "string" in kinds and ("number" in kinds or "integer" in kinds):
        # the string is only an expression
        words.remove("a string")
    limits = (("at least", "minimum"), ("over", "exclusiveMinimum"))
    bounds = [f"{word} {rule[key]}" for word, key in limits if key in rule]
    return " or ".join(words) + (" " + " and ".join(bounds) if bounds else "")


def find_key(keys: Mapping[str, Schema], word: str) -> str:
    """The one of the `keys`, which have these rules, that the word is, or a synonym of; empty where there is none."""
    return next((key for key, rule in keys.items() if is_among(word, (key, *rule.get("x-also-called", ())))), "")


def words_of(keys: Mapping[str, Schema]) -> Iterator[str]:
    """The keys, which have these rules, with all that they are also called."""
    for key, rule in keys.items():
        yield from (key, *rule.get("x-also-called", ()))


class KnownKeys(NamedTuple):
    """The keys that a mapping may have, with their rules; `op` is the op whose fields they are, if any."""

    keys: Mapping[str, Schema]
    op: type[Op] | None

    def key_for(self, word: str) -> str | None:
        """The key that `word` means: a synonym of it, or a misspelling; None where there is none."""
        if self.op and (field := match_field(self.op, word)):
            return field
        if found := find_key(self.keys, word):
            return found
        words = {other: key for key in self.keys for other in (key, *synonyms(self, key))}
        near = nearest(word, words)
        return words[near] if near else None


def known_keys(rule: Schema) -> KnownKeys:
    """The keys of a mapping's rule."""
    return KnownKeys(rule.get("properties", {}), OPS.get(rule.get("x-op", "")))


def unknown_keys(keys: Iterable[str], rule: Schema) -> list[str]:
    """Those of the `keys` of a mapping that its rule does not have."""
    known, patterns = rule.get("properties", {}), rule.get("patternProperties", {})
    return [key for key in keys if key not in known and not any(re.search(pattern, key) for pattern in patterns)]


def unknown_entries(node: Located, rule: Schema) -> list[Entry]:
    """The entries of a mapping whose keys its rule does not have."""
    return [node.value[key] for key in unknown_keys(node.value, rule)]


def synonyms(known: KnownKeys, key: str) -> tuple[str, ...]:
    """The synonyms of a key."""
    if known.op and key in known.op.fields:
        return known.op.fields[key].also_called
    return tuple(known.keys[key].get("x-also-called", ()))


def is_branches(rule: Schema) -> bool:
    """Whether the rule is that of a merge's branches."""
    return "minItems" in rule and "minProperties" in rule


def block_names(root: Located) -> dict[str, Entry]:
    """The names under `blocks`, wrong ones too, with their entries."""
    blocks = root.value.get("blocks") if isinstance(root.value, dict) else None
    return blocks.value.value if blocks and isinstance(blocks.value.value, dict) else {}


@lru_cache(maxsize=1)
def block_words(root: Located) -> Mapping[str, str]:
    """The names under `blocks` by what they are in any spelling."""
    return {normalize_word(name): name for name in reversed(block_names(root))}


@lru_cache(maxsize=1)
def step_names(root: Located) -> frozenset[str]:
    """Every `name` in the document; an expression is kept as its text."""
    names, nodes = set(), [root]
    while nodes:
        value = nodes.pop().value
        if isinstance(value, dict):
            nodes += [entry.value for entry in value.values()]
            if "name" in value and isinstance(value["name"].value.value, str):
                names.add(value["name"].value.value)
        elif isinstance(value, list):
            nodes += value
    return frozenset(names)


def visible_ops() -> list[str]:
    """The names of the ops that a spec can use."""
    return [name for name, op in OPS.items() if not op.is_internal]
