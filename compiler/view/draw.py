"""Makes drawings: of any vertices, and of a checked graph.

What nothing reads is left out. An auxiliary head is taken out of the trunk and stands beside it. So does an output that only nodes
of its own need, where the trunk would not be series-parallel with it.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

from ..analysis.cost import Cost
from ..diagnostics import Source, Span
from ..ir.graph import Graph, Node
from ..ops.op import op_of
from .drawing import Costs, Drawing, DrawnHead, DrawnInput, DrawnNode, DrawnOutput, FileLine
from .folding import Folding
from .sketch import NamedEnd, Sketch, find_part, needed_by, prune, restrict, shape_of
from .structure import Structure, Vertex, path_prefixes


class SideEnding(NamedTuple):
    """An ending with the vertices that only it needs, and the values that they read."""

    ending: NamedEnd
    own: tuple[int, ...]
    sources: tuple[int, ...]


def draw_graph(graph: Graph, summary: str = "", sources: Sequence[Source] = (), only: str | None = None) -> Drawing:
    """The drawing of a checked graph, its costs and places with it. Of `sources` the first, the spec, is among its files in any case.

    `only` is the path of a step or of what holds steps: the rest is not drawn, and what flows in and out is an input or an output.
    Raises Failure `no-such-step` where there is none.
    """
    files = Files(sources[:1])
    numbers = {value.name: -1 - k for k, value in enumerate(graph.inputs)}
    drawn = [node for node in graph.nodes if not node.output.type.is_control]
    numbers |= {value.name: i for i, node in enumerate(drawn) for value in node.outputs}
    costs = {layer.path: (layer.params, layer.macs, layer.activations) for layer in Cost(graph).layers}
    vertices = [make_vertex(node, numbers, costs[node.path], files) for node in drawn]
    return draw_vertices(
        graph.name,
        summary,
        [DrawnInput(value.name, value.type.sizes) for value in graph.inputs],
        vertices,
        [NamedEnd(output.name, numbers[output.value.name]) for output in graph.outputs],
        [NamedEnd(head.path, numbers[head.value.name], head.weight) for head in graph.heads],
        files.texts,
        only,
    )


def make_vertex(node: Node, numbers: Mapping[str, int], costs: tuple[int, int, int], files: Files) -> Vertex:
    """The vertex of a node. Control values, such as the draw of a join, are no part of a picture."""
    op, y = op_of(node), node.output.type
    inputs = tuple(dict.fromkeys(numbers[value.name] for value in node.inputs if not value.type.is_control))
    types = [x for x in node.input_types if not x.is_control]
    size = y.elements * y.dtype.size_bytes
    return Vertex(node.path, op.name, op.family, op.caption(*types), inputs, y.sizes, op, op.is_companion,
                  Costs(*costs, size), files.places(spans_of(node)), calls_of(node))  # fmt: skip


def spans_of(node: Node) -> tuple[Span | None, ...]:
    """Where a node's step stands, then what it was expanded from, innermost first."""
    return (node.span, *(frame.span for frame in reversed(node.frames)))


def calls_of(node: Node) -> tuple[tuple[str, Hashable], ...]:
    """The blocks that a node was expanded from, as a vertex has them."""
    return tuple((frame.name if frame.kind in ("block", "import") else "", frame) for frame in node.frames)


