"""The report on a file that is no plain float32 one: it and the plain file of the same net, on the inputs of the proof.

What is proved against torch is the plain file: both are made of one graph, and what the passes behind it do is in the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ...compiler.analysis.distributions import class_scores
from ...compiler.backends.onnx.write import export_onnx
from ...compiler.ir.dtypes import F16
from ...compiler.ir.graph import Graph
from ...compiler.passes.round_to_half import RoundToHalf
from ...compiler.weights.rewrite import RewrittenSource, RoundedSource
from ...compiler.weights.source import WeightSource
from ..options import BuildOptions
from ..proof.inputs import ALL_KINDS, FAST_KINDS, PIXEL_DEVIATION, PIXEL_MEAN, draw_inputs
from .measure import Feed, GraphFile, Question, measure_precision
from .report import PrecisionReport
from .variant import PixelScale, Variant


@contextmanager
def plain_file(exact: Graph, weights: WeightSource, beside: Path, options: BuildOptions) -> Iterator[Path]:
    """The plain float32 file of a net, with an open batch, in a folder of its own beside the file that is built; it goes at the end."""
    with TemporaryDirectory(dir=beside.parent.parent) as folder:
        path = Path(folder) / "exact.onnx"
        export_onnx(exact, RewrittenSource(weights, exact), path, opset=options.opset)
        yield path


def compare_with_plain(training: Graph, plain: GraphFile, built: Path, variant: Variant, weights: WeightSource,
                       options: BuildOptions) -> PrecisionReport:  # fmt: skip
    """The report on the file `built` of a variant against the `plain` one. Raises Failure `precision-lost` where it errs too far."""
    traced = trace_file(plain, built, variant, weights, options)
    question = proof_question(
        training, plain.graph, variant.pixels, options.io == "fp16", options.proof == "full", options.batch
    )
    report = measure_precision(
        plain, built, question, describe_build(options), options.allowed_error, traced, losing_nodes(variant)
    )
    report = report.with_notes(variant.notes)
    report.require(advise(options, report))
    return report


def losing_nodes(variant: Variant) -> set[str]:
    """The paths of the nodes in which something is rounded: they compute in half floats, or own tensors that are stored so."""
    return {
        node.path
        for node in variant.graph.nodes
        if node.output.type.dtype is F16 or not variant.stored_half.isdisjoint(node.params())
    }


def trace_file(
    plain: GraphFile, built: Path, variant: Variant, weights: WeightSource, options: BuildOptions
) -> GraphFile:
    """The file whose layers are looked at: the built one, or, where that is in half floats or has a fixed batch, one beside the plain
    one that rounds as half arithmetic does, for any batch."""
    if options.precision != "fp16" and options.batch is None:
        return GraphFile(built, variant.graph)
    graph, source = variant.graph, RewrittenSource(weights, variant.graph)
    path = plain.path.with_name("traced.onnx")
    halves = {name for name, param in graph.params().items() if param.dtype is F16}
    rounding = RoundToHalf()
    graph = rounding.run(graph)
    rounding.ensure(graph)
    export_onnx(graph, RoundedSource(source, halves | variant.stored_half), path, opset=options.opset)
    return GraphFile(path, graph)


def proof_question(
    training: Graph, exact: Graph, pixels: PixelScale | None, half_io: bool, full: bool, batch: int | None
) -> Question:
    """The inputs of a proof, `full` or fast, as a file of these inputs takes them; a fixed batch is filled by repeating them."""
    import numpy as np

    kinds = ALL_KINDS if full else FAST_KINDS
    drawn = draw_inputs(exact, kinds)
    size = batch or len(kinds)
    rows = np.arange(-(-len(kinds) // size) * size) % len(kinds)
    adapt, restore = converters(pixels, half_io)
    feeds = [
        {name: adapt(array[rows[at : at + size]]) for name, array in drawn.items()} for at in range(0, len(rows), size)
    ]
    return Question(feeds, "inputs of the proof", len(kinds), name_classes(training), restore)


def name_classes(training: Graph) -> str | None:
    """The output that tells classes: `logits`, or the last that does; None where none does."""
    scores = class_scores(training)
    return ("logits" if "logits" in scores else scores[-1]) if scores else None


def converters(pixels: PixelScale | None, half_io: bool) -> tuple[Callable[[Any], Any], Callable[[Feed], Feed]]:
    """How an array of drawn numbers becomes what the built file takes, and how a batch for that becomes one for the plain file."""
    import numpy as np

    if pixels is not None:
        mean, std = (np.array(numbers, np.float32).reshape(-1, 1, 1) for numbers in (pixels.mean, pixels.std))
        scale = np.float32(pixels.scale)
        return (
            lambda x: np.rint(x * PIXEL_DEVIATION + PIXEL_MEAN).clip(0, 255).astype(np.uint8),
            lambda feed: {name: (x.astype(np.float32) * scale - mean) / std for name, x in feed.items()},
        )
    edge = np.float16 if half_io else np.float32
    return lambda x: x.astype(edge), lambda feed: {name: x.astype(np.float32) for name, x in feed.items()}


def describe_build(options: BuildOptions) -> str:
    """What was built, in a few words: `fp16`, or `weights stored as fp16`."""
    parts: list[str] = [options.precision] if options.precision != "fp32" else []
    parts += ["weights stored as fp16"] if options.store == "fp16" else []
    parts += ["uint8 input"] if options.input_type == "uint8" else []
    return ", ".join(parts)


def advise(options: BuildOptions, report: PrecisionReport) -> str:
    """What to do about a build that errs too far."""
    store = (
        f"store the weights alone as half, `{options.spell('store', 'fp16')}`, " if options.precision == "fp16" else ""
    )
    more = (
        f"or allow more{spell_enough(options, report)}" if isfinite(report.worst) else "or start from smaller weights"
    )
    return f"build float32, {store}{more}"


def spell_enough(options: BuildOptions, report: PrecisionReport) -> str:
    """The option that would allow the error of a report, behind a comma; empty where none does."""
    return "" if report.enough is None else f", `{options.spell('max_error', report.enough)}`"
