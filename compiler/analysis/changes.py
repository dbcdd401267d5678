"""What passes did to each node, found by comparing the graph before and after each of them; no pass is known by its name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..ir.graph import Graph, Node, Rewrite
from ..ops.op import op_of

Stages = Iterable[tuple[str, Graph]]  # each pass by its name, with the graph behind it


class Change(NamedTuple):
    """What the pass `by` did to a node. `what` is a clause of which the node is the subject; `{}` in it stands for `others`, the
    values or nodes that it is about."""

    by: str
    what: str
    others: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The clause with the others' paths."""
        return self.what.replace("{}", ", ".join(self.others), 1)

    def beside(self, path: str) -> Change:
        """The change as it is said beside the node `path`: the others are named without the scopes in which it is, too."""
        return self._replace(others=tuple(relative_path(path, other) for other in self.others))


def relative_path(path: str, other: str) -> str:
    """`other` without the scopes in which `path` is, too: `bn1` for layer1.0.bn1, seen from layer1.0.conv1."""
    own, its = path.split(".")[:-1], other.split(".")
    shared = 0
    while shared < min(len(own), len(its) - 1) and own[shared] == its[shared]:
        shared += 1
    return ".".join(its[shared:])


def changes_of(graph: Graph, stages: Stages) -> dict[str, tuple[Change, ...]]:
    """The changes of each node of `graph` by path, in the order of the passes; a node that none changed is not in it."""
    found: dict[str, list[Change]] = {}
    for name, after in stages:
        if after is not graph:
            left = {node.path: node for node in after.nodes}
            rewrites = after.rewrites[len(graph.rewrites) :]
            given, made = {each.gives: each for each in rewrites}, {each.node: each for each in rewrites}
            for node in graph.nodes:
                kept = left.get(node.path)
                changes = alterations(name, node, kept, made.get(node.path)) if kept else [
                    removal(name, node, given.get(node.path), graph.phase != after.phase)]  # fmt: skip
                found.setdefault(node.path, []).extend(changes)
        graph = after
    return {path: tuple(changes) for path, changes in found.items() if changes}


def removal(by: str, node: Node, rewrite: Rewrite | None, new_phase: bool) -> Change:
    """Why a node is gone: another one gives its result, it does nothing in the phase that begins, or nothing needs it."""
    if rewrite:
        return Change(by, "is folded into {}", (rewrite.node,))
    if new_phase and op_of(node).inference() is None:
        return Change(by, "is taken out, as it passes {} on at inference", (node.inputs[0].name,))
    if node.output.type.is_control:
        return Change(by, "is taken out, as it draws for training alone")
    return Change(by, "is taken out, as no output of the inference graph needs it")


def alterations(by: str, old: Node, new: Node, rewrite: Rewrite | None) -> Iterator[Change]:
    """What is other than it was in a node that is still there."""
    if rewrite:
        made = " and ".join(role for role, _ in rewrite.makes)
        yield Change(by, f"takes in {{}}, so that its {made} are made anew", (rewrite.gives,))
    if type(old.op) is not type(new.op):
        yield Change(by, f"becomes {new.op.text('')}")
    elif old.op is not new.op:
        before, after = op_of(old).field_values(), op_of(new).field_values()
        for key, value in after.items():
            if before[key] != value:
                yield Change(by, f"has {key}={json.dumps(value)} from here on")
    was = {value.name for value in old.inputs}
    others = tuple(value.name for value in new.inputs if value.name not in was)
    if others:
        yield Change(by, "reads {} from here on", others)
    if old.output.type != new.output.type:
        yield Change(by, f"gives {new.output.type} from here on")
