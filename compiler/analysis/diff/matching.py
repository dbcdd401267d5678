"""Which nodes of two graphs belong together.

1. By path. A named step belongs to the step of the same name in the same scope. The numbers of steps without a name are no names: one
   step more at the front gives new ones to all others. So these are aligned by what is in them (alignment.py), and what is left between
   two that are equal by its kind.
2. By wiring, for what has another path: the same op whose inputs come from nodes that belong together, or that feeds the same place
   of two nodes that do; then also one of its kind whose fields have changed, where both lie between nodes that belong together.
3. By shape, for layers with weights of which nothing else is known: the same op on the same shapes, in the same order.

Which of two graphs is the first changes nothing: `match_nodes` orders them itself.

Time grows with the graphs' size, whatever the two are.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Iterator, Mapping, Sequence

from ...ir.graph import Graph, Head, Node, Output, Value
from ...ops.op import op_of
from .alignment import align

MAX_ROUNDS = 8  # of looking for renamed nodes whose fields have changed
MAX_BETWEEN = 64  # such nodes between the same matched ones
MAX_AROUND = 4  # matched values before such a node, and nodes behind it


class PathTree:
    """A path and what is below it; `node` is the one that has the path itself, if one has. `content` is equal for equal trees."""

    __slots__ = ("children", "content", "node")

    def __init__(self) -> None:
        self.node: Node | None = None
        self.children: dict[str, PathTree] = {}
        self.content = 0

    @property
    def kind(self) -> Hashable:
        """What an unnamed step is told by where its content has changed: its op, or that it is a scope."""
        return self.node.op.name if self.node else None, bool(self.children)

    def numbered(self) -> list[PathTree]:
        """The steps without a name, in their order."""
        numbers = [part for part in self.children if part.isdecimal()]
        return [self.children[part] for part in (sorted(numbers, key=int) if len(numbers) > 1 else numbers)]

    def named(self) -> Iterator[tuple[str, PathTree]]:
        return ((part, child) for part, child in self.children.items() if not part.isdecimal())


def grow_tree(graph: Graph, contents: dict[Hashable, int]) -> PathTree:
    """The scopes of a graph from the outermost one. `contents` gives equal contents one number; graphs that are compared share it."""
    root = PathTree()
    grown = [root]
    for node in graph.nodes:
        scope = root
        for part in node.path.split("."):
            if part not in scope.children:
                scope.children[part] = PathTree()
                grown.append(scope.children[part])
            scope = scope.children[part]
        scope.node = node
    for scope in reversed(grown):  # what is inside was grown later
        named = frozenset((name, child.content) for name, child in scope.named())
        content = scope.node and scope.node.op, named, tuple(child.content for child in scope.numbered())
        scope.content = contents.setdefault(content, len(contents))
    return root


class NodePairs:
    """The nodes of graph `a` by those of `b` that they belong to, and the other way round, by path; and the values likewise, by name."""

    def __init__(self, a: Graph, b: Graph) -> None:
        self.to_b: dict[str, Node] = {}
        self.to_a: dict[str, Node] = {}
        self.values: dict[str, str] = {}
        self.new: deque[tuple[Node, Node]] = deque()
        for ours, theirs in pair_ports([v.name for v in a.inputs], [v.name for v in b.inputs]):
            if ours is not None and theirs is not None:
                self.values[ours] = theirs

    def add(self, a: Node, b: Node) -> None:
        self.to_b[a.path], self.to_a[b.path] = b, a
        self.values.update((ours.name, theirs.name) for ours, theirs in zip(a.outputs, b.outputs, strict=False))
        self.new.append((a, b))

    def mirrored(self) -> NodePairs:
        """The same nodes, with `b` for `a`."""
        self.to_a, self.to_b = self.to_b, self.to_a
        self.values = {theirs: ours for ours, theirs in self.values.items()}
        return self

    def is_open(self, a: Node, b: Node) -> bool:
        return a.path not in self.to_b and b.path not in self.to_a


def pair_ports(ours: Sequence[str], theirs: Sequence[str]) -> list[tuple[str | None, str | None]]:
    """Names that belong together: equal ones, and the others by their order where they are as many; else each alone."""
    pairs: list[tuple[str | None, str | None]] = [(name, name) for name in ours if name in theirs]
    left_a, left_b = [n for n in ours if n not in theirs], [n for n in theirs if n not in ours]
    if len(left_a) == len(left_b):
        return [*pairs, *zip(left_a, left_b, strict=True)]
    return [*pairs, *((name, None) for name in left_a), *((None, name) for name in left_b)]


def match_nodes(a: Graph, b: Graph) -> NodePairs:
    """The nodes of two graphs that belong together."""
    if stands_first(b, a):
        return match_ordered(b, a).mirrored()
    return match_ordered(a, b)


def stands_first(a: Graph, b: Graph) -> bool:
    """Whether `a` comes before `b` in an order of graphs, which is any that does not depend on which of them was given first."""
    if (len(a.nodes), a.name) != (len(b.nodes), b.name):
        return (len(a.nodes), a.name) < (len(b.nodes), b.name)
    differing = ((x, y) for x, y in zip(a.nodes, b.nodes, strict=True) if x != y)
    x, y = next(differing, (None, None))
    return x is not None and y is not None and repr(x) < repr(y)


def match_ordered(a: Graph, b: Graph) -> NodePairs:
    """The nodes of two graphs that belong together, where `a` stands first."""
    found = NodePairs(a, b)
    contents: dict[Hashable, int] = {}
    match_by_path(grow_tree(a, contents), grow_tree(b, contents), found)
    if len(found.to_b) < max(len(a.nodes), len(b.nodes)):
        Wiring(a, b, found).match()
    return found


def match_by_path(a: PathTree, b: PathTree, found: NodePairs) -> None:
    """Matches the nodes of two scopes by name, and those without a name by content."""
    left = [(a, b)]
    while left:
        a, b = left.pop()
        if a.node and b.node:
            found.add(a.node, b.node)
        left += [(child, b.children[name]) for name, child in a.named() if name in b.children]
        unnamed = (
            zip(a.numbered(), b.numbered(), strict=True)
            if a.content == b.content
            else match_numbered(a.numbered(), b.numbered())
        )
        left += unnamed


def match_numbered(a: list[PathTree], b: list[PathTree]) -> Iterator[tuple[PathTree, PathTree]]:
    """The unnamed steps of two scopes that belong together: equal ones, between these those of a kind, between those as many as there are."""
    for before, after in gaps(align([s.content for s in a], [s.content for s in b]), len(a), len(b)):
        if before is not None:
            yield a[before[0]], b[before[1]]
        some_a, some_b = a[after[0] : after[1]], b[after[2] : after[3]]
        for alike, rest in gaps(align([s.kind for s in some_a], [s.kind for s in some_b]), len(some_a), len(some_b)):
            if alike is not None:
                yield some_a[alike[0]], some_b[alike[1]]
            if rest[1] - rest[0] == rest[3] - rest[2]:
                yield from zip(some_a[rest[0] : rest[1]], some_b[rest[2] : rest[3]], strict=True)


def gaps(
    pairs: Sequence[tuple[int, int]], in_a: int, in_b: int
) -> Iterator[tuple[tuple[int, int] | None, tuple[int, int, int, int]]]:
    """Each pair of places with the gap behind it, (from, to) in `a` and in `b`; first the gap before all pairs, with None."""
    at: tuple[int, int] | None = None
    for pair in [*pairs, (in_a, in_b)]:
        start = (at[0] + 1, at[1] + 1) if at else (0, 0)
        yield at, (start[0], pair[0], start[1], pair[1])
        at = pair


class Wiring:
    """Matches nodes by what they are connected to, starting from those that are matched."""

    def __init__(self, a: Graph, b: Graph, found: NodePairs) -> None:
        self.a, self.b, self.found = a, b, found
        self.producers_a = {value.name: node for node in a.nodes for value in node.outputs}
        self.producers_b = {value.name: node for node in b.nodes for value in node.outputs}
        self.readers: dict[str, list[Node]] = defaultdict(list)
        self.waiting = {node.path: len({v.name for v in node.inputs}) for node in a.nodes}
        self.open_b: dict[Hashable, deque[Node]] = defaultdict(deque)
        for node in a.nodes:
            for name in {value.name for value in node.inputs}:
                self.readers[name].append(node)
        for node in b.nodes:
            if node.path not in found.to_a:
                self.open_b[node.op, names_of(node.inputs)].append(node)

    def match(self) -> None:
        """Adds what the wiring tells to what was found."""
        for value in self.a.inputs:
            self.arrive(value.name)
        for node in self.a.nodes:
            if not node.inputs:
                self.match_reader(node)
        outputs = {output.name: output.value.name for output in self.b.outputs}
        for output in self.a.outputs:
            self.match_producers(output.value.name, outputs.get(output.name, ""))
        for _ in range(MAX_ROUNDS):
            self.spread()
            if not self.match_changed():
                break
        self.match_layers()
        self.spread()

    def spread(self) -> None:
        """Goes on from each new pair of nodes, forwards and backwards."""
        new = self.found.new
        while new:
            a, b = new.popleft()
            for value in a.outputs:
                self.arrive(value.name)
            if len(a.inputs) == len(b.inputs):
                for ours, theirs in zip(a.inputs, b.inputs, strict=True):
                    self.match_producers(ours.name, theirs.name)

    def match_producers(self, value_a: str, value_b: str) -> None:
        """Matches the nodes that two values come from, if they are open and have the same op."""
        a, b = self.producers_a.get(value_a), self.producers_b.get(value_b)
        if a and b and a.op == b.op and self.found.is_open(a, b):
            self.found.add(a, b)

    def arrive(self, value: str) -> None:
        """A value of `a` has a partner now: its readers of which all inputs have one are looked for in `b`."""
        if value not in self.found.values:
            return
        for reader in self.readers[value]:
            self.waiting[reader.path] -= 1
            if not self.waiting[reader.path]:
                self.match_reader(reader)

    def match_reader(self, a: Node) -> None:
        """Matches a node all of whose inputs are matched with the first open one that has the same op and the same inputs."""
        if a.path in self.found.to_b:
            return
        candidates = self.open_b.get((a.op, tuple(self.found.values[v.name] for v in a.inputs)))
        while candidates:
            b = candidates.popleft()
            if b.path not in self.found.to_a:
                self.found.add(a, b)
                return

    def match_changed(self) -> bool:
        """Matches open nodes of one kind that lie between the same matched ones, in their order; whether there were any.

        Of very many between the same two, nothing is known: they are other nets.
        """
        open_a, open_b = (
            self.open_between(self.a, self.found.to_b, self.found.values),
            self.open_between(self.b, self.found.to_a, None),
        )
        matched = False
        for between, some_a in open_a.items():
            some_b = open_b.get(between, [])
            if max(len(some_a), len(some_b)) <= MAX_BETWEEN:
                for i, j in align([node.op.name for node in some_a], [node.op.name for node in some_b]):
                    self.found.add(some_a[i], some_b[j])
                    matched = True
        return matched

    def open_between(
        self, graph: Graph, matched: Mapping[str, Node], values: Mapping[str, str] | None
    ) -> dict[Hashable, list[Node]]:
        """The open nodes of a graph, by the nearest matched values before them and the nearest matched nodes and outputs behind.

        Values and nodes are those of `b`: `values` has them by those of `a`, and is None for `b` itself.
        """
        open_nodes = [node for node in graph.nodes if node.path not in matched]
        known = self.found.values if values is not None else {value: value for value in self.found.values.values()}
        before: dict[str, frozenset[str]] = {}
        for node in open_nodes:
            near = [
                frozenset([known[v.name]]) if v.name in known else before.get(v.name, frozenset()) for v in node.inputs
            ]
            around = frozenset[str]().union(*near)
            before.update((v.name, around) for v in node.outputs)
        behind: dict[str, set[str]] = defaultdict(set)
        results: list[Output | Head] = [*graph.outputs, *graph.heads]
        for result in results:
            behind[result.value.name].add(f"result {result[0]}")
        for node in reversed(graph.nodes):
            if node.path in matched:
                ends = {matched[node.path].path if values is not None else node.path}
            else:
                ends = behind[node.output.name]
            for value in node.inputs:
                if value.name not in known and len(behind[value.name]) <= MAX_AROUND:
                    behind[value.name] |= ends
        found: dict[Hashable, list[Node]] = defaultdict(list)
        for node in open_nodes:
            around, ends = before[node.output.name], behind[node.output.name]
            if max(len(around), len(ends)) <= MAX_AROUND:
                found[around, frozenset(ends)].append(node)
        return found

    def match_layers(self) -> None:
        """Matches layers with weights that are still open, where they are the same op on the same shapes, in the same order."""
        open_a = [n for n in self.a.nodes if n.path not in self.found.to_b and op_of(n).counts == "weight"]
        open_b = [n for n in self.b.nodes if n.path not in self.found.to_a and op_of(n).counts == "weight"]
        for i, j in align([(n.op, n.input_types) for n in open_a], [(n.op, n.input_types) for n in open_b]):
            self.found.add(open_a[i], open_b[j])


def names_of(values: tuple[Value, ...]) -> tuple[str, ...]:
    return tuple([value.name for value in values])
