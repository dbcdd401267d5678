"""A build: a checked spec and weights in; files out, each proved before it takes its place."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..compiler.backends import Backend, Export
from ..compiler.content_names import OutputFile
from ..compiler.driver import Compilation, run_passes
from ..compiler.ir.graph import Graph
from ..compiler.passes import PassOptions
from ..compiler.weights.loading import LoadedWeights, NetTensors, load_checkpoints
from ..compiler.weights.report import WeightReport
from ..compiler.weights.source import Checkpoint
from .metadata import metadata, to_json
from .options import BuildOptions
from .packages import require_package
from .precision.report import PrecisionReport
from .proof.prove import PACKAGES as PROOF_PACKAGES
from .proof.prove import Extent, Parity, prove
from .target import target_paths

if TYPE_CHECKING:
    from .precision.int8_build import Int8Build


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """A file that was built. `kind` is its backend's name, or `weights` for a file that stands beside a model."""

    kind: str
    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What a build made. `parity` is what the proof measured; None where nothing was proved. `precision` is how far the ONNX file lies
    from float32; None where it is a plain float32 file."""

    name: str
    artifacts: tuple[BuiltFile, ...]
    parity: Parity | None
    precision: PrecisionReport | None
    weights: WeightReport
    seconds: float


def build(checked: Compilation, options: BuildOptions | None = None, **keywords: Any) -> BuildResult:
    """Builds every export of a spec. The options are given whole, or as keywords: `build(checked, output="net.onnx")`.

    Each export is a commit of its own, one after the other: its files are the old ones or the new, whatever happens.

    Raises SpecError for a spec with errors, Failure for options that are wrong and for what cannot be built or written.
    """
    if options is None:
        options = BuildOptions.from_keywords(**keywords)
    elif keywords:
        raise TypeError("options are given whole or as keywords, not both")
    began = time.perf_counter()
    training = training_graph(checked)
    built = run_passes(training, PassOptions(options.phase, options.keep_aux, options.fold))
    paths = target_paths(checked, built, options)
    int8 = prepare_quantisation(checked, training, built, options)
    weights = resolve_weights(training, options)
    weights = weights._replace(report=with_untouched_starts(training, weights, options))
    import_packages([backend for backend, _ in paths], options)
    files: list[BuiltFile] = []
    parity: Parity | None = None
    precision: PrecisionReport | None = None
    for backend, path in paths:
        (model, *data), found = export_and_prove(checked, training, built, weights, backend, path, options, int8)
        parity, precision = parity or found.parity, precision or found.precision
        files += [built_file(backend.name, model), *(built_file("weights", each) for each in data)]
    return BuildResult(checked.name, tuple(files), parity, precision, weights.report, time.perf_counter() - began)


def prepare_quantisation(
    checked: Compilation, training: Graph, built: Graph, options: BuildOptions
) -> Int8Build | None:
    """What an int8 build needs beside its options; None for any other. Raises Failure where it does not fit the net."""
    if options.precision != "int8":
        return None
    require_package("onnx", "a build in 8 bits")
    require_package("onnxruntime", "a build in 8 bits")
    from .precision.int8_build import prepare_int8

    return prepare_int8(checked, training, built, options)


def import_packages(backends: Sequence[Backend], options: BuildOptions) -> None:
    """Imports what the exports and their proof need. Raises Failure `package-missing`, before anything is written."""
    for backend in backends:
        for package in backend.packages:
            require_package(package, f"an export to {backend.name}")
        if proof_extent(backend, options) is not None:
            for package in PROOF_PACKAGES:
                require_package(package, "the proof", f"build without it: {options.spell('proof', 'none')}")


def proof_extent(backend: Backend, options: BuildOptions) -> Extent | None:
    """How far what `backend` writes is proved; None where it is not run and compared with torch."""
    return options.proof if backend.provable and options.proof != "none" and options.phase == "inference" else None


def training_graph(checked: Compilation) -> Graph:
    """The graph that is built from. Raises SpecError for a spec with errors, or one whose params are open."""
    from ..compiler.diagnostics import SpecError
    from ..net import graph_of

    if checked.failed:
        raise SpecError(checked.diagnostics)
    return graph_of(checked)


def resolve_weights(training: Graph, options: BuildOptions) -> LoadedWeights:
    """Every tensor of the training graph: a checkpoint's where `options` give one, else started from the seed.

    Raises Failure where a checkpoint does not fit the graph.
    """
    from ..compiler.weights.seeded import SeededSource

    params = training.params()
    seeded = SeededSource(params, options.seed)
    if not options.weights:
        return LoadedWeights(seeded, WeightReport(f"seed {options.seed}", 0, tuple(params), as_started=True))
    return load_checkpoints(options.weights, NetTensors.of(training), seeded, options.checkpoint_options)


def with_untouched_starts(training: Graph, weights: LoadedWeights, options: BuildOptions) -> WeightReport:
    """The report on the weights of a build, which knows an untouched start by the tensors themselves.

    The start may be that of the build's own seed, or of the module that gave a state_dict; an ensemble's member may have started
    as a net of its own.
    """
    from ..compiler.weights.untouched import Start, report_untouched

    if not options.weights:
        return weights.report
    starts: dict[Start, None] = {}
    for step, checkpoint in options.weights.items():
        began = [each.source for each in checkpoint.state_dicts] if isinstance(checkpoint, Checkpoint) else []
        seeds = dict.fromkeys([options.seed, *(getattr(source, "seed", None) for source in began)])
        starts |= {Start(seed, inside): None for seed in seeds if seed is not None for inside in ("", step)}
    return report_untouched(weights.report, weights.source, training.params(), starts)


class Findings(NamedTuple):
    """What was measured of a file; None where it was not."""

    parity: Parity | None = None
    precision: PrecisionReport | None = None


def export_and_prove(checked: Compilation, training: Graph, built: Graph, weights: LoadedWeights, backend: Backend, path: Path,
                     options: BuildOptions, int8: Int8Build | None) -> tuple[list[OutputFile], Findings]:  # fmt: skip
    """Has `backend` write its files beside their places, proves the model there, and only then moves them.

    Gives the files, the model first, and what was measured of it.
    """
    from ..compiler.weights.rewrite import RewrittenSource

    found: list[Findings] = []
    extent = proof_extent(backend, options)

    def prove_file(partial: Path) -> None:
        if int8 is not None and backend.provable:
            found.append(examine_int8(int8, training, built, weights, partial, options))
        elif extent is not None:
            found.append(Findings(prove(training, built, weights.source, partial, options.batch, extent)))

    def revise(partial: Path, files: list[OutputFile]) -> list[OutputFile]:
        return files if int8 is None or not backend.provable else int8.quantize_file(export, partial, files)

    graph, source = (
        (training, weights.source) if backend.graph == "training" else (built, RewrittenSource(weights.source, built))
    )
    facts = metadata(checked, built, weights.report, options.phase)
    if int8 is not None:
        facts |= {"archc.precision": "int8", "archc.calibration": to_json(int8.metadata())}
    export = Export(graph=graph, weights=source, path=path, title=checked.header.summary or checked.name,
                    source=checked.sources[0].label, metadata=facts,
                    opset=options.opset, batch=options.batch, revise=revise, prove=prove_file)  # fmt: skip
    return backend.write(export), found[0] if found else Findings()


def examine_int8(int8: Int8Build, training: Graph, built: Graph, weights: LoadedWeights, file: Path,
                 options: BuildOptions) -> Findings:  # fmt: skip
    """Proves the float32 file of the same graph against torch, and compares the int8 `file` with it."""
    from tempfile import TemporaryDirectory

    from ..compiler.backends.onnx.write import export_onnx
    from ..compiler.weights.rewrite import RewrittenSource
    from .precision.int8_build import advise_int8
    from .precision.measure import GraphFile
    from .proof.structure import check_file

    extent = None if options.proof == "none" else options.proof
    with TemporaryDirectory(dir=file.parent.parent) as folder:
        plain = Path(folder) / "exact.onnx"
        export_onnx(built, RewrittenSource(weights.source, built), plain, opset=options.opset)
        parity = None
        if extent is not None:
            check_file(file, infer_shapes=extent == "full")
            parity = prove(training, built, weights.source, plain, None, extent)
        report = int8.measure(training, GraphFile(plain, built), file, options.max_error or 0.1)
    report.require(advise_int8(options, report))
    return Findings(parity, report)


def built_file(kind: str, file: OutputFile) -> BuiltFile:
    """A written file as what it is to the build."""
    return BuiltFile(kind, str(file.path), file.sha256, file.bytes)
