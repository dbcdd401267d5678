"""The rows of a table of costs: the layers of a net by themselves, by block, or by op.

A block is what the first `depth` words of the paths name. Rounds of one `repeat` that follow each other and cost the same are one
row, whose numbers are those of all of its rounds; rounds that differ in any cost or shape stay rows of their own. So the numbers of
all rows always add up to the net's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Literal, NamedTuple

from ..ir.provenance import Frame, shared_frames
from .cost import Layer

By = Literal["layer", "block", "op"]
Frames = tuple[Frame, ...]


class CostPart(NamedTuple):
    """A row: what it is called, what it holds, and the indexes of its layers.

    `op` is the op, the block that it is a call of, or how many steps it has, those of one round where it stands for `times` equal ones.
    The place is that of the call or the `repeat` that made it, else of its first layer; place and path are those of the first round. The
    output's sizes are those of the last layer that no auxiliary head has to itself. Place and output are empty of an op of several layers.
    """

    path: str
    op: str
    source: str
    output: tuple[int, ...]
    aux: bool
    times: int
    members: tuple[int, ...]


class LayerGroup(NamedTuple):
    """The layers under one path, by index, with the frames that all of them were expanded from."""

    path: str
    members: tuple[int, ...]
    common: Frames


def divide_layers(layers: Sequence[Layer], frames: Sequence[Frames], by: By, depth: int = 1) -> tuple[CostPart, ...]:
    """The rows: of blocks in the order of their last layers, of ops in that of their first.

    `frames` has what each layer was expanded from; `depth` matters to blocks alone.
    """
    if by == "layer":
        return tuple(CostPart(*layer[:4], layer.aux, 1, (at,)) for at, layer in enumerate(layers))
    key: Callable[[Layer], str] = (
        (lambda x: x.op) if by == "op" else (lambda x: ".".join(x.path.split(".", depth)[:depth]))
    )
    found: dict[str, list[int]] = {}
    for at, layer in enumerate(layers):
        found.setdefault(key(layer), []).append(at)
    if by == "op":
        return tuple(make_op_part(layers, name, tuple(members)) for name, members in found.items())
    groups = [
        LayerGroup(path, tuple(members), shared_frames([frames[at] for at in members]))
        for path, members in found.items()
    ]
    groups.sort(key=lambda group: group.members[-1])  # what joins branches stands behind them
    return tuple(RoundFolding(layers, frames).fold(groups, 0))


def make_part(
    layers: Sequence[Layer], path: str, members: tuple[int, ...], op: str, source: str, times: int
) -> CostPart:
    """The row of these layers."""
    of_inference = [at for at in members if not layers[at].aux]
    last = layers[(of_inference or members)[-1]]
    return CostPart(path, op, source, last.output, not of_inference, times, members)


def make_op_part(layers: Sequence[Layer], op: str, members: tuple[int, ...]) -> CostPart:
    """The row of all layers of an op, which have no place and no output's sizes in common."""
    part = make_part(layers, op, members, op, layers[members[0]].source, 1)
    return part if len(members) == 1 else part._replace(source="", output=())


def sum_part(part: CostPart, layers: Sequence[Layer]) -> Layer:
    """A row's costs in all."""
    members = [layers[at] for at in part.members]
    return Layer(
        *part[:4],
        sum(x.params for x in members),
        sum(x.macs for x in members),
        sum(x.activations for x in members),
        part.aux,
        part.times,
    )


