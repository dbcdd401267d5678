"""`archc verify MODEL OTHER`: two models get the same inputs; where their answers differ, the first node that does is found by halving."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ...compiler.diagnostics import Failure
from ...runtime.ports import Port, list_ports
from ..proof.agreement import RELATIVE, difference
from ..proof.inputs import FAST_KINDS, draw_arrays
from .values import OpenValues


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


def compare(model: str | Path, other: str | Path, tolerance: float = RELATIVE, trust: bool = False) -> ModelComparison:
    """Runs two models on one image of each kind of a fast proof, as onnxruntime optimises them.

    Inputs and outputs belong together by name, or else by their order. Models from elsewhere run in processes of their own, unless
    `trust` says otherwise. Raises Failure `models-differ` where the two do not take or give the same.
    """
    with ExitStack() as opened:
        ours, theirs = (opened.enter_context(OpenValues(each, trust)) for each in (model, other))
        asked = ModelPair.of(ours, theirs)
        gaps = tuple(asked.output_gaps())
        wrong = any(gap.max_rel > tolerance for gap in gaps)
        common = asked.common_values()
        first = find_first(asked, common, tolerance) if wrong else None
        return ModelComparison(str(model), str(other), gaps, first, len(common), tolerance)


class ModelPair(NamedTuple):
    """Two models, and what each is given: arrays by its own inputs' names, of the same numbers."""

    ours: OpenValues
    theirs: OpenValues
    our_inputs: Mapping[str, Any]
    their_inputs: Mapping[str, Any]

    @classmethod
    def of(cls, ours: OpenValues, theirs: OpenValues) -> ModelPair:
        """Draws the inputs. Raises Failure `models-differ` where the two take different ones."""
        a, b = ours.ports(), theirs.ports()
        pairs = pair_names([*a], [*b])
        if pairs is None or any(not fits(a[x], b[y]) for x, y in pairs):
            raise Failure("models-differ", f"the two take different inputs: {list_ports(a)} against {list_ports(b)}",
                          "only models of the same inputs can be compared")  # fmt: skip
        sizes = {x: known_sizes(a[x], b[y]) for x, y in pairs}
        batch = {size for x, y in pairs for size in (a[x].shape[0], b[y].shape[0]) if isinstance(size, int)}
        count = batch.pop() if batch else len(FAST_KINDS)
        arrays = {x: repeat_rows(each, count).astype(a[x].dtype) for x, each in draw_arrays(sizes, FAST_KINDS).items()}
        return cls(ours, theirs, arrays, {y: arrays[x] for x, y in pairs})

    def output_gaps(self) -> Iterator[OutputGap]:
        """How far the outputs lie apart. Raises Failure `models-differ` where the two give different ones."""
        pairs = pair_names([*self.ours.artifact.outputs], [*self.theirs.artifact.outputs])
        if pairs is None:
            raise Failure("models-differ", f"the outputs of the two have other names and numbers: {', '.join(self.ours.artifact.outputs)} against "
                          f"{', '.join(self.theirs.artifact.outputs)}", "only models of the same outputs can be compared")  # fmt: skip
        found = self.ours.ask([x for x, _ in pairs], self.our_inputs)
        expected = self.theirs.ask([y for _, y in pairs], self.their_inputs)
        for x, y in pairs:
            if found[x].shape != expected[y].shape:
                raise Failure("models-differ", f"the output `{x}` is {found[x].shape} in one and {expected[y].shape} in the other",
                              "only models of the same outputs can be compared")  # fmt: skip
            yield OutputGap(x, y, *largest_gap(found[x], expected[y]))

    def common_values(self) -> list[str]:
        """The values that both models make under the same name, in the order of the first."""
        theirs = self.theirs.artifact.graph.producers
        return [name for node in self.ours.artifact.graph.nodes for name in node.outputs if name in theirs]

    def gap(self, value: str) -> float:
        """The relative gap of a value in both models; 0 where it has another shape in the other, as it is another thing there."""
        found = self.ours.ask([value], self.our_inputs)[value]
        expected = self.theirs.ask([value], self.their_inputs)[value]
        return largest_gap(found, expected)[1] if found.shape == expected.shape else 0.0


def find_first(asked: ModelPair, common: list[str], tolerance: float) -> FirstDifference | None:
    """A value that differs though those that go into it agree.

    Halving finds one that differs; from there it goes back, as what stands before it in the file may lie in a branch that agrees.
    """
    known: dict[str, float] = {}

    def gap(value: str) -> float:
        if value not in known:
            known[value] = asked.gap(value)
        return known[value]

    at = bisect_left(common, True, key=lambda value: gap(value) > tolerance)
    if at == len(common):
        return None
    value = common[at]
    while wrong := next((each for each in sources_of(asked, value, set(common)) if gap(each) > tolerance), None):
        value = wrong
    node = asked.ours.artifact.graph.producers[value]
    return FirstDifference(value, node.kind, node.place, gap(value))


def sources_of(asked: ModelPair, value: str, common: set[str]) -> list[str]:
    """The nearest common values that a value is made of."""
    found, seen, left = [], {value}, [*asked.ours.artifact.graph.producers[value].inputs]
    while left:
        each = left.pop()
        node = asked.ours.artifact.graph.producers.get(each)
        if each in seen or node is None:
            continue
        seen.add(each)
        if each in common:
            found.append(each)
        else:
            left += node.inputs
    return found


def pair_names(ours: list[str], theirs: list[str]) -> list[tuple[str, str]] | None:
    """Names that belong together: equal ones, or else those at the same place; None where there are more of one side."""
    if set(ours) == set(theirs):
        return [(name, name) for name in ours]
    return [*zip(ours, theirs, strict=True)] if len(ours) == len(theirs) else None


def fits(ours: Port, theirs: Port) -> bool:
    """Whether two inputs take the same arrays of numbers, with every size but the batch's known."""
    same = ours.dtype == theirs.dtype and len(ours.shape) == len(theirs.shape) > 0
    pairs = [*zip(ours.shape, theirs.shape, strict=False)]
    clash = any(a != b for a, b in pairs if isinstance(a, int) and isinstance(b, int))
    return same and not clash and all(isinstance(a, int) or isinstance(b, int) for a, b in pairs[1:])


def known_sizes(ours: Port, theirs: Port) -> tuple[int, ...]:
    """The sizes of an input but for the batch's, from whichever model says them."""
    return tuple(
        a if isinstance(a, int) else int(str(b)) for a, b in zip(ours.shape[1:], theirs.shape[1:], strict=True)
    )


def repeat_rows(array: Any, count: int) -> Any:
    """The first `count` rows of an array that begins again at its end."""
    import numpy as np

    return np.take(array, range(count), axis=0, mode="wrap")


def largest_gap(found: Any, expected: Any) -> tuple[float, float]:
    """The largest difference over all images, absolute and relative."""
    gaps = [difference(a, b) for a, b in zip(found, expected, strict=True)]
    return max(gap for gap, _ in gaps), max(relative for _, relative in gaps)
