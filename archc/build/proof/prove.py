"""The proof of a build: onnx's checker, our shapes against onnxruntime's, and torch's answers against onnxruntime's.

Its cost is that of running the net, so each answer is made once: torch's for all kinds of input together, and the net in torch
is gone before onnxruntime loads the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ...compiler.diagnostics import Failure
from ...compiler.ir.graph import Graph
from ...compiler.weights.source import WeightSource
from .agreement import agrees, difference
from .divergence import Case, describe_divergence
from .inputs import ALL_KINDS, FAST_KINDS, draw_inputs
from .reference import Reference
from .structure import check_file, check_shapes

Extent = Literal["fast", "full"]
PACKAGES = ("torch", "onnx", "onnxruntime")


@dataclass(frozen=True, slots=True)
class Parity:
    """How far a file's answers lie from torch's, over all outputs.

    max_abs  the largest difference
    max_rel  the largest difference as a share of the largest number that torch gives for its image
    against  what the file was compared with
    batches  the numbers of images that it was given at once
    extent   that of the proof: "fast" or "full"
    kinds    the largest relative difference for each kind of input that proved something: not where torch's own answer overflows, or where each
             output is made of nothing but rounding
    """

    max_abs: float
    max_rel: float
    against: str
    batches: tuple[int, ...]
    extent: Extent
    kinds: Mapping[str, float]


class Runs(NamedTuple):
    """What is asked of one session: whether it optimises, and how many of the images it is given at once, each time the first."""

    optimized: bool
    counts: tuple[int, ...]


class Response(NamedTuple):
    """What the file answers to one image: the image's row among the inputs, the output, and its values."""

    row: int
    output: str
    values: Any


def plan_runs(extent: Extent, images: int) -> tuple[Runs, Runs]:
    """The runs of a proof with so many images, with onnxruntime's optimisations and without."""
    if extent == "fast":
        return Runs(True, (images,)), Runs(False, (1,))
    return Runs(True, (images, 1, 3)), Runs(False, (images,))


def prove(training: Graph, built: Graph, weights: WeightSource, path: Path, batch: int | None = None,
          extent: Extent = "fast") -> Parity:  # fmt: skip
    """Proves an ONNX file of `built` against torch; `batch` is its fixed number of images, None where that is open.

    Raises Failure `parity`, which names the first node to differ, and `answer-not-finite` where torch's own answer is none.
    """
    check_file(path, infer_shapes=extent == "full")
    kinds = FAST_KINDS if extent == "fast" else ALL_KINDS
    inputs = draw_inputs(built, kinds)
    reference = Reference(training, built, weights)
    threads, against = reference.threads, reference.version
    expected = reference.answers(inputs)
    del reference  # its tensors make room for onnxruntime's; where the proof fails it is made again
    found: dict[tuple[int, str], list[tuple[float, float]]] = {
        (row, output): [] for row in finite_rows(expected) for output in expected
    }
    plan = plan_runs(extent, len(kinds))
    for runs in plan:
        for row, output, values in run_file(path, built, inputs, batch, threads, runs):
            if (row, output) not in found:
                continue
            found[row, output].append(difference(values, expected[output][row]))
            if not agrees(values, expected[output][row]):
                image = {name: array[row : row + 1] for name, array in inputs.items()}
                case = Case(kinds[row], image, runs.optimized, output, found[row, output][-1][0])
                require_rounding(Reference(training, built, weights), path, batch, case, values)
                # rounding proves nothing of this output; the others of the image go on
                del found[row, output]
    if not found:
        raise Failure("parity", "torch's own answers move as far by each step's last bit as onnxruntime's differ from them: nothing can be proved of the file",
                      "a norm of almost equal numbers loses all of their digits: give it a larger `eps`, or build without the proof")  # fmt: skip
    gaps = [gap for pairs in found.values() for gap, _ in pairs]
    by_kind: dict[str, float] = {}
    for (row, _), pairs in found.items():
        largest = max(relative for _, relative in pairs)
        by_kind[kinds[row]] = max(by_kind.get(kinds[row], 0.0), largest)
    batches = {batch} if batch else {count for runs in plan for count in runs.counts}
    return Parity(max(gaps), max(by_kind.values()), against, tuple(sorted(batches)), extent, by_kind)


def finite_rows(expected: Mapping[str, Any]) -> list[int]:
    """The images to which each of torch's answers is finite. Raises Failure `answer-not-finite` where the first is not among them.

    A net may overflow for large inputs, and of those nothing is proved then.
    """
    import numpy as np

    finite = {name: np.isfinite(values.reshape(len(values), -1)).all(1) for name, values in expected.items()}
    for name, rows in finite.items():
        if not rows[0]:
            raise Failure("answer-not-finite", f"torch's own answer `{name}` is not finite, so nothing can be proved of the file",
                          "the weights overflow float32: give trained ones, start the norms smaller with `init`, or build without the proof")  # fmt: skip
    return [row for row, each in enumerate(zip(*finite.values(), strict=True)) if all(each)]


def run_file(path: Path, built: Graph, inputs: Mapping[str, Any], batch: int | None, threads: int,
             runs: Runs) -> Iterator[Response]:  # fmt: skip
    """What the file answers in the `runs` of one session. Where its batch is fixed the images are repeated to fill it."""
    from ...runtime.inference import create_cpu_session

    session = create_cpu_session(path, threads, runs.optimized)
    check_shapes(session, built, batch)
    names = [output.name for output in session.get_outputs()]
    for count in runs.counts:
        for rows in batches_of(count, batch):
            found = session.run(names, {name: array[rows] for name, array in inputs.items()})
            for name, values in zip(names, found, strict=True):
                yield from (Response(row, name, answer) for row, answer in zip(rows, values, strict=True))


def batches_of(count: int, batch: int | None) -> list[list[int]]:
    """The rows of each batch that runs `count` images: one batch, or as many of a fixed size as they fill, the last repeating them."""
    size = batch or count
    return [[row % count for row in range(start, start + size)] for start in range(0, count, size)]


def require_rounding(reference: Reference, path: Path, batch: int | None, case: Case, values: Any) -> None:
    """Raises Failure `parity` for an answer out of tolerance, unless the net itself moves as far by its steps' last bits."""
    exact, rounding = reference.trace(case.inputs).outputs, reference.rounding(case.inputs).outputs
    if not agrees(values, exact[case.output][0], rounding[case.output]):
        raise describe_divergence(reference, path, batch, case)