class RoundFolding:
    """Makes one row of rounds that cost the same."""

    def __init__(self, layers: Sequence[Layer], frames: Sequence[Frames]) -> None:
        self.layers, self.frames = layers, frames
        # a call of a block, a round and a branch are one frame each, which all of its layers share
        self.held = Counter(id(frame) for each in frames for frame in each)

    def fold(self, groups: Iterable[LayerGroup], level: int) -> list[CostPart]:
        """The rows of groups whose outermost `level` frames are the same."""
        parts: list[CostPart] = []
        for site, run in groupby(groups, lambda group: site_at(group.common, level)):
            if site is None:
                parts += [self.describe(group) for group in run]
            elif site[0] == "repeat":
                parts += self.join_rounds(
                    self.fold(one_round, level + 1)
                    for _, one_round in groupby(run, lambda group: group.common[level].bindings)
                )
            else:
                parts += self.fold(run, level + 1)
        return parts

    def join_rounds(self, rounds: Iterable[list[CostPart]]) -> list[CostPart]:
        """The rows of all rounds, with those of equal neighbours joined."""
        joined: list[CostPart] = []
        for _, equal in groupby(rounds, lambda parts: [(self.costs(part.members), part.times) for part in parts]):
            for same in zip(*equal, strict=True):
                first = same[0]
                members = tuple(at for part in same for at in part.members)
                joined.append(first._replace(members=members, times=first.times * len(same), output=same[-1].output))
        return joined

    def describe(self, group: LayerGroup) -> CostPart:
        """The row of one group: whether it is equal rounds, one call of a block, many of them, or steps."""
        inner = [self.frames[at][len(group.common) :] for at in group.members]
        rounds = self.equal_rounds(group, inner)
        calls = {id(call): call for call in (next(filter(is_call, each), None) for each in inner)}
        whole = next(filter(is_call, reversed(group.common)), None)
        ops = {self.layers[at].op for at in group.members}
        if len(ops) == 1 and len(group.members) == 1:
            (op,) = ops
        elif whole is not None and self.held[id(whole)] == len(group.members):
            op = whole.name
        elif None not in calls.values() and len({call.name for call in calls.values() if call}) == 1:
            name = next(call.name for call in calls.values() if call)
            op = name if rounds == len(calls) else f"{len(calls) // rounds} × {name}"
        else:
            op = ops.pop() if len(ops) == 1 else f"{len(group.members) // rounds} steps"
        return make_part(self.layers, group.path, group.members, op, self.find_source(group, inner), rounds)

    def find_source(self, group: LayerGroup, inner: Sequence[Frames]) -> str:
        """Where a group is written: the step of its path; else the call, round or branch that made it and nothing else; else what its first
        layer is expanded from next; else that layer.
        """
        named = next((self.layers[at] for at in group.members if self.layers[at].path == group.path), None)
        if named:
            return named.source
        own = [frame for frame in group.common if self.held[id(frame)] == len(group.members)]
        nearest = [*own[-1:], *inner[0][:1]]
        return nearest[0].span.short if nearest else self.layers[group.members[0]].source

    def equal_rounds(self, group: LayerGroup, inner: Sequence[Frames]) -> int:
        """How many rounds of one `repeat` the group is, if they cost the same; else 1."""
        sites = {site_at(each, 0) for each in inner}
        site = sites.pop()
        if sites or site is None or site[0] != "repeat":
            return 1
        found = [
            self.costs(tuple(at for at, _ in members))
            for _, members in groupby(zip(group.members, inner, strict=True), lambda pair: pair[1][0].bindings)
        ]
        return len(found) if all(each == found[0] for each in found) else 1

    def costs(self, members: tuple[int, ...]) -> list[tuple[object, ...]]:
        """What layers must have in common to be equal: ops, shapes and costs."""
        rows = (self.layers[at] for at in members)
        return [(x.op, x.output, x.params, x.macs, x.activations, x.aux) for x in rows]


def is_call(frame: Frame) -> bool:
    """Whether a frame is the call of a block, or of a whole document as one."""
    return frame.kind in ("block", "import")


def site_at(frames: Frames, level: int) -> tuple[object, ...] | None:
    """What is expanded at a level: all rounds of a `repeat` are of one site. None where nothing is."""
    if level >= len(frames):
        return None
    frame = frames[level]
    return (frame.kind, frame.span) if frame.kind == "repeat" else (frame.kind, frame.span, frame.name, id(frame))
