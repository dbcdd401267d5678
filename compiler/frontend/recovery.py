"""What is left of a tree when the schema has refused parts of it: so that names and shapes of the rest are checked in the same run.

A value that is wrong becomes BROKEN, which silences whatever follows from it; a key that nothing knows is left out. One mistake
is told once, where it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .located_yaml import BROKEN, Entry, Located

Path = tuple[str | int, ...]


class Incomplete(Located):
    """A mapping that lost keys which nothing knows: what is made of it may have another size than was meant."""

    __slots__ = ()


def repair(root: Located, errors: Iterable[Any]) -> Located:
    """The tree without what jsonschema's `errors` are about."""
    broken: set[Path] = set()
    unknown: set[Path] = set()
    for error in errors:
        path: Path = tuple(error.absolute_path)
        if error.validator == "additionalProperties":
            unknown |= {(*path, key) for key in unknown_keys(error)}
        elif path:  # what the whole document lacks breaks no part of it
            broken.add(path)
    return rebuild(root, (), broken, unknown) if broken or unknown else root


def unknown_keys(error: Any) -> list[str]:
    """The keys of the mapping that its schema does not know."""
    import re

    known, patterns = error.schema.get("properties", {}), error.schema.get("patternProperties", {})
    return [key for key in error.instance if key not in known and not any(re.search(p, key) for p in patterns)]


def rebuild(node: Located, path: Path, broken: set[Path], unknown: set[Path]) -> Located:
    """A copy of the tree along the paths that are touched; all else is shared."""
    if path in broken:
        return Located(BROKEN, node.span, node.raw, node.style)
    depth = len(path)
    touched = {p[depth] for p in broken | unknown if p[:depth] == path}
    if not touched:
        return node
    if isinstance(node.value, list):
        items = [rebuild(v, (*path, i), broken, unknown) if i in touched else v for i, v in enumerate(node.value)]
        return Located(items, node.span, node.raw, node.style)
    lost = {p[-1] for p in unknown if p[:-1] == path}
    entries: dict[str, Entry] = {}
    for key, entry in node.value.items():
        if key in lost:  # the key stays, for a step's core may be meant by it
            entries[key] = Entry(entry.key, Located(BROKEN, entry.value.span))
        elif key in touched:
            entries[key] = Entry(entry.key, rebuild(entry.value, (*path, key), broken, unknown))
        else:
            entries[key] = entry
    return (Incomplete if lost else Located)(entries, node.span, node.raw, node.style)


def join_cut_expressions(node: Located) -> Located:
    """The tree without the rests of expressions that a comma of flow style has cut in two.

    `{out: $(max(4, 8)), kernel: 1}` is three entries for YAML: `$(max(4`, `8))` and the kernel. It is one mistake, which names.py
    tells at the expression.
    """
    if isinstance(node.value, dict):
        entries = {key: Entry(e.key, join_cut_expressions(e.value)) for key, e in node.value.items()}
        texts = [cut_text(e.value) or (str(e.key.raw) if e.value.value is None else "") for e in entries.values()]
        kept = [pair for pair, keep in zip(entries.items(), whole(texts, node.style == "{"), strict=True) if keep]
        changed = len(kept) < len(entries) or any(e.value is not node.value[key].value for key, e in kept)
        return Located(dict(kept), node.span, node.raw, node.style) if changed else node
    if isinstance(node.value, list):
        items = [join_cut_expressions(item) for item in node.value]
        texts = [cut_text(item) or str(item.raw) for item in items]
        kept_items = [item for item, keep in zip(items, whole(texts, node.style == "["), strict=True) if keep]
        changed = len(kept_items) < len(items) or any(a is not b for a, b in zip(kept_items, node.value, strict=True))
        return Located(kept_items, node.span, node.raw, node.style) if changed else node
    return node


def cut_text(node: Located) -> str:
    """The text of a plain scalar with an expression that does not end in it; else empty."""
    opens = isinstance(node.value, str) and node.style == "" and "$(" in node.value and unclosed(node.value) > 0
    return str(node.value) if opens else ""


def unclosed(text: str) -> int:
    return text.count("(") - text.count(")")


def whole(texts: list[str], flow: bool) -> Iterator[bool]:
    """For each item by its text whether it stands for itself, and is not the rest of an expression before it."""
    missing = 0  # brackets that the expression still waits for
    for text in texts:
        yield missing <= 0
        if missing > 0:
            missing += unclosed(text)
        elif flow and "$(" in text:
            missing = unclosed(text)
