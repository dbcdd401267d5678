"""What the tests of pictures share: the edges that a drawing's tree implies, the geometry of a layout, and random nets."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from archc.compiler.ir.graph import Graph
from archc.compiler.view.draw import draw_vertices
from archc.compiler.view.drawing import (
    ArcsItem,
    CardItem,
    Drawing,
    DrawnInput,
    InputItem,
    Item,
    OpItem,
    OutputItem,
    ParallelItem,
    ValueItem,
    children,
)
from archc.compiler.view.layout import Box, Layout
from archc.compiler.view.sketch import NamedEnd
from archc.compiler.view.structure import Vertex

Edges = set[tuple[str, str]]
NEAR = 1.6  # pixels: a circle bends away from its corner
HOLDERS = ("open", "head")
BAND = 60  # pixels


def items_of(items: Sequence[Item]) -> Iterator[Item]:
    """All items, those that others hold among them."""
    for item in items:
        yield item
        for inner in children(item):
            yield from items_of(inner)


def has_arcs(drawing: Drawing) -> bool:
    """Whether some of the drawing is not series-parallel."""
    tops = (drawing.tree, *(head.items for head in drawing.heads))
    return any(isinstance(item, ArcsItem) for top in tops for item in items_of(top))


def implied_edges(drawing: Drawing) -> set[tuple[int, int]]:
    """The edges that the tree and the heads say, without a look at the drawing's own."""
    found: set[tuple[int, int]] = set()

    def follow(item: Item, values: set[int]) -> set[int]:
        match item:
            case InputItem(number):
                return {-1 - number}
            case ValueItem(value):
                return {value}
            case OutputItem(number):
                assert values == {drawing.outputs[number].node}
                return set()
            case OpItem() | CardItem():
                for node in [item.node] if isinstance(item, OpItem) else item.nodes:
                    found.update((value, node) for value in values)
                    values = {node}
                return values
            case ParallelItem(branches, skip):
                return set(values if skip else ()).union(*(series(branch, values) for branch in branches))
            case ArcsItem(items, edges):
                leaving = {0: values}
                for number, inner in enumerate(items, 1):
                    leaving[number] = follow(inner, set().union(*(leaving[a] for a, b in edges if b == number)))
                return leaving[len(items)]
        return series(item.items, values)

    def series(items: Sequence[Item], values: set[int]) -> set[int]:
        for item in items:
            values = follow(item, values)
        return values

    series(drawing.tree, set())
    for head in drawing.heads:
        series(head.items, {head.source})
    return found


def named_edges(drawing: Drawing, edges: Iterable[tuple[int, int]]) -> Edges:
    """Edges by the names of what they join."""
    return {(drawing.name_of(a), drawing.name_of(b)) for a, b in edges}


def live_edges(graph: Graph) -> Edges:
    """The edges of a graph's nodes that an output or a head needs, without control values."""
    return {
        (value.name, node.path)
        for node in graph.needed_by(graph.results())
        for value in node.inputs
        if not value.type.is_control and not node.output.type.is_control
    }


def segments(path: str) -> list[tuple[float, float, float, float]]:
    """The straight pieces of an edge; a bend is two of them, by its corner."""
    found = []
    x = y = 0.0
    for command, numbers in re.findall(r"([MVHq])([-\d. ]*)", path):
        n = [float(v) for v in numbers.split()]
        if command == "M":
            x, y = n
            continue
        if command == "q":
            found += [(x, y, x + n[0], y + n[1]), (x + n[0], y + n[1], x + n[2], y + n[3])]
            x, y = x + n[2], y + n[3]
            continue
        end = (x, n[0]) if command == "V" else (n[0], y)
        found.append((x, y, *end))
        x, y = end
    return found


def overlaps(a: Box, b: Box) -> bool:
    """Whether two boxes share more than their borders."""
    return a.x < b.x + b.w - 0.2 and b.x < a.x + a.w - 0.2 and a.y < b.y + b.h - 0.2 and b.y < a.y + a.h - 0.2


def holds(outer: Box, inner: Box) -> bool:
    """Whether a box lies in another."""
    return (
        inner.x >= outer.x - 0.15
        and inner.y >= outer.y - 0.15
        and inner.x + inner.w <= outer.x + outer.w + 0.15
        and inner.y + inner.h <= outer.y + outer.h + 0.15
    )


