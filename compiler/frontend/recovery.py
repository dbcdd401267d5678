"""Repairs a tree when the schema has refused parts of it, so that the same run still checks names and shapes of the rest.

A wrong value becomes BROKEN, and nothing that follows from it is reported. So does the value of an unknown key. One mistake is
reported once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from .located_yaml import BROKEN, Entry, Located


class Incomplete(Located):
    """A mapping with unknown keys: they may be misspelt ones, so what is made of the mapping may have a wrong size."""

    __slots__ = ()


def repair(root: Located, errors: Collection[Any]) -> Located:
    """The tree in which all that jsonschema's `errors` are about is BROKEN."""
    if not errors:
        return root
    from .schema_rules import unknown_keys

    damage = Damage()
    for error in errors:
        place = damage
        for index in error.absolute_path:
            place = place.inner.setdefault(index, Damage())
        if error.validator == "additionalProperties":
            place.unknown.update(unknown_keys(error.instance, error.schema))
        else:
            # a key that the document lacks breaks no part of it
            place.broken |= place is not damage
    return break_parts(root, damage)


class Damage:
    """What is wrong at a place of the tree: all of it (`broken`), keys that are `unknown`, and what is wrong further in."""

    __slots__ = ("broken", "inner", "unknown")

    def __init__(self) -> None:
        self.broken = False
        self.unknown: set[str] = set()
        self.inner: dict[str | int, Damage] = {}


def break_parts(node: Located, damage: Damage) -> Located:
    """`node` with BROKEN where its `damage` says so. Nodes that have none below are shared."""
    if damage.broken:
        return Located(BROKEN, node.span, node.raw, node.style)
    inner, lost = damage.inner, damage.unknown
    if not inner and not lost:
        return node
    if isinstance(node.value, list):
        items = [break_parts(v, inner[i]) if i in inner else v for i, v in enumerate(node.value)]
        return Located(items, node.span, node.raw, node.style)
    entries: dict[str, Entry] = {}
    for key, entry in node.value.items():
        # the key stays: it may stand for the core of a step
        if key in lost:
            entries[key] = Entry(entry.key, Located(BROKEN, entry.value.span))
        elif key in inner:
            entries[key] = Entry(entry.key, break_parts(entry.value, inner[key]))
        else:
            entries[key] = entry
    return (Incomplete if lost else Located)(entries, node.span, node.raw, node.style)


def join_cut_expressions(node: Located) -> Located:
    """The tree without the ends of expressions that a comma of flow style has cut in two.

    For YAML `{out: $(max(4, 8)), kernel: 1}` has three entries: `out: $(max(4`, `8))` and `kernel: 1`. That is one mistake, which
    names.py reports at the expression.
    """
    if isinstance(node.value, dict):
        entries = {key: Entry(e.key, join_cut_expressions(e.value)) for key, e in node.value.items()}
        texts = [cut_text(e.value) or (str(e.key.raw) if e.value.value is None else "") for e in entries.values()]
        kept = [
            pair for pair, keep in zip(entries.items(), mark_own_items(texts, node.style == "{"), strict=True) if keep
        ]
        changed = len(kept) < len(entries) or any(e.value is not node.value[key].value for key, e in kept)
        return Located(dict(kept), node.span, node.raw, node.style) if changed else node
    if isinstance(node.value, list):
        items = [join_cut_expressions(item) for item in node.value]
        texts = [cut_text(item) or str(item.raw) for item in items]
        kept_items = [item for item, keep in zip(items, mark_own_items(texts, node.style == "["), strict=True) if keep]
        changed = len(kept_items) < len(items) or any(a is not b for a, b in zip(kept_items, node.value, strict=True))
        return Located(kept_items, node.span, node.raw, node.style) if changed else node
    return node


def cut_text(node: Located) -> str:
    """The text of a scalar without quotes in which an expression begins and does not end; else empty.

    It may be the value of a pair without braces, as in `[relu, conv: $(max(1, 2))]`.
    """
    if isinstance(node.value, dict) and len(node.value) == 1 and begins_without_brace(node):
        node = next(iter(node.value.values())).value
    opens = isinstance(node.value, str) and node.style == "" and "$(" in node.value and open_parentheses(node.value) > 0
    return str(node.value) if opens else ""


def begins_without_brace(node: Located) -> bool:
    return node.span.source.line(node.span.line)[node.span.column - 1 : node.span.column] != "{"


def open_parentheses(text: str) -> int:
    return text.count("(") - text.count(")")


def mark_own_items(texts: list[str], flow: bool) -> Iterator[bool]:
    """For the text of each item: is it an item of its own, and not the end of an expression that a comma has cut?"""
    # parentheses that still have to be closed
    missing = 0
    for text in texts:
        yield missing <= 0
        if missing > 0:
            missing += open_parentheses(text)
        elif flow and "$(" in text:
            missing = open_parentheses(text)
