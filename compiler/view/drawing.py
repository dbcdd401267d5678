"""The drawing of a net: what every picture of it is made from, as frozen values.

A drawing has the nodes and edges of the net and, beside them, how they are read: a tree of items. A list of items is a series:
each item takes what the one before it gives. What enters a list enters its first item, and its last item gives what leaves.
At the top of the tree nothing enters: its series, or each branch of its first `ParallelItem`, begins with an `InputItem`.

The edges of the net follow from the tree alone, and a test holds the two against each other.

Nodes are known by their numbers, which are a topological order; the inputs of the net are -1, -2, … .
`to_json()` gives the form that the page reads; docs/reference/view.md tells it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

Shape = tuple[int | str, ...]


class Costs(NamedTuple):
    """What one node costs for one image. `bytes` is the size of its output; `time_ms` is measured, None where nothing was."""

    params: int = 0
    macs: int = 0
    activations: int = 0
    bytes: int = 0
    time_ms: float | None = None

    def __add__(self, other: Costs) -> Costs:  # type: ignore[override]
        """The sum of two; the time is None only where neither has one."""
        times = [t for t in (self.time_ms, other.time_ms) if t is not None]
        return Costs(
            self.params + other.params,
            self.macs + other.macs,
            self.activations + other.activations,
            self.bytes + other.bytes,
            sum(times) if times else None,
        )


class FileLine(NamedTuple):
    """A line of one of the drawing's files. Files count from 0, lines from 1."""

    file: int
    line: int


class DrawnNode(NamedTuple):
    """A node. `shape` is that of its output without the batch; `places` are its step's line, then what it was expanded from, innermost first."""

    path: str
    op: str
    family: str
    title: str
    shape: Shape
    costs: Costs = Costs()
    places: tuple[FileLine, ...] = ()
    detail: int | None = None


class DrawnInput(NamedTuple):
    """An input of the net."""

    name: str
    shape: Shape


class DrawnOutput(NamedTuple):
    """An output of the net. One without an `OutputItem` in the tree is read on the way, and is drawn beside its node."""

    name: str
    node: int
    shape: Shape


class InputItem(NamedTuple):
    """Where an input of the net comes in."""

    input: int

    def to_json(self) -> dict[str, Any]:
        return {"kind": "input", "input": self.input}


class OutputItem(NamedTuple):
    """Where an output of the net leaves, behind the item that gives it."""

    output: int

    def to_json(self) -> dict[str, Any]:
        return {"kind": "output", "output": self.output}


class ValueItem(NamedTuple):
    """A value of the trunk that a head reads beside its source."""

    value: int
    head: str

    def to_json(self) -> dict[str, Any]:
        return {"kind": "value", "value": self.value, "head": self.head}


class OpItem(NamedTuple):
    """One node."""

    node: int

    def to_json(self) -> dict[str, Any]:
        return {"kind": "op", "node": self.node}


class CardItem(NamedTuple):
    """A chain of nodes in one box: a layer and its companions. `id` is the path of the group that holds no more than these, or ""."""

    nodes: tuple[int, ...]
    main: int
    id: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"kind": "card", "nodes": self.nodes, "main": self.main} | ({"id": self.id} if self.id else {})


class GroupItem(NamedTuple):
    """The steps under one path, with one value that enters and one that leaves. `block` is the block that was called, or ""."""

    id: str
    block: str
    items: tuple[Item, ...]

    def to_json(self) -> dict[str, Any]:
        return {"kind": "group", "id": self.id, "block": self.block, "items": items_json(self.items)}


class RepeatItem(NamedTuple):
    """Rounds one after the other that are equal but for the sizes that flow through them."""

    items: tuple[Item, ...]

    def to_json(self) -> dict[str, Any]:
        return {"kind": "repeat", "items": items_json(self.items)}


class ParallelItem(NamedTuple):
    """Branches from what enters to what the next item merges. With `skip` what enters also goes there as it is."""

    branches: tuple[tuple[Item, ...], ...]
    skip: bool

    def to_json(self) -> dict[str, Any]:
        return {"kind": "parallel", "branches": [items_json(b) for b in self.branches], "skip": self.skip}


class ArcsItem(NamedTuple):
    """What is not series-parallel: items in topological order and the `edges` among them.

    In an edge 0 is what enters and k the k-th item. What leaves is the last item's value.
    """

    items: tuple[Item, ...]
    edges: tuple[tuple[int, int], ...]

    def to_json(self) -> dict[str, Any]:
        return {"kind": "arcs", "items": items_json(self.items), "edges": self.edges}