def on_border(box: Box, x: float, y: float) -> bool:
    """Whether a point is on a box's border, or a little off it."""
    left, right, top, bottom = box.x + box.label_width, box.x + box.w, box.y, box.y + box.h
    inside = left - NEAR <= x <= right + NEAR and top - NEAR <= y <= bottom + NEAR
    return inside and min(abs(x - left), abs(x - right), abs(y - top), abs(y - bottom)) <= NEAR


def find_faults(layout: Layout, planar: bool) -> list[str]:
    """What is wrong with the geometry of a layout; crossings only where the net is `planar`."""
    faults: list[str] = []
    leaves = [box for box in layout.boxes if box.shape not in (*HOLDERS, "tag")]
    bands = boxes_by_band(leaves)
    pairs = {(a.key, b.key) for held in bands.values() for a, b in combinations(held, 2) if overlaps(a, b)}
    faults += [f"{a} overlaps {b}" for a, b in sorted(pairs)]
    for frame in (box for box in layout.boxes if box.shape in HOLDERS):
        others = [b for b in layout.boxes if b is not frame and b.shape != "tag" and overlaps(frame, b)]
        faults += [f"{frame.key} cuts {b.key}" for b in others if not holds(frame, b) and not holds(b, frame)]
    pieces = [(piece, number) for number, edge in enumerate(layout.edges) for piece in segments(edge.path)]
    for (x0, y0, x1, y1), number in pieces:
        left, right, top, bottom = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
        if left < 0 or top < 0 or right > layout.width or bottom > layout.height:
            faults.append(f"{layout.edges[number].path} leaves the picture")
        for box in boxes_near(bands, top, bottom):
            beside = left >= box.x + box.w - 1.5 or right <= box.x + box.label_width + 1.5
            if not beside and top < box.y + box.h - 1.5 and bottom > box.y + 1.5:
                faults.append(f"{layout.edges[number].path} passes {box.key}")
    faults += [f"{b.key} leaves the picture" for b in layout.boxes if not (b.x >= 0 <= b.y)]
    faults += [
        f"{b.key} leaves the picture" for b in layout.boxes if b.x + b.w > layout.width or b.y + b.h > layout.height
    ]
    faults += find_loose_boxes(layout, leaves)
    return faults + (find_crossings(pieces) if planar else [])