class Files:
    """The texts that a drawing's places are in, each once, in the order in which they are met."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources: dict[int, tuple[int, Source]] = {}
        for source in sources:
            self.number(source)

    def number(self, source: Source) -> int:
        """Which of the files a source is."""
        return self._sources.setdefault(id(source), (len(self._sources), source))[0]

    def places(self, spans: Iterable[Span | None]) -> tuple[FileLine, ...]:
        """The lines of spans, each once."""
        return tuple(dict.fromkeys(FileLine(self.number(span.source), span.line) for span in spans if span))

    @property
    def texts(self) -> tuple[tuple[str, str], ...]:
        """Names and texts."""
        return tuple((source.label, source.text) for _, source in self._sources.values())


def draw_vertices(
    name: str,
    summary: str,
    inputs: Sequence[DrawnInput],
    vertices: Sequence[Vertex],
    outputs: Sequence[NamedEnd],
    heads: Sequence[NamedEnd] = (),
    files: tuple[tuple[str, str], ...] = (),
    only: str | None = None,
) -> Drawing:
    """The drawing of vertices in topological order. The last of the `outputs` is the end of the trunk. `only` is as in draw_graph.

    The totals are those of what the outputs need, without heads.
    """
    sketch = prune(Sketch(inputs, vertices, outputs, heads))
    around = count_calls_around(find_part(sketch, only), sketch.vertices) if only else 0
    # what is drawn alone is called by its own path, not by that of the scope that it is alone in here
    outer = path_prefixes(only)[:-1] if only else ()
    inputs, vertices, outputs, heads = restrict(sketch, only) if only else sketch
    needed = needed_by(vertices, [output.value for output in outputs])
    sides: list[SideEnding] = []
    trunk = make_trunk(vertices, len(inputs), needed, outputs, (), outer)
    tree = trunk.items(around)
    if tree is None:
        sides = find_side_outputs(vertices, outputs)
        apart = {side.ending for side in sides}
        within = needed.difference(*(side.own for side in sides))
        trunk = make_trunk(vertices, len(inputs), within, outputs, apart, outer)
        tree = trunk.items(around) or trunk.as_arcs(around)
    sides += find_heads(vertices, heads, needed)
    in_tree = {trunk.ends[i - len(vertices)] for i in trunk.members if i >= len(vertices)}
    on_the_way = {output.value for output in outputs} - in_tree - {side.ending.value for side in sides}
    folding = Folding(vertices, on_the_way.union(*(side.sources for side in sides)))
    taken = {prefix for i in trunk.members for prefix in trunk.prefixes[i]}
    return Drawing(
        name,
        summary,
        sum((vertices[i].costs for i in sorted(needed)), Costs()),
        tuple(inputs),
        tuple(DrawnOutput(o.name, o.value, shape_of(o.value, vertices, inputs)) for o in outputs),
        tuple(DrawnNode(v.path, v.op, v.family, v.title, v.shape, v.costs, v.places) for v in vertices),
        tuple((a, i) for i, vertex in enumerate(vertices) for a in vertex.inputs),
        folding.fold(tree),
        tuple(make_head(side, vertices, outputs, folding, taken) for side in sides),
        files,
    )


def make_trunk(
    vertices: Sequence[Vertex],
    inputs: int,
    within: Collection[int],
    outputs: Sequence[NamedEnd],
    apart: Collection[NamedEnd] = (),
    taken: Collection[str] = (),
) -> Structure:
    """The structure of the vertices `within`, with the inputs, and with those outputs that nothing reads on and that stay in the trunk.

    Prefixes of paths that are `taken` are no groups.
    """
    read = {j for i in within for j in vertices[i].inputs}
    ends = [len(vertices) + k for k, o in enumerate(outputs) if o.value not in read and o not in apart]
    members = [*(-1 - k for k in range(inputs)), *sorted(within), *ends]
    return Structure(vertices, members, [output.value for output in outputs], taken=taken)


def find_side_outputs(vertices: Sequence[Vertex], outputs: Sequence[NamedEnd]) -> list[SideEnding]:
    """The outputs but the last that need vertices of their own, behind one value of the others."""
    remaining = list(outputs)
    sides = []
    for output in outputs[:-1]:
        others = [other.value for other in remaining if other is not output]
        own = needed_by(vertices, [output.value]) - needed_by(vertices, others)
        side = SideEnding(output, tuple(sorted(own)), sources_of(vertices, own))
        if len(side.sources) == 1:
            sides.append(side)
            remaining.remove(output)
    return sides


def find_heads(vertices: Sequence[Vertex], heads: Sequence[NamedEnd], needed: Collection[int]) -> list[SideEnding]:
    """The auxiliary heads, each with the vertices that it alone needs, or that it shares with a later one."""
    placed = set(needed)
    sides = []
    for head in heads:
        own = needed_by(vertices, [head.value]) - placed
        sides.append(SideEnding(head, tuple(sorted(own)), sources_of(vertices, own) or (head.value,)))
        placed |= own
    return sides


def sources_of(vertices: Sequence[Vertex], own: Collection[int]) -> tuple[int, ...]:
    """The values that vertices read and do not make, the latest first."""
    return tuple(sorted({j for i in own for j in vertices[i].inputs} - set(own), reverse=True))


def count_calls_around(own: Collection[int], vertices: Sequence[Vertex]) -> int:
    """How many calls of blocks are around these vertices: those that made others, too."""
    first = vertices[min(own)].calls if own else ()
    around = 0
    for i in set(range(len(vertices))).difference(own) if first else ():
        pairs = zip(first, vertices[i].calls, strict=False)
        around = max(around, sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs)))
    return around


def make_head(
    side: SideEnding, vertices: Sequence[Vertex], outputs: Sequence[NamedEnd], folding: Folding, taken: set[str]
) -> DrawnHead:
    """What stands beside the trunk. The prefixes that it has are `taken` from then on, so that each group's path is its alone."""
    ending = side.ending
    ends = [len(vertices) + outputs.index(ending)] if ending.weight is None else []
    structure = Structure(
        vertices,
        [*side.own, *ends],
        [output.value for output in outputs],
        ending.name,
        side.sources[1:],
        {*taken, *path_prefixes(ending.name)},
    )
    taken.update(prefix for i in side.own for prefix in structure.prefixes[i])
    items = folding.fold(structure.items(count_calls_around(side.own, vertices)) or ())
    return DrawnHead(ending.name, ending.weight, side.sources[0], items)
