"""A build: a checked spec and weights in; files out, each proved before it takes its place."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..compiler.backends import Backend, Export
from ..compiler.content_names import OutputFile
from ..compiler.diagnostics import Failure, SpecError, clean
from ..compiler.driver import Compilation, run_passes
from ..compiler.ir.graph import Graph
from ..compiler.weights.loading import LoadedWeights, NetTensors, load_checkpoints
from ..compiler.weights.report import WeightReport
from ..compiler.weights.source import Checkpoint
from .metadata import metadata
from .options import BuildOptions
from .packages import require_package
from .precision.variant import Variant, graph_options, halves_of_training, make_variant
from .target import target_paths

if TYPE_CHECKING:  # a plain build without a proof does without these modules
    from .precision.calibration import Progress
    from .precision.int8_build import Int8Build
    from .precision.report import PrecisionReport
    from .proof.prove import Extent, Parity


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """A file that was built.

    kind    "onnx" or "torch", or "weights" for a file of weights beside a model
    path    where it is
    sha256  the digest of its bytes, in hexadecimal
    bytes   its size
    """

    kind: str
    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What a build made. Printed, it is what `archc build` prints.

    name       the net's
    artifacts  the files, in the order in which they were written
    parity     how far the file's answers lie from torch's; None where nothing was proved
    precision  how far the ONNX file lies from float32; None where it is a plain float32 file
    weights    where the net's tensors come from
    seconds    how long it took, the proof included
    """

    name: str
    artifacts: tuple[BuiltFile, ...]
    parity: Parity | None
    precision: PrecisionReport | None
    weights: WeightReport
    seconds: float

    def __str__(self) -> str:
        from ..compiler.spelling import as_keyword
        from ..text.builds import build_text

        return build_text(self, as_keyword)

    def __repr__(self) -> str:
        files = ", ".join(f"{each.path} ({each.bytes:,} bytes)" for each in self.artifacts)
        proof = f"within {self.parity.max_rel:.1e} of torch" if self.parity else "not proved"
        return f"<{type(self).__name__} of {clean(self.name)}: {clean(files)}, {proof}>"


def build(checked: Compilation, options: BuildOptions | None = None, *, progress: Progress | None = None, **keywords: Any) -> BuildResult:  # fmt: skip
    """Builds every export of a spec. The options are given whole, or as keywords: `build(checked, output="net.onnx")`.

    Each export is a commit of its own, one after the other: its files are the old ones or the new, whatever happens.
    `progress` is told how many inputs of a calibration set were read, and how many will be.

    Raises SpecError for a spec with errors, Failure for options that are wrong and for what cannot be built or written.
    """
    if options is None:
        options = BuildOptions.from_keywords(**keywords)
    elif keywords:
        raise TypeError("options are given whole or as keywords, not both")
    began = time.perf_counter()
    training = training_graph(checked)
    exact = run_passes(training, graph_options(options))
    paths = target_paths(checked, exact, options)
    for backend, _ in paths:
        backend.require_opset(exact, options.opset)
    int8 = prepare_quantisation(checked, training, exact, options, progress)
    weights = resolve_weights(training, options)
    weights = weights._replace(report=with_untouched_starts(training, weights, options))
    import_packages([backend for backend, _ in paths], options)
    variant = make_variant(checked, training, exact, weights.source, options)
    files: list[BuiltFile] = []
    parity: Parity | None = None
    precision: PrecisionReport | None = None
    for backend, path in paths:
        (model, *data), found = export_and_prove(
            checked, Graphs(training, exact, variant, int8), weights, backend, path, options
        )
        parity, precision = parity or found.parity, precision or found.precision
        files += [built_file(backend.name, model), *(built_file("weights", each) for each in data)]
    return BuildResult(checked.name, tuple(files), parity, precision, weights.report, time.perf_counter() - began)


def prepare_quantisation(
    checked: Compilation, training: Graph, exact: Graph, options: BuildOptions, progress: Progress | None
) -> Int8Build | None:
    """What an int8 build needs beside its options; None for any other. Raises Failure where it does not fit the net."""
    if options.precision != "int8":
        return None
    for package in ("onnx", "onnxruntime"):
        require_package(package, "a build in 8 bits")
    from .precision.int8_build import prepare_int8

    return prepare_int8(checked, training, exact, options, progress)


def import_packages(backends: Sequence[Backend], options: BuildOptions) -> None:
    """Imports what the exports and their proof need. Raises Failure `package-missing`, before anything is written."""
    for backend in backends:
        if backend.provable and not options.is_plain:
            require_package("onnxruntime", "the report on a build that is no plain float32")
        for package in backend.packages:
            require_package(package, f"an export to {backend.name}")
        if proof_extent(backend, options) is not None:
            from .proof.prove import PACKAGES

            for package in PACKAGES:
                require_package(package, "the proof", f"build without it: {options.spell('proof', 'none')}")


def proof_extent(backend: Backend, options: BuildOptions) -> Extent | None:
    """How far what `backend` writes is proved; None where it is not run and compared with torch."""
    return options.proof if backend.provable and options.proof != "none" and options.phase == "inference" else None