def boxes_by_band(boxes: Iterable[Box]) -> dict[int, list[Box]]:
    """Boxes by the level bands of a picture that they touch, so that not each is held against each."""
    bands: dict[int, list[Box]] = {}
    for box in boxes:
        for at in range(int(box.y // BAND), int((box.y + box.h) // BAND) + 1):
            bands.setdefault(at, []).append(box)
    return bands


def boxes_near(bands: dict[int, list[Box]], top: float, bottom: float) -> Iterable[Box]:
    """The boxes of the bands between two levels, each once."""
    found = range(int(top // BAND), int(bottom // BAND) + 1)
    return {box.key: box for at in found for box in bands.get(at, ())}.values()


def find_loose_boxes(layout: Layout, leaves: Sequence[Box]) -> list[str]:
    """Boxes that no line reaches, or none leaves."""
    paths = [segments(edge.path) for edge in layout.edges]
    bands = boxes_by_band(leaves)
    left, reached = set(), set()
    for path in paths:
        for found, (x, y) in ((left, path[0][:2]), (reached, path[-1][2:])):
            found.update(box.key for box in boxes_near(bands, y - NEAR, y + NEAR) if on_border(box, x, y))
    loose = [f"nothing reaches {box.key}" for box in leaves if box.shape != "input" and box.key not in reached]
    return loose + [f"nothing leaves {box.key}" for box in leaves if box.shape != "output" and box.key not in left]


def find_crossings(pieces: Sequence[tuple[tuple[float, float, float, float], int]]) -> list[str]:
    """Where a level piece of one edge crosses an upright one of another."""
    level = [(p, n) for p, n in pieces if abs(p[1] - p[3]) < 0.01 and abs(p[0] - p[2]) > 1]
    upright = [(p, n) for p, n in pieces if abs(p[0] - p[2]) < 0.01 and abs(p[1] - p[3]) > 1]
    return [
        f"edges {m} and {n} cross at {v[0]} {h[1]}"
        for v, m in upright
        for h, n in level
        if m != n
        and min(v[1], v[3]) + 0.6 < h[1] < max(v[1], v[3]) - 0.6
        and min(h[0], h[2]) + 0.6 < v[0] < max(h[0], h[2]) - 0.6
    ]


# ---- random nets

KINDS = {
    "3×3 conv, 64": "conv",
    "BN": "norm",
    "ReLU": "activation",
    "2×2 max pool": "pool",
    "+": "merge",
    "concat": "merge",
}


def random_vertex(rng: random.Random, path: str, inputs: Iterable[int]) -> Vertex:
    """A vertex of any kind that takes so many inputs."""
    values = tuple(dict.fromkeys(inputs))
    title = rng.choice(
        ["+", "concat"] if len(values) > 1 else ["3×3 conv, 64", "3×3 conv, 64", "BN", "ReLU", "2×2 max pool"]
    )
    shape = (rng.choice([8, 64]), rng.choice([8, 16]), 8)
    return Vertex(path, title, KINDS[title], title, values, shape, title, KINDS[title] in ("norm", "activation"))


def add_series(rng: random.Random, vertices: list[Vertex], value: int, depth: int, prefix: str) -> int:
    """Adds something series-parallel behind a value, and gives the value that leaves it."""
    for number in range(rng.randint(1, 3)):
        path = f"{prefix}.{number}" if prefix else f"s{number}"
        kind = rng.random()
        if not depth or kind < 0.4:
            vertices.append(random_vertex(rng, path, [value]))
        elif kind < 0.6:
            value = add_series(rng, vertices, value, depth - 1, path)
            continue
        else:
            names = [f"{path}.b{i}" if rng.random() < 0.7 else f"{path}_{i}" for i in range(rng.randint(1, 4))]
            ends = [add_series(rng, vertices, value, depth - 1, name) for name in names]
            if len(ends) == 1 or rng.random() < 0.3:
                ends.append(value)
            vertices.append(random_vertex(rng, f"{path}.m", ends))
        value = len(vertices) - 1
    return value


def random_net(seed: int) -> Drawing:
    """A random net: series-parallel with blocks, or wired at random with several inputs; with outputs and heads anywhere."""
    rng = random.Random(seed)
    vertices: list[Vertex] = []
    inputs = 1
    if rng.random() < 0.5:
        add_series(rng, vertices, -1, rng.randint(1, 4), "")
    else:
        inputs = rng.choice([1, 1, 2, 3])
        for i in range(rng.randint(1, 25)):
            near = range(max(-inputs, i - 4), i) if rng.random() < 0.8 else range(-inputs, i)
            path = ".".join([*rng.choices("abc", k=rng.randint(0, 2)), f"n{i}"])
            vertices.append(random_vertex(rng, path, rng.choices(near, k=1 if rng.random() < 0.7 else 3)))
    outputs = [NamedEnd(f"o{k}", rng.randrange(len(vertices))) for k in range(rng.choice([0, 0, 0, 1, 2]))]
    outputs.append(NamedEnd("logits", len(vertices) - 1))
    heads = []
    trunk = len(vertices)
    for k in range(rng.choice([0, 0, 1, 3])):
        value = rng.randrange(-inputs, trunk)
        for number in range(rng.randint(0, 3)):
            more = [rng.randrange(trunk)] if rng.random() < 0.2 else []
            vertices.append(random_vertex(rng, f"aux{k}.{number}", [value, *more]))
            value = len(vertices) - 1
        heads.append(NamedEnd(f"aux{k}", value, 0.3))
    names = [DrawnInput(f"in{k}", (3, 8, 8)) for k in range(inputs)]
    return draw_vertices(f"net {seed}", "", names, vertices, outputs, heads)


def nested_skips(depth: int) -> Drawing:
    """A net of skips inside one another, `depth` of them: the inner ones are deeper than branches are told apart, and are arcs."""
    vertices: list[Vertex] = []

    def add(path: str, inputs: Sequence[int], family: str, title: str) -> int:
        # no two are equal: nothing folds
        vertices.append(Vertex(path, title, family, title, tuple(inputs), (8, 8, 8), len(vertices)))
        return len(vertices) - 1

    entering: list[int] = []
    value = -1
    for level in range(depth):
        entering.append(value)
        value = add(f"a{level}", [value], "conv", "3×3 conv, 8")
    for level in reversed(range(depth)):
        value = add(f"b{level}", [value], "conv", "1×1 conv, 8")
        value = add(f"s{level}", [value, entering[level]], "merge", "+")
    return draw_vertices("nested", "", [DrawnInput("image", (8, 8, 8))], vertices, [NamedEnd("y", value)])
