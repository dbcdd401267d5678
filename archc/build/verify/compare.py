"""`archc verify MODEL OTHER`: two models get the same inputs; where their answers differ, the first node that does is found by halving."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ...compiler.diagnostics import Failure
from ...runtime.ports import Port, fixed_batch, list_ports
from ..proof.agreement import RELATIVE, difference
from .drawn import draw_feed
from .pictures import prepare_pictures
from .values import OpenValues

# ONNX's operators with graphs inside them
WITH_GRAPHS = ("If", "Loop", "Scan", "SequenceMap")


class OutputGap(NamedTuple):
    """How far two models' answers lie apart in one output: absolute, and relative to the first one's largest value in its image.

    `other` is what the second model calls the output.
    """

    output: str
    other: str
    max_abs: float
    max_rel: float


class FirstDifference(NamedTuple):
    """The first value that differs though all that goes into it agrees: its name, its operator, its place in the spec, and its gap."""

    value: str
    op: str
    place: str
    max_rel: float


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """What was found of two models. `first` is None where they agree, or call no value on the way alike.

    `common` is how many values both call alike; `tolerance` is the relative difference that is allowed.
    """

    model: str
    other: str
    outputs: tuple[OutputGap, ...]
    first: FirstDifference | None
    common: int
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether all outputs agree."""
        return all(each.max_rel <= self.tolerance for each in self.outputs)


def compare(model: str | Path, other: str | Path, tolerance: float = RELATIVE, trust: bool = False,
            pictures: Sequence[str] = ()) -> ModelComparison:  # fmt: skip
    """Runs two models on the same pictures, or on one image of each kind of a fast proof where there are none, as onnxruntime optimises them.

    Inputs and outputs belong together by name, or else by their order. Models from elsewhere run in processes of their own, unless
    `trust` says otherwise. Raises Failure `models-differ` where the two do not take or give the same.
    """
    with ExitStack() as opened:
        ours, theirs = (opened.enter_context(OpenValues(each, trust)) for each in (model, other))
        asked = ModelPair.on_pictures(ours, theirs, pictures) if pictures else ModelPair.of(ours, theirs)
        gaps = tuple(asked.output_gaps())
        wrong = next((gap.output for gap in gaps if gap.max_rel > tolerance), None)
        common = asked.common_values()
        first = None if wrong is None else find_first(asked, wrong, common, tolerance)
        return ModelComparison(str(model), str(other), gaps, first, len(common), tolerance)


class ModelPair(NamedTuple):
    """Two models, and what each is given: arrays by its own inputs' names, of the same numbers."""

    ours: OpenValues
    theirs: OpenValues
    our_inputs: Mapping[str, Any]
    their_inputs: Mapping[str, Any]

    @classmethod
    def of(cls, ours: OpenValues, theirs: OpenValues) -> ModelPair:
        """Draws the inputs. Raises Failure `models-differ` where the two take different ones, or none that can be drawn."""
        a, b = ours.ports(), theirs.ports()
        pairs = pair_names([*a], [*b])
        if pairs is None or any(not takes_the_same(a[x], b[y]) for x, y in pairs):
            raise Failure("models-differ", f"the two take different inputs: {list_ports(a)} against {list_ports(b)}",
                          "only models of the same inputs can be compared")  # fmt: skip
        shapes = {x: known_shape(a[x], b[y]) for x, y in pairs}
        arrays = draw_feed([a[x]._replace(shape=shapes[x]) for x, _ in pairs])
        return cls(ours, theirs, arrays, {y: arrays[x] for x, y in pairs})

    @classmethod
    def on_pictures(cls, ours: OpenValues, theirs: OpenValues, pictures: Sequence[str]) -> ModelPair:
        """Gives each model the pictures as it takes them: one may want pixels, and the other numbers. Raises RuntimeFault."""
        fixed = [fixed_batch([*m.artifact.inputs.values()], [*m.artifact.outputs.values()]) for m in (ours, theirs)]
        count = fixed[0] or fixed[1] or len(pictures)
        a, b = (prepare_pictures(each.artifact.path, pictures, count, each.trust) for each in (ours, theirs))
        return cls(ours, theirs, a, b)

    def output_gaps(self) -> Iterator[OutputGap]:
        """How far the outputs lie apart. Raises Failure `models-differ` where the two give different ones."""
        pairs = pair_names([*self.ours.artifact.outputs], [*self.theirs.artifact.outputs])
        if pairs is None:
            raise Failure("models-differ", f"the outputs of the two have other names and numbers: {', '.join(self.ours.artifact.outputs)} against "
                          f"{', '.join(self.theirs.artifact.outputs)}", "only models of the same outputs can be compared")  # fmt: skip
        found = self.ours.ask([x for x, _ in pairs], self.our_inputs)
        expected = self.theirs.ask([y for _, y in pairs], self.their_inputs)
        for x, y in pairs:
            if not (is_numbers(found[x]) and is_numbers(expected[y])):
                raise Failure(
                    "models-differ", f"the output `{x}` is no array of numbers", "only numbers can be compared"
                )
            if found[x].shape != expected[y].shape:
                raise Failure("models-differ", f"the output `{x}` is {found[x].shape} in one and {expected[y].shape} in the other",
                              "only models of the same outputs can be compared")  # fmt: skip
            yield OutputGap(x, y, *largest_gap(found[x], expected[y]))

    def common_values(self) -> list[str]:
        """The values that both models make under the same name, in the order of the first."""
        theirs = self.theirs.artifact.graph.producers
        return [name for node in self.ours.artifact.graph.nodes for name in node.outputs if name in theirs]

    def inputs_of(self, value: str) -> Sequence[str]:
        """What the node of the first model that makes a value reads; nothing where none makes it.

        A graph inside a node may read whatever was made before it: of such a node these are all.
        """
        graph = self.ours.artifact.graph
        node = graph.producers.get(value)
        if node is None or node.kind not in WITH_GRAPHS:
            return node.inputs if node else ()
        before = graph.nodes[: graph.nodes.index(node)]
        return (*node.inputs, *(name for each in before for name in each.outputs))

    def gap(self, value: str) -> float:
        """The relative gap of a value in both models; 0 where it is of another kind or shape in the other, as it is another thing there."""
        found = self.ours.ask([value], self.our_inputs)[value]
        expected = self.theirs.ask([value], self.their_inputs)[value]
        if not (is_numbers(found) and is_numbers(expected)) or found.shape != expected.shape:
            return 0.0
        return largest_gap(found, expected)[1]


