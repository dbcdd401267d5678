"""Looks into the tree of a recipe, parts of which may be missing, or reported as wrong (BROKEN)."""

from __future__ import annotations

from ...compiler.diagnostics import Span
from ...compiler.frontend.located_yaml import BROKEN, Entry, Located
from ...compiler.ops.fields import is_number


def find(root: Located, *path: str) -> Located | None:
    """The node at a path of keys; None where there is none, where it is null, and where it is reported as wrong."""
    node = root
    for key in path:
        if not isinstance(node.value, dict) or key not in node.value:
            return None
        node = node.value[key].value
    return None if node.value is BROKEN or node.value is None else node


def number(root: Located, *path: str) -> float | None:
    """The number at a path; None where there is none."""
    node = find(root, *path)
    return node.value if node is not None and is_number(node.value) else None


def chosen(node: Located) -> str | None:
    """The name of what an optimizer's or a schedule's node chooses; None where it is reported as wrong."""
    if isinstance(node.value, str):
        return node.value
    return next(iter(node.value), None) if isinstance(node.value, dict) else None


def chosen_entry(node: Located) -> Entry | None:
    """The name and the fields of what the node chooses; None for a name alone."""
    return next(iter(node.value.values()), None) if isinstance(node.value, dict) else None


def chosen_span(node: Located) -> Span:
    """Where the name of a choice stands."""
    entry = chosen_entry(node)
    return entry.key.span if entry else node.span


def holds(node: Located, key: str) -> bool:
    """Whether a mapping states the key, and not as null; also where its value is refused."""
    return isinstance(node.value, dict) and key in node.value and node.value[key].value.value is not None


def is_sound_mapping(node: Located) -> bool:
    """Whether no entry of a mapping is refused: an unknown key may mean one that is missing."""
    return isinstance(node.value, dict) and all(entry.value.value is not BROKEN for entry in node.value.values())


def is_refused(node: Located, key: str) -> bool:
    """Whether the value of the key is reported as wrong already."""
    return key in node.value and node.value[key].value.value is BROKEN
