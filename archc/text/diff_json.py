"""What differs between two nets, for programs: every difference by itself, nothing folded and nothing cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..compiler.ir.types import TensorType

if TYPE_CHECKING:
    from ..compiler.analysis.diff.changes import FieldChange, PortChange
    from ..compiler.ir.graph import Node
    from ..compiler.weights.carried import CarriedWeights
    from ..difference import NetDiff, Side


def diff_json(diff: NetDiff) -> dict[str, Any]:
    """The document of `--format json`; docs/reference/diff.md describes it."""
    graph = diff.graph
    return {
        "a": side_json(diff.a),
        "b": side_json(diff.b),
        "differs": diff.differs,
        "equal_graphs": graph.equal,
        "only_names": graph.computes_the_same and not graph.equal,
        "params": [change_json(each) for each in diff.params],
        "header": [change_json(each) for each in diff.header],
        "ports": [port_json(each) for each in graph.ports],
        "changed": [
            pair_json(each.a, each.b) | {"fields": [change_json(f) for f in each.fields], "rewired": each.rewired}
            for each in graph.changed
        ],
        "added": [node_json(node) for node in graph.added],
        "removed": [node_json(node) for node in graph.removed],
        "renamed": [{"a": a.path, "b": b.path, "source": sources(a, b)} for a, b in graph.renamed],
        "changed_by_it": [pair_json(each.a, each.b) | {"by": each.by} for each in graph.reshaped],
        "costs": {
            each.name: {"a": each.a, "b": each.b, "difference": each.difference, "ratio": each.ratio}
            for each in diff.costs
        },
        "weights": weights_json(diff.weights),
    }


def side_json(side: Side) -> dict[str, Any]:
    """Which net a side is."""
    return {
        "spec": side.spec,
        "name": side.checked.name,
        "settings": list(side.checked.settings),
        "built_by": side.built_by,
        "precision": side.precision,
        "steps": len(side.graph.nodes),
        "sha256": side.graph.sha256(),
    }


def node_json(node: Node) -> dict[str, Any]:
    """A step that one net has."""
    return {
        "path": node.path,
        "op": node.op.text(""),
        "inputs": [value.name for value in node.inputs],
        "output": list(node.output.type.sizes),
        "source": source(node),
    }


def pair_json(a: Node, b: Node) -> dict[str, Any]:
    """A step that both have, with what each side says of it."""
    return {
        "path": b.path,
        "path_in_a": a.path,
        "op": b.op.name,
        "inputs": {"a": [value.name for value in a.inputs], "b": [value.name for value in b.inputs]},
        "output": {"a": list(a.output.type.sizes), "b": list(b.output.type.sizes)},
        "source": sources(a, b),
    }


def source(node: Node) -> str | None:
    """`file:line`."""
    return node.span.short if node.span else None


def sources(a: Node, b: Node) -> dict[str, str | None]:
    return {"a": source(a), "b": source(b)}


def port_json(change: PortChange) -> dict[str, Any]:
    """An input, output or head that differs."""
    return {"kind": change.kind, "a": change.a, "b": change.b, "facts": [change_json(each) for each in change.facts]}


def change_json(change: FieldChange) -> dict[str, Any]:
    """A name with two values; shapes are without the batch."""
    a, b = (list(value.sizes) if isinstance(value, TensorType) else value for value in (change.a, change.b))
    return {"name": change.name, "a": a, "b": b}


def weights_json(found: CarriedWeights) -> dict[str, Any]:
    """What of a checkpoint of A the net B takes."""
    document = found._asdict()
    document["reshaped"] = [each._asdict() for each in found.reshaped]
    return document | {"names": dict(found.names)}
