"""Runs the plain float32 file and another of the same graph on the same inputs, and sums up how far they lie apart.

Memory is bounded: one batch at a time, of each value only two sums of squares are kept, and two sessions are open at once. The values
of layers are read where the files give them as outputs, so that nothing is fused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from ...compiler.backends.onnx.wire import more_outputs
from ...compiler.diagnostics import Failure
from ...compiler.ir.graph import Graph
from .report import LAYERS, LayerError, PrecisionReport

# a batch: arrays by the inputs' names, each (N, …)
Feed = Mapping[str, Any]


class GraphFile(NamedTuple):
    """An ONNX file that archc made of `graph`, whose values it calls by the graph's names."""

    path: Path
    graph: Graph

    def value_names(self) -> dict[str, str]:
        """What the file calls each value of its graph, by the value's name; without those that it does not make."""
        from ...compiler.backends.onnx.write import onnx_names
        from ...runtime.artifact import open_artifact

        names, made = onnx_names(self.graph), open_artifact(self.path).graph.producers
        found = {value.name: names.get(value.name, value.name) for node in self.graph.nodes for value in node.outputs}
        return {value: name for value, name in found.items() if name in made}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of both files.

    `feeds` are batches as the built file takes them, arrays by the inputs' names; `inputs` says in words what they are, and `count`
    how many are different.
    `to_reference` makes of one what the float32 file takes. `classes` is the output that tells classes; None where none does.
    """

    feeds: Sequence[Feed]
    inputs: str
    count: int
    classes: str | None = None
    to_reference: Callable[[Feed], Feed] = lambda feed: feed


class Compared(NamedTuple):
    """One value of both files: what the file calls it that is compared, and what the float32 file does."""

    found: str
    expected: str


class Sums:
    """The squares of one value's differences from float32 and of its float32 values, summed over all inputs."""

    def __init__(self) -> None:
        self.differences = self.values = 0.0
        self.same_class = self.rows = 0

    def add(self, found: Any, expected: Any) -> None:
        """Adds a batch. Rows that are not finite in float32 are left out, as there is nothing to compare with."""
        import numpy as np

        expected = expected.reshape(len(expected), -1)
        found = found.reshape(len(found), -1)
        finite = np.isfinite(expected).all(1)
        expected, found = expected[finite].astype(np.float64), found[finite].astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            self.differences += float(np.square(found - expected).sum())
        self.values += float(np.square(expected).sum())
        if expected.size:
            self.same_class += int((found.argmax(1) == expected.argmax(1)).sum())
        self.rows += len(expected)

    @property
    def relative_l2(self) -> float:
        """The error; infinite where a value is not finite, or should be nothing but zeros."""
        if self.differences == 0:
            return 0.0
        relative = (self.differences / self.values) ** 0.5 if self.values else float("inf")
        return relative if isfinite(relative) else float("inf")


def measure_precision(reference: GraphFile, built: Path, question: Question, precision: str, max_error: float,
                      traced: GraphFile | None = None, losing: Collection[str] | None = None) -> PrecisionReport:  # fmt: skip
    """The report on the file `built`. `reference` is the float32 file; `traced` is the one whose layers are looked at.

    Each output is measured as `built` runs, and as `traced` does where all of its values are seen; the worse counts. Without
    `traced`, `built` is looked at itself, as a file of the reference's graph. `losing` are the paths of the nodes that can lose
    anything; all of them where it is None.
    Raises Failure `answer-not-finite` where none of the float32 answers is finite.
    """
    traced = traced or GraphFile(built, reference.graph)
    ends = {output.name: Compared(output.name, output.name) for output in reference.graph.outputs}
    ends |= {head.path: Compared(head.path, head.path) for head in reference.graph.heads}
    as_run = compare_files(reference.path, built, ends, question)
    for name, sums in as_run.items():
        if not sums.rows:
            raise Failure("answer-not-finite", f"the float32 answers `{name}` are not finite, so {precision} can be compared with nothing",
                          "the weights overflow float32: give trained ones, or start the norms smaller with `init`")  # fmt: skip
    theirs, ours = reference.value_names(), traced.value_names()
    inner = {path: Compared(ours[path], theirs[path]) for path in theirs if path in ours}
    with ExitStack() as opened:
        files = (
            opened.enter_context(with_outputs(reference.path, {pair.expected for pair in inner.values()})),
            opened.enter_context(with_outputs(traced.path, {pair.found for pair in inner.values()})),
        )
        seen = compare_files(
            *files, {**{f"output {name}": pair for name, pair in ends.items()}, **inner}, question, optimize=False
        )
    errors = {name: max(as_run[name].relative_l2, seen[f"output {name}"].relative_l2) for name in ends}
    agreement = None
    if question.classes is not None:
        both = as_run[question.classes], seen[f"output {question.classes}"]
        agreement = min(sums.same_class / sums.rows for sums in both)
    layers = worst_layers(reference.graph, {name: seen[name].relative_l2 for name in inner}, losing)
    return PrecisionReport(precision, question.inputs, question.count, errors, agreement, layers, max_error)


