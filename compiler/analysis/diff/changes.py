"""What differs between two graphs, as a value: `diff_graphs(a, b)`. What was changed is told apart from what only follows from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ...ir.graph import Graph, Node
from ...ir.types import TensorType
from ...ops.op import op_of
from .matching import NodePairs, match_nodes, pair_ports

PortKind = Literal["input", "output", "head"]


class FieldChange(NamedTuple):
    """A field of an op, or its name as `op`, with its values in `a` and in `b`; None where one has no such field."""

    name: str
    a: Any
    b: Any


class NodeChange(NamedTuple):
    """A node that was changed itself: its fields, or, where `rewired`, what it reads."""

    a: Node
    b: Node
    fields: tuple[FieldChange, ...]
    rewired: bool


class ShapeChange(NamedTuple):
    """A node that is as it was, and takes or gives another shape, because of the step or input `by`."""

    a: Node
    b: Node
    by: str

    @property
    def types(self) -> tuple[TensorType, TensorType]:
        """The types of its result, in `a` and in `b`."""
        return self.a.output.type, self.b.output.type


class PortChange(NamedTuple):
    """An input, output or auxiliary head that differs; `a` and `b` are its names, None where there is none.

    `facts` are what differs of it: its `shape`, the `source` that it comes from, the `weight` of a head.
    """

    kind: PortKind
    a: str | None
    b: str | None
    facts: tuple[FieldChange, ...] = ()


class GraphDiff(NamedTuple):
    """What differs between the graphs `a` and `b`; nothing where they are equal but for their name and the places in their specs.

    - `added` are nodes of `b` and `removed` nodes of `a`
    - `changed` are nodes that differ by themselves, `reshaped` such as only follow
    - `renamed` are pairs of nodes that belong together and have two paths, whatever else differs of them
    - `ports` are inputs, outputs and heads
    - `reordered`: nothing of all that, but the steps or the ports stand in another order
    - `partners` are the paths of nodes of `a` by those of `b` that they belong to
    """

    a: Graph
    b: Graph
    added: tuple[Node, ...]
    removed: tuple[Node, ...]
    changed: tuple[NodeChange, ...]
    reshaped: tuple[ShapeChange, ...]
    renamed: tuple[tuple[Node, Node], ...]
    ports: tuple[PortChange, ...]
    reordered: bool
    partners: Mapping[str, str]

    @property
    def equal(self) -> bool:
        """Whether both are one net, path for path."""
        return not (self.renamed or self.reordered or not self.computes_the_same)

    @property
    def computes_the_same(self) -> bool:
        """Whether only names or the order of steps differ."""
        return not (self.added or self.removed or self.changed or self.reshaped or any(port.facts for port in self.ports)
                    or any(port.a is None or port.b is None for port in self.ports)) and not self.renames_ports  # fmt: skip

    @property
    def renames_ports(self) -> bool:
        return any(port.a != port.b for port in self.ports)


def diff_graphs(a: Graph, b: Graph) -> GraphDiff:
    """What differs between two graphs of one phase."""
    found = match_nodes(a, b)
    added = tuple(node for node in b.nodes if node.path not in found.to_a)
    removed = tuple(node for node in a.nodes if node.path not in found.to_b)
    changed, reshaped = compare_nodes(a, b, found)
    renamed = tuple((found.to_a[node.path], node) for node in b.nodes
                    if node.path in found.to_a and found.to_a[node.path].path != node.path)  # fmt: skip
    ports = tuple(compare_ports(a, b, found))
    same = not (added or removed or changed or reshaped or renamed or ports)
    partners = {path: node.path for path, node in found.to_a.items()}
    return GraphDiff(a, b, added, removed, changed, reshaped, renamed, ports, same and is_reordered(a, b), partners)


def is_reordered(a: Graph, b: Graph) -> bool:
    """Whether two graphs in which all else is equal have it in another order."""
    return (a.inputs, a.nodes, a.outputs, a.heads) != (b.inputs, b.nodes, b.outputs, b.heads)


def compare_nodes(a: Graph, b: Graph, found: NodePairs) -> tuple[tuple[NodeChange, ...], tuple[ShapeChange, ...]]:
    """The nodes that were changed, and those that only follow, in the order of `b`."""
    changed, reshaped = list[NodeChange](), list[ShapeChange]()
    partners = {theirs: ours for ours, theirs in found.values.items()}
    types = {value.name: value.type for value in a.inputs}
    causes = {v.name: v.name for v in b.inputs if v.name in partners and types[partners[v.name]] != v.type}
    for node in b.nodes:
        before = found.to_a.get(node.path)
        if before is None:
            causes[node.output.name] = node.path
            continue
        fields = tuple(compare_ops(before, node))
        rewired = is_rewired(before, node, found.values, partners)
        if fields or rewired:
            changed.append(NodeChange(before, node, fields, rewired))
            causes[node.output.name] = node.path
        elif before.output.type != node.output.type or before.input_types != node.input_types:
            by = find_cause(before, node, causes)
            reshaped.append(ShapeChange(before, node, by))
            if before.output.type != node.output.type:
                causes[node.output.name] = by
    return tuple(changed), tuple(reshaped)


def find_cause(a: Node, b: Node, causes: Mapping[str, str]) -> str:
    """The step or input because of which a node takes another shape: one of `b`, or a step that `b` does not have any more."""
    for ours, theirs in zip(a.inputs, b.inputs, strict=False):
        if ours.type != theirs.type:
            return causes.get(theirs.name, ours.name)
    return a.inputs[0].name if a.inputs else a.path


def compare_ops(a: Node, b: Node) -> Iterator[FieldChange]:
    """The fields in which the ops of two nodes differ; first their names, if these do."""
    if a.op == b.op:
        return
    ours, theirs = op_of(a).field_values(), op_of(b).field_values()
    if a.op.name != b.op.name:
        yield FieldChange("op", a.op.name, b.op.name)
        stated = (op_of(each).fields for each in (a, b))
        own, other = ({key for key, field in fields.items() if field.required} for fields in stated)
        shared = {key for key in ours if key in theirs and ours[key] == theirs[key]}
        wanted = [key for key in dict.fromkeys((*ours, *theirs)) if key in own | other and key not in shared]
    else:
        wanted = [key for key in ours if ours[key] != theirs[key]]
    yield from (FieldChange(key, ours.get(key), theirs.get(key)) for key in wanted)


def is_rewired(a: Node, b: Node, values: Mapping[str, str], partners: Mapping[str, str]) -> bool:
    """Whether a node reads something else that both graphs have, or another number of values.

    Where a step was put in between or taken out, only that step is told.
    """
    if len(a.inputs) != len(b.inputs):
        return True
    for ours, theirs in zip(a.inputs, b.inputs, strict=True):
        expected = values.get(ours.name)
        if expected is not None and theirs.name in partners and expected != theirs.name:
            return True
    return False


def compare_ports(a: Graph, b: Graph, found: NodePairs) -> Iterator[PortChange]:
    """The inputs, outputs and heads that differ."""
    values = found.values
    inputs_a, inputs_b = ({v.name: v for v in graph.inputs} for graph in (a, b))
    for ours, theirs in pair_ports([*inputs_a], [*inputs_b]):
        facts: Sequence[FieldChange] = ()
        if ours is not None and theirs is not None:
            facts = compare_facts({"shape": (inputs_a[ours].type, inputs_b[theirs].type)})
        yield from port_change("input", ours, theirs, facts)
    outputs_a, outputs_b = ({o.name: o.value for o in graph.outputs} for graph in (a, b))
    for ours, theirs in pair_ports([*outputs_a], [*outputs_b]):
        facts = ()
        if ours is not None and theirs is not None:
            x, y = outputs_a[ours], outputs_b[theirs]
            facts = compare_facts({"shape": (x.type, y.type), "source": sources_of(x.name, y.name, values)})
        yield from port_change("output", ours, theirs, facts)
    heads_a, heads_b = ({h.path: h for h in graph.heads} for graph in (a, b))
    for ours, theirs in pair_ports([*heads_a], [*heads_b]):
        facts = ()
        if ours is not None and theirs is not None:
            head_a, head_b = heads_a[ours], heads_b[theirs]
            x, y = head_a.value, head_b.value
            facts = compare_facts({"weight": (head_a.weight, head_b.weight), "shape": (x.type, y.type),
                                   "source": sources_of(x.name, y.name, values)})  # fmt: skip
        yield from port_change("head", ours, theirs, facts)


def port_change(kind: PortKind, a: str | None, b: str | None, facts: Sequence[FieldChange]) -> Iterator[PortChange]:
    """The change of a port; none where nothing differs."""
    if a != b or facts:
        yield PortChange(kind, a, b, tuple(facts))


def compare_facts(pairs: Mapping[str, tuple[Any, Any]]) -> list[FieldChange]:
    """The facts, by name with both nets' values, that differ."""
    return [FieldChange(name, a, b) for name, (a, b) in pairs.items() if a != b]


def sources_of(a: str, b: str, values: Mapping[str, str]) -> tuple[str, str]:
    """The two steps that a port comes from; the same one twice where they belong together."""
    return (b, b) if values.get(a) == b else (a, b)
