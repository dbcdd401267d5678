"""What a drawing is made from, whatever kind of file it comes from; and parts of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ..analysis.missing_steps import EnteringValue, no_such_step
from .drawing import DrawnInput, Shape
from .structure import Vertex


class NamedEnd(NamedTuple):
    """A named value that leaves the net: an output, or an auxiliary head with its weight in the loss."""

    name: str
    value: int
    weight: float | None = None


class Sketch(NamedTuple):
    """A net: inputs, vertices in topological order, outputs of which the last ends the trunk, and heads."""

    inputs: Sequence[DrawnInput]
    vertices: Sequence[Vertex]
    outputs: Sequence[NamedEnd]
    heads: Sequence[NamedEnd] = ()


def needed_by(vertices: Sequence[Vertex], values: Iterable[int]) -> set[int]:
    """The vertices that `values` need."""
    needed = {value for value in values if value >= 0}
    for i in range(max(needed, default=-1), -1, -1):
        if i in needed:
            needed.update(j for j in vertices[i].inputs if j >= 0)
    return needed


def prune(sketch: Sketch) -> Sketch:
    """The net without the vertices that neither outputs nor heads need."""
    kept = needed_by(sketch.vertices, [end.value for end in (*sketch.outputs, *sketch.heads)])
    return renumber(sketch, sorted(kept), {-1 - k: -1 - k for k in range(len(sketch.inputs))})


def renumber(sketch: Sketch, kept: Sequence[int], entering: Mapping[int, int]) -> Sketch:
    """The net of the vertices that are `kept`; `entering` are the new numbers of the values that they read beside each other's."""
    number = {old: new for new, old in enumerate(kept)} | dict(entering)
    vertices = [sketch.vertices[old] for old in kept]
    return sketch._replace(
        vertices=[vertex._replace(inputs=tuple(number[j] for j in vertex.inputs)) for vertex in vertices],
        outputs=[end._replace(value=number[end.value]) for end in sketch.outputs],
        heads=[end._replace(value=number[end.value]) for end in sketch.heads],
    )


def restrict(sketch: Sketch, path: str) -> Sketch:
    """The part of a pruned net at a path and under it: what flows in is an input, and what flows out an output, each by its step's path.

    Raises Failure `no-such-step` where nothing is there.
    """
    vertices = sketch.vertices
    kept = find_part(sketch, path)
    held = set(kept)
    entering = list(dict.fromkeys(j for i in kept for j in vertices[i].inputs if j not in held))
    inputs = [DrawnInput(name_of(j, sketch), shape_of(j, vertices, sketch.inputs)) for j in entering]
    heads = [head for head in sketch.heads if head.value in held and is_under(head.name, path)]
    outputs = leaving(sketch, held, heads)
    if not outputs:  # only heads are left
        outputs, heads = [head._replace(weight=None) for head in heads], []
    return renumber(
        sketch._replace(inputs=inputs, outputs=outputs, heads=heads),
        kept,
        {j: -1 - k for k, j in enumerate(entering)},
    )


def find_part(sketch: Sketch, path: str) -> list[int]:
    """The vertices at a path and under it. Raises Failure `no-such-step` where there are none."""
    found = [i for i, vertex in enumerate(sketch.vertices) if is_under(vertex.path, path)]
    if not found:
        raise no_such_step(path, (vertex.path for vertex in sketch.vertices), entering_values(sketch))
    return found


def leaving(sketch: Sketch, held: Collection[int], heads: Sequence[NamedEnd]) -> list[NamedEnd]:
    """The outputs of a part: those of the net, and what something outside reads. The latest is the last."""
    read_outside = {j for i, vertex in enumerate(sketch.vertices) if i not in held for j in vertex.inputs}
    found = [
        end._replace(weight=None) for end in (*sketch.outputs, *sketch.heads) if end.value in held and end not in heads
    ]
    named = {end.value for end in (*found, *heads)}
    found += [NamedEnd(sketch.vertices[i].path, i) for i in sorted(held) if i in read_outside and i not in named]
    return sorted(found, key=lambda end: end.value)


def is_under(path: str, around: str) -> bool:
    """Whether a path is another one, or under it."""
    return f"{path}.".startswith(f"{around}.")


def name_of(value: int, sketch: Sketch) -> str:
    """The name of a value: the path of its vertex, or an input's."""
    return sketch.vertices[value].path if value >= 0 else sketch.inputs[-1 - value].name


def shape_of(value: int, vertices: Sequence[Vertex], inputs: Sequence[DrawnInput]) -> Shape:
    """The shape of a vertex's output, or of an input."""
    return vertices[value].shape if value >= 0 else inputs[-1 - value].shape


def entering_values(sketch: Sketch) -> dict[str, EnteringValue]:
    """The inputs of a net by name, each with the paths of the vertices that read it."""
    readers: dict[int, list[str]] = {}
    for vertex in sketch.vertices:
        for value in vertex.inputs:
            if value < 0:
                readers.setdefault(-1 - value, []).append(vertex.path)
    return {
        each.name: EnteringValue("×".join(map(str, each.shape)) or "of no known shape", readers.get(at, ()))
        for at, each in enumerate(sketch.inputs)
    }