def training_graph(checked: Compilation) -> Graph:
    """The graph that is built from. Raises SpecError for a spec with errors, or one whose params are open."""
    from ..net import graph_of

    if checked.failed:
        raise SpecError(checked.diagnostics)
    return graph_of(checked)


def resolve_weights(training: Graph, options: BuildOptions) -> LoadedWeights:
    """Every tensor of the training graph: a checkpoint's where `options` give one, else started from the seed.

    Raises Failure where a checkpoint does not fit the graph.
    """
    from ..compiler.weights.seeded import SeededSource

    seeded = SeededSource(training.params(), options.seed)
    if not options.weights:
        return LoadedWeights(seeded, WeightReport(f"seed {options.seed}", 0, as_started=True))
    try:
        return load_checkpoints(options.weights, NetTensors.of(training), seeded, options.checkpoint_options)
    except Failure as failure:
        from .runs import name_trained_spec

        raise name_trained_spec(failure, options) from None


def with_untouched_starts(training: Graph, weights: LoadedWeights, options: BuildOptions) -> WeightReport:
    """The report on the weights of a build, which knows an untouched start by the tensors themselves.

    The start may be that of the build's own seed, of the module that gave a state_dict, or of the run in whose folder a checkpoint lies; an
    ensemble's member may have started as a net of its own.
    """
    if not options.weights:
        return weights.report
    from ..compiler.weights.untouched import Start, report_untouched
    from .runs import report_left_steps

    starts: dict[Start, None] = {}
    for step, checkpoint in options.weights.items():
        began = [each.source for each in checkpoint.state_dicts] if isinstance(checkpoint, Checkpoint) else []
        seeds = dict.fromkeys([options.seed, *(getattr(source, "seed", None) for source in began)])
        starts |= {Start(seed, inside): None for seed in seeds if seed is not None for inside in ("", step)}
    report = report_untouched(weights.report, weights.source, training.params(), starts)
    return report_left_steps(report, weights.source, training, options)


class Graphs(NamedTuple):
    """The graphs of a build: the training graph, the plain float32 one of it, and what is built; and how that is rounded to 8 bits,
    if it is."""

    training: Graph
    exact: Graph
    variant: Variant
    int8: Int8Build | None


class Findings(NamedTuple):
    """What was measured of a file; None where it was not."""

    parity: Parity | None = None
    precision: PrecisionReport | None = None


def export_and_prove(checked: Compilation, graphs: Graphs, weights: LoadedWeights, backend: Backend, path: Path,
                     options: BuildOptions) -> tuple[list[OutputFile], Findings]:  # fmt: skip
    """Has `backend` write its files beside their places, examines the model there, and only then moves them.

    Gives the files, the model first, and what was measured.
    """
    from ..compiler.weights.rewrite import RewrittenSource

    found: list[Findings] = []
    built = graphs.variant.graph

    def examine_file(partial: Path) -> None:
        if backend.provable:
            found.append(examine(graphs, weights, partial, proof_extent(backend, options), options))

    def quantize_file(partial: Path, files: list[OutputFile]) -> list[OutputFile]:
        int8 = graphs.int8 if backend.provable else None
        return files if int8 is None else int8.quantize_file(export, partial, files)

    if backend.graph == "training":
        graph, source = graphs.training, weights.source
        halves = halves_of_training(graph, source, options)
    else:
        graph, source, halves = built, RewrittenSource(weights.source, built), graphs.variant.stored_half
    facts = metadata(checked, built, weights.report, options, graphs.variant)
    facts |= graphs.int8.metadata() if graphs.int8 is not None else {}
    export = Export(graph=graph, weights=source, path=path, title=checked.header.summary or checked.name,
                    source=checked.sources[0].label, metadata=facts,
                    opset=options.opset, batch=options.batch, stored_half=halves, revise=quantize_file,
                    prove=examine_file)  # fmt: skip
    return backend.write(export), found[0] if found else Findings()


def examine(
    graphs: Graphs, weights: LoadedWeights, file: Path, extent: Extent | None, options: BuildOptions
) -> Findings:
    """Proves a plain float32 file against torch as far as `extent` says; any other is compared with the plain one, which is proved."""
    training, exact, variant, int8 = graphs
    if options.is_plain and extent is None:
        return Findings()
    from .proof.prove import prove

    if options.is_plain:
        parity = None if extent is None else prove(training, exact, weights.source, file, options.batch, extent)
        return Findings(parity)
    from .precision.compare import compare_with_plain, plain_file
    from .precision.measure import GraphFile
    from .proof.structure import check_file

    if extent is not None:
        check_file(file, infer_shapes=extent == "full")
    with plain_file(exact, weights.source, file, options) as plain:
        parity = None if extent is None else prove(training, exact, weights.source, plain, None, extent)
        report = (
            compare_with_plain(training, GraphFile(plain, exact), file, variant, weights.source, options)
            if int8 is None
            else int8.compare_with_plain(training, GraphFile(plain, exact), file, variant, options)
        )
    return Findings(parity, report)


def built_file(kind: str, file: OutputFile) -> BuiltFile:
    """A written file as what it is to the build."""
    return BuiltFile(kind, str(file.path), file.sha256, file.bytes)
