"""From a list of vertices to the items of a drawing: groups by path, and series and parallel within each.

Names come from paths, structure from the graph:

1. The vertices under a prefix of paths are a group if at most one value enters them and at most one leaves; else the prefix says
   nothing, and they belong to the group around. Of prefixes with the same members the shortest is the group.
2. In a group, each group inside counts as one part. A part is a *cut* if no edge spans it. Between two cuts each connected component
   is a branch, and an edge from cut to cut is a skip; a branch is taken apart likewise.
3. One component and no skip: the region is not series-parallel, as a `from` across branches makes it. It becomes `ArcsItem`, with the
   cut behind it, which merges it. Where that merge lies further out, the region around becomes arcs.
4. What nests deeper than DEEPEST is not taken apart: groups dissolve, and regions become arcs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Sequence
from itertools import pairwise, takewhile
from typing import NamedTuple

from .drawing import (
    ArcsItem,
    Costs,
    FileLine,
    GroupItem,
    InputItem,
    Item,
    OpItem,
    OutputItem,
    ParallelItem,
    Shape,
    ValueItem,
)

DEEPEST = 60  # levels; each takes a few of the 1000 calls that Python nests

Edge = tuple[int, int]


class Vertex(NamedTuple):
    """A node as this stage takes it, whatever kind of file it comes from.

    - `inputs`: numbers of earlier vertices, or -1 - k for the net's input k; a value that is read twice stands once
    - `signature`: equal for two vertices that do the same with inputs of any size
    - `is_companion`: it is written into the box of the layer beside it
    - `calls`: the names of blocks that it was expanded from, outermost first, each with what tells two calls apart; "" for what is no block
    - `in_modules`: the names in its path are modules, so that a number is the name of one as well
    """

    path: str
    op: str
    family: str
    title: str
    inputs: tuple[int, ...]
    shape: Shape
    signature: Hashable
    is_companion: bool = False
    costs: Costs = Costs()
    places: tuple[FileLine, ...] = ()
    calls: tuple[tuple[str, Hashable], ...] = ()
    in_modules: bool = False


class ScopePart(NamedTuple):
    """One thing in a scope: the vertices of the group `prefix`, or a single vertex, input or output where that is ""."""

    prefix: str
    members: tuple[int, ...]


class Structure:
    """The structure of some of the vertices: the trunk, or one head.

    `members` are vertices in their order; before them inputs of the net as -1 - k, behind them outputs as len(vertices) + k, where
    `ends` has for each output the value that it is. Of a `head`, `values` are what it reads beside its source: they stand first, as
    inputs do, by numbers below all of these. Prefixes that are `taken` are no groups.
    """

    def __init__(
        self,
        vertices: Sequence[Vertex],
        members: Sequence[int],
        ends: Sequence[int] = (),
        head: str = "",
        values: Sequence[int] = (),
        taken: Collection[str] = (),
    ) -> None:
        self.vertices, self.ends, self.head, self.taken = vertices, ends, head, taken
        lowest = min((j for vertex in vertices for j in vertex.inputs), default=0) - 1
        self.values = {lowest - k: value for k, value in enumerate(values)}
        self.stands_for = {value: i for i, value in self.values.items()}
        members = self.members = (*self.values, *members)
        self.prefixes = {i: path_prefixes(vertices[i].path) if self.is_vertex(i) else () for i in members}
        kept = self.find_groups()
        self.chains = {i: tuple(p for p in self.prefixes[i] if p in kept) for i in members}

    def is_vertex(self, i: int) -> bool:
        """Whether it is one, and no input or output of the net."""
        return 0 <= i < len(self.vertices)

    def inputs(self, i: int) -> tuple[int, ...]:
        """The values that a member reads."""
        if i < 0:
            return ()
        read = self.vertices[i].inputs if i < len(self.vertices) else (self.ends[i - len(self.vertices)],)
        return tuple(self.stands_for.get(j, j) for j in read) if self.values else read

    def find_groups(self) -> set[str]:
        """The prefixes of paths that are groups."""
        sizes = Counter(p for i in self.members for p in self.prefixes[i])
        entries: dict[str, set[int]] = defaultdict(set)
        exits: dict[str, set[int]] = defaultdict(set)
        for i in self.members:
            own = self.prefixes[i]
            sourceless = len(self.vertices) + len(self.ends) + i  # a value that enters from nowhere is one, too
            for j in self.inputs(i) or (sourceless,):
                theirs = self.prefixes.get(j, ())
                shared = sum(1 for a, b in zip(own, theirs, strict=False) if a == b)
                for p in own[shared:]:
                    entries[p].add(j)
                for p in theirs[shared:]:
                    exits[p].add(j)
        kept = {p for p, size in sizes.items() if size > 1 and len(entries[p]) <= 1 and len(exits[p]) <= 1}
        kept.difference_update(self.taken)
        outer = {p: p.rpartition(".")[0] for p in kept}
        return {p for p in kept if outer[p] not in kept or sizes[outer[p]] != sizes[p]}

    def items(self, calls: int = 0) -> tuple[Item, ...] | None:
        """The items of all members; None where they are not series-parallel up to their end, which only several outputs can cause.

        The first `calls` frames of each belong to what is around.
        """
        series, edges = self.scope(self.members, 0, calls, 0)
        return series.arrange(tuple(range(1, len(series.parts) + 1)), edges, 0)

    def as_arcs(self, calls: int = 0) -> tuple[Item, ...]:
        """The items of all members as arcs, whatever they are."""
        series, edges = self.scope(self.members, 0, calls, 0)
        numbers = range(1, len(series.parts) + 1)
        return (series.make_arcs(numbers, 0, len(numbers), edges, 0),)

    def scope(self, members: Sequence[int], level: int, calls: int, depth: int) -> tuple[Series, set[Edge]]:
        """The parts of a group's members, of which `level` prefixes and `calls` frames are told by what is around; and the edges
        between them, with 0 for what enters and one more than there are for what leaves."""
        parts = self.split_parts(members, level if depth < DEEPEST else DEEPEST)
        owner = {i: k for k, part in enumerate(parts, 1) for i in part.members}
        n = len(parts)
        edges = {(owner.get(j, 0), owner[i]) for i in members for j in self.inputs(i)}
        edges = {(a, b) for a, b in edges if a != b}
        read, reading = {a for a, _ in edges}, {b for _, b in edges}
        sourceless = frozenset(range(1, n + 1)) - reading
        edges |= {(0, b) for b in sourceless}
        edges |= {(a, n + 1) for a in range(1, n + 1) if a not in read}
        return Series(self, parts, level, calls, sourceless), edges

    def split_parts(self, members: Sequence[int], level: int) -> list[ScopePart]:
        """The groups and single vertices that a scope holds, in the order of their last members, which is topological."""
        found: dict[tuple[str, int | None], list[int]] = {}
        for i in members:
            chain = self.chains[i]
            key = (chain[level], None) if len(chain) > level else ("", i)
            found.setdefault(key, []).append(i)
        lowest = min(self.members, default=0)
        rank = {key: held[-1] if held[-1] >= 0 else lowest - held[-1] for key, held in found.items()}
        return [ScopePart(key[0], tuple(found[key])) for key in sorted(found, key=lambda key: rank[key])]

    def item(self, part: ScopePart, level: int, calls: int, depth: int) -> Item:
        """The item of a part."""
        i = part.members[0]
        if not part.prefix:
            return self.single(i)
        block, shared = self.called_block(part.members, calls)
        series, edges = self.scope(part.members, level + 1, shared, depth + 1)
        inner = series.arrange(tuple(range(1, len(series.parts) + 1)), edges, depth + 1)
        assert inner is not None  # one value leaves a group
        return GroupItem(part.prefix, block, inner)

    def single(self, i: int) -> Item:
        """The item of a single member."""
        if i in self.values:
            return ValueItem(self.values[i], self.head)
        return InputItem(-1 - i) if i < 0 else OpItem(i) if self.is_vertex(i) else OutputItem(i - len(self.vertices))

    def called_block(self, members: Sequence[int], outer: int) -> tuple[str, int]:
        """The block whose call made all of these vertices, beyond `outer` frames, or ""; and how many frames they share."""
        first = self.vertices[members[0]].calls
        shared = len(first)
        for i in members[1:]:
            pairs = zip(first[:shared], self.vertices[i].calls, strict=False)
            shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        names = [name for name, _ in first[outer:shared] if name]
        return (names[-1] if names else ""), shared


class Series(NamedTuple):
    """How the parts of one scope are arranged. Parts are known by their numbers from 1; nothing enters the `sourceless`."""

    structure: Structure
    parts: Sequence[ScopePart]
    level: int
    calls: int
    sourceless: Collection[int]

    def item(self, number: int, depth: int) -> Item:
        """The item of a part."""
        return self.structure.item(self.parts[number - 1], self.level, self.calls, depth)

    def arrange(self, inner: Sequence[int], edges: Collection[Edge], depth: int) -> tuple[Item, ...] | None:
        """The items of the parts `inner`. In `edges` 0 is what enters them, k the k-th of them, and one more what reads them.

        None where they are not series-parallel up to what reads them.
        """
        n = len(inner)
        cuts = find_cuts(n, edges)
        regions = edges_by_region(cuts, edges)
        items: list[Item] = []
        for (u, v), region in zip(pairwise(cuts), regions, strict=True):
            if v - u > 1:
                held = inner[u : v - 1]
                branches = self.split_branches(held, u, v, region, depth)
                if branches is None and v > n:
                    return None
                if branches is None:
                    items.append(self.make_arcs(inner, u, v, region, depth))
                    continue
                items.append(ParallelItem(branches, (u, v) in region))
            if v <= n:
                items.append(self.item(inner[v - 1], depth))
        return tuple(items)

    def split_branches(
        self, held: Sequence[int], u: int, v: int, edges: Collection[Edge], depth: int
    ) -> tuple[tuple[Item, ...], ...] | None:
        """The branches between the cuts `u` and `v`; None where there is only one and no skip beside it, or one is irregular."""
        components = find_components(u, v, edges)
        if depth >= DEEPEST or (len(components) == 1 and (u, v) not in edges):
            return None
        home = {k: at for at, component in enumerate(components) for k in component}
        place = {k: p for component in components for p, k in enumerate(component, 1)}
        own: list[set[Edge]] = [set() for _ in components]
        for a, b in edges:
            if (a, b) != (u, v):
                at = home[b] if a == u else home[a]
                own[at].add((0 if a == u else place[a], len(components[at]) + 1 if b == v else place[b]))
        branches = []
        for component, within in zip(components, own, strict=True):
            branch = self.arrange([held[k - u - 1] for k in component], within, depth + 1)
            if branch is None:
                return None
            branches.append(branch)
        return tuple(branches)

    def make_arcs(self, inner: Sequence[int], u: int, v: int, edges: Iterable[Edge], depth: int) -> ArcsItem:
        """Those of the parts `inner` that lie behind `u`, up to `v`, as arcs."""
        held = inner[u:v]
        items = tuple(self.item(number, depth + 1) for number in held)
        among = ((a - u, b - u) for a, b in edges if b <= v)
        return ArcsItem(items, tuple(sorted((a, b) for a, b in among if held[b - 1] not in self.sourceless)))


def path_prefixes(path: str) -> tuple[str, ...]:
    """`a`, `a.b` and `a.b.c` of `a.b.c`; of a very deep path those of the outer levels."""
    names = path.split(".", DEEPEST)[:DEEPEST]
    found = [names[0]]
    for name in names[1:]:
        found.append(f"{found[-1]}.{name}")
    return tuple(found)


def find_cuts(n: int, edges: Iterable[Edge]) -> list[int]:
    """Which of the parts 1 … n no edge spans; and 0 and n + 1, the ends."""
    change = [0] * (n + 3)
    for a, b in edges:
        if b - a > 1:
            change[a + 1] += 1
            change[b] -= 1
    cuts, spanning = [0], 0
    for k in range(1, n + 1):
        spanning += change[k]
        if not spanning:
            cuts.append(k)
    return [*cuts, n + 1]


def edges_by_region(cuts: Sequence[int], edges: Iterable[Edge]) -> list[set[Edge]]:
    """The edges between each cut and the next. No edge leaves its region."""
    region_of = {}
    for at, (u, v) in enumerate(pairwise(cuts)):
        for k in range(u, v):
            region_of[k] = at
    found: list[set[Edge]] = [set() for _ in cuts[1:]]
    for a, b in edges:
        found[region_of[a]].add((a, b))
    return found


def find_components(u: int, v: int, edges: Iterable[Edge]) -> list[list[int]]:
    """The connected components of what lies between two cuts, by their first parts."""
    parent = list(range(v + 1))

    def root(k: int) -> int:
        while parent[k] != k:
            parent[k] = parent[parent[k]]
            k = parent[k]
        return k

    for a, b in edges:
        if u < a and b < v:
            parent[max(root(a), root(b))] = min(root(a), root(b))
    found: dict[int, list[int]] = {}
    for k in range(u + 1, v):
        found.setdefault(root(k), []).append(k)
    return list(found.values())
