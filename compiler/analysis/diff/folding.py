"""Differences that are alike, as one: the copies of a repeat that were changed in the same way, a scope that is new as a whole."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from ...ir.graph import Graph, Node

T = TypeVar("T")
NUMBER = re.compile(r"\d+")


class ScopeNodes(NamedTuple):
    """Nodes that are added or removed together: all that is in the scope `path`, or the one node of that path."""

    path: str
    nodes: tuple[Node, ...]


def fold(items: Iterable[T], key: Callable[[T], Hashable]) -> list[tuple[T, ...]]:
    """The items with the same key together, in the order of the first ones."""
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return [tuple(group) for group in groups.values()]


def path_template(path: str) -> str:
    """A path without its numbers: equal for the copies of a repeat."""
    return NUMBER.sub("*", path)


def path_pattern(paths: Sequence[str]) -> str:
    """One path for several of the same template: the numbers in which they differ are `*`."""
    if len(paths) == 1:
        return paths[0]
    parts = zip(*(re.split(r"(\d+)", path) for path in paths), strict=True)
    return "".join(part[0] if len(set(part)) == 1 else "*" for part in parts)


def group_by_scope(nodes: Sequence[Node], graph: Graph) -> list[ScopeNodes]:
    """Nodes of a graph by the outermost scope all of whose nodes are among them; one that is in none stands by itself."""
    chosen = {node.path for node in nodes}
    totals = Counter(scope for node in graph.nodes for scope in scopes_of(node.path))
    counts = Counter(scope for node in nodes for scope in scopes_of(node.path))
    whole = {scope for scope, count in counts.items() if count == totals[scope] > 1}
    groups: dict[str, list[Node]] = {}
    for node in graph.nodes:
        if node.path in chosen:
            scope = next((scope for scope in scopes_of(node.path) if scope in whole), node.path)
            groups.setdefault(scope, []).append(node)
    return [ScopeNodes(path, tuple(inside)) for path, inside in groups.items()]


def scopes_of(path: str) -> list[str]:
    """The scopes that a path is in, outermost first, and the path itself."""
    return [path[:at] for at, letter in enumerate(path) if letter == "."] + [path]