def find_first(asked: ModelPair, output: str, common: list[str], tolerance: float) -> FirstDifference | None:
    """A value that differs though those that go into it agree; `output` is one that differs.

    It is looked for among those that the output is made of, as others say nothing of it. Halving finds one that differs; from there it
    goes back, as what stands before it in the file may lie in a branch that agrees.
    """
    known: dict[str, float] = {}

    def differs(value: str) -> bool:
        if value not in known:
            known[value] = asked.gap(value)
        return known[value] > tolerance

    ends = [output] if output in common else sources_of(asked, output, set(common))
    value = next(filter(differs, ends), None)
    if value is None:
        return None
    behind = values_behind(asked, value)
    before = [name for name in common if name in behind]
    value = before[bisect_left(before, True, hi=len(before) - 1, key=differs)]
    while wrong := next(filter(differs, sources_of(asked, value, set(common))), None):
        value = wrong
    node = asked.ours.artifact.graph.producers[value]
    return FirstDifference(value, node.kind, node.place, known[value])


def values_behind(asked: ModelPair, value: str) -> set[str]:
    """A value and all that it is made of."""
    found, left = {value}, [value]
    while left:
        new = {each for each in asked.inputs_of(left.pop()) if each not in found}
        found |= new
        left += new
    return found


def sources_of(asked: ModelPair, value: str, common: set[str]) -> list[str]:
    """The nearest common values that a value is made of."""
    found, seen, left = [], {value}, [*asked.inputs_of(value)]
    while left:
        each = left.pop()
        if each in seen:
            continue
        seen.add(each)
        if each in common:
            found.append(each)
        else:
            left += asked.inputs_of(each)
    return found


def pair_names(ours: list[str], theirs: list[str]) -> list[tuple[str, str]] | None:
    """Names that belong together: equal ones, or else those at the same place; None where there are more of one side."""
    if set(ours) == set(theirs):
        return [(name, name) for name in ours]
    return [*zip(ours, theirs, strict=True)] if len(ours) == len(theirs) else None


def takes_the_same(ours: Port, theirs: Port) -> bool:
    """Whether two inputs take arrays of one element type and of shapes that go together."""
    same = ours.dtype == theirs.dtype and len(ours.shape) == len(theirs.shape) and ours.has_rank == theirs.has_rank
    pairs = zip(ours.shape, theirs.shape, strict=False)
    return same and all(a == b for a, b in pairs if isinstance(a, int) and isinstance(b, int))


def known_shape(ours: Port, theirs: Port) -> tuple[int | str | None, ...]:
    """The shape of an input, with each size from whichever model says it."""
    return tuple(a if isinstance(a, int) else b for a, b in zip(ours.shape, theirs.shape, strict=True))


def is_numbers(value: Any) -> bool:
    """Whether a value of a model is an array of numbers, and no texts, list or map."""
    return hasattr(value, "dtype") and value.dtype.kind in "biuf"


def largest_gap(found: Any, expected: Any) -> tuple[float, float]:
    """The largest difference over all images, absolute and relative."""
    rows = zip(found, expected, strict=True) if found.ndim and len(found) else [(found, expected)]
    gaps = [difference(a, b) for a, b in rows]
    return max(gap for gap, _ in gaps), max(relative for _, relative in gaps)