Item = InputItem | OutputItem | ValueItem | OpItem | CardItem | GroupItem | RepeatItem | ParallelItem | ArcsItem


class DrawnHead(NamedTuple):
    """What stands beside the trunk: an auxiliary head, or an output that only its own nodes need, whose `weight` is None.

    `source` is the value that it reads, and that enters its items; further ones are `ValueItem`s among these. Where it has no nodes of
    its own, it is its source.
    """

    path: str
    weight: float | None
    source: int
    items: tuple[Item, ...]

    def to_json(self) -> dict[str, Any]:
        return {"path": self.path, "weight": self.weight, "source": self.source, "items": items_json(self.items)}


class DrawingWarning(NamedTuple):
    """What is wrong with a net that can be drawn all the same: a code, and a sentence."""

    code: str
    message: str


class Drawing(NamedTuple):
    """A whole net. `files` are names and texts of what it was written in; `details` are what a click on a node shows.

    `warnings` are for who draws it: the form for programs has them in its `summary`.
    """

    name: str
    summary: str
    totals: Costs
    inputs: tuple[DrawnInput, ...]
    outputs: tuple[DrawnOutput, ...]
    nodes: tuple[DrawnNode, ...]
    edges: tuple[tuple[int, int], ...]
    tree: tuple[Item, ...]
    heads: tuple[DrawnHead, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    details: tuple[dict[str, Any], ...] = ()
    warnings: tuple[DrawingWarning, ...] = ()

    def name_of(self, value: int) -> str:
        """The path of a node, or the name of an input (-1 - its number)."""
        return self.nodes[value].path if value >= 0 else self.inputs[-1 - value].name

    def shape_of(self, value: int) -> Shape:
        """The shape of a node's output, or of an input (-1 - its number)."""
        return self.nodes[value].shape if value >= 0 else self.inputs[-1 - value].shape

    @property
    def outputs_in_series(self) -> set[int]:
        """The outputs that stand in a series; the others stand beside their nodes."""
        return {k for items in (self.tree, *(head.items for head in self.heads)) for k in output_items(items)}

    def to_json(self) -> dict[str, Any]:
        """The drawing in the form that docs/reference/view.md tells: dicts, lists, tuples, texts and numbers."""
        shapes: dict[Shape, int] = {}
        titles: dict[str, int] = {}

        def number(shape: Shape) -> int:
            return shapes.setdefault(shape, len(shapes))

        nodes = [
            (n.path, n.op, n.family, titles.setdefault(n.title, len(titles)), number(n.shape), *n.costs, n.places, n.detail)
            for n in self.nodes
        ]  # fmt: skip
        totals = {key: value for key, value in self.totals._asdict().items() if value is not None}
        return {
            "name": self.name,
            "summary": self.summary,
            "totals": totals,
            "inputs": [(i.name, number(i.shape)) for i in self.inputs],
            "outputs": [(o.name, o.node, number(o.shape)) for o in self.outputs],
            "shapes": list(shapes),
            "titles": list(titles),
            "nodes": nodes,
            "edges": self.edges,
            "tree": items_json(self.tree),
            "heads": [head.to_json() for head in self.heads],
            "details": self.details,
            "files": self.files,
        }


def items_json(items: Sequence[Item]) -> list[dict[str, Any]]:
    """The JSON of a series."""
    return [item.to_json() for item in items]


def children(item: Item) -> Iterator[Sequence[Item]]:
    """The lists of items that an item holds."""
    if isinstance(item, ParallelItem):
        yield from item.branches
    elif isinstance(item, (GroupItem, RepeatItem, ArcsItem)):
        yield item.items


def members(item: Item) -> Iterator[int]:
    """The nodes of an item, in the order of the tree."""
    if isinstance(item, OpItem):
        yield item.node
    elif isinstance(item, CardItem):
        yield from item.nodes
    for items in children(item):
        for inner in items:
            yield from members(inner)


def output_items(items: Sequence[Item]) -> Iterator[int]:
    """The outputs that stand in a series, or in one inside of it."""
    for item in items:
        if isinstance(item, OutputItem):
            yield item.output
        for inner in children(item):
            yield from output_items(inner)


def exit_of(item: Item) -> int | None:
    """The value that leaves an item: a node's number, or an input's. None where several leave, or nothing does."""
    if isinstance(item, OpItem):
        return item.node
    if isinstance(item, CardItem):
        return item.nodes[-1]
    if isinstance(item, ValueItem):
        return item.value
    if isinstance(item, InputItem):
        return -1 - item.input
    return None if isinstance(item, (ParallelItem, OutputItem)) else exit_of(item.items[-1])