def compare_files(reference: Path, other: Path, pairs: Mapping[str, Compared], question: Question, optimize: bool = True) -> dict[str, Sums]:  # fmt: skip
    """The sums of each pair of values, over all batches; where the values of all layers are asked for, one image at a time."""
    from ...runtime.inference import create_cpu_session

    expected_session = create_cpu_session(reference, 0, optimize)
    found_session = create_cpu_session(other, 0, optimize)
    sums = {name: Sums() for name in pairs}
    names = [*{pair.expected for pair in pairs.values()}], [*{pair.found for pair in pairs.values()}]
    fixed = any(isinstance(each.shape[0], int) for each in found_session.get_inputs())
    for feed in question.feeds if optimize or fixed else split_batches(question.feeds):
        expected = dict(zip(names[0], expected_session.run(names[0], question.to_reference(feed)), strict=True))
        found = dict(zip(names[1], found_session.run(names[1], feed), strict=True))
        for name, pair in pairs.items():
            sums[name].add(found[pair.found], expected[pair.expected])
    return sums


def split_batches(feeds: Sequence[Feed]) -> Iterator[Feed]:
    """Each row of the batches as a batch of its own."""
    for feed in feeds:
        for row in range(len(next(iter(feed.values())))):
            yield {name: array[row : row + 1] for name, array in feed.items()}


@contextmanager
def with_outputs(model: Path, names: set[str]) -> Iterator[Path]:
    """Inside it, a model gives the values `names`, too; at the end the file is as it was."""
    from ...runtime.artifact import open_artifact

    added = sorted(names - open_artifact(model).graph.outputs.keys())
    size = model.stat().st_size
    try:
        with model.open("ab") as file:
            file.write(more_outputs(added))
        yield model
    finally:
        os.truncate(model, size)


def worst_layers(graph: Graph, errors: Mapping[str, float], losing: Collection[str] | None) -> tuple[LayerError, ...]:
    """The layers that add most error, the worst first: those of `losing`, or all; and any whose result is not finite.

    `errors` has the error of each value by name. What a layer only magnifies counts as added, too: it is lost there all the same.
    """
    found = []
    for node in graph.nodes:
        error = errors.get(node.output.name, 0.0)
        before = max((errors.get(value.name, 0.0) for value in node.inputs), default=0.0)
        if losing is None or node.path in losing or error == float("inf"):
            source = node.span.short if node.span else ""
            found.append(LayerError(node.path, source, node.op.name, error, added_error(before, error)))
    ranked = sorted(found, key=lambda layer: -layer.added)
    return tuple(layer for layer in ranked[:LAYERS] if layer.added > 0)


def added_error(before: float, after: float) -> float:
    """The part of the error `after` a layer that was not there `before` it: errors of different origins add up by their squares."""
    if before == float("inf"):
        return 0.0
    return float(max(after * after - before * before, 0.0) ** 0.5)
