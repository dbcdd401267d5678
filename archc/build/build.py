"""A build: a checked spec and weights in; files out, each proved before it takes its place."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compiler.backends import Backend, Export
from ..compiler.content_names import OutputFile
from ..compiler.driver import Compilation, run_passes
from ..compiler.ir.graph import Graph
from ..compiler.passes import PassOptions
from ..compiler.weights.loading import LoadedWeights, NetTensors, load_checkpoints
from ..compiler.weights.report import WeightReport
from ..compiler.weights.source import Checkpoint
from .metadata import metadata
from .options import BuildOptions
from .packages import require_package
from .target import target_paths

if TYPE_CHECKING:  # a build without a proof does without its modules
    from .proof.prove import Extent, Parity


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """A file that was built. `kind` is its backend's name, or `weights` for a file that stands beside a model."""

    kind: str
    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What a build made. `parity` is what the proof measured; None where nothing was proved."""

    name: str
    artifacts: tuple[BuiltFile, ...]
    parity: Parity | None
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
    weights = resolve_weights(training, options)
    weights = weights._replace(report=with_untouched_starts(training, weights, options))
    import_packages([backend for backend, _ in paths], options)
    files: list[BuiltFile] = []
    parity: Parity | None = None
    for backend, path in paths:
        (model, *data), found = export_and_prove(checked, training, built, weights, backend, path, options)
        parity = parity or found
        files += [built_file(backend.name, model), *(built_file("weights", each) for each in data)]
    return BuildResult(checked.name, tuple(files), parity, weights.report, time.perf_counter() - began)


def import_packages(backends: Sequence[Backend], options: BuildOptions) -> None:
    """Imports what the exports and their proof need. Raises Failure `package-missing`, before anything is written."""
    for backend in backends:
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


def export_and_prove(checked: Compilation, training: Graph, built: Graph, weights: LoadedWeights, backend: Backend, path: Path,
                     options: BuildOptions) -> tuple[list[OutputFile], Parity | None]:  # fmt: skip
    """Has `backend` write its files beside their places, proves the model there, and only then moves them.

    Gives the files, the model first, and what the proof measured; None where there was none.
    """
    from ..compiler.weights.rewrite import RewrittenSource

    found: list[Parity] = []

    def prove_file(partial: Path) -> None:
        if (extent := proof_extent(backend, options)) is not None:
            from .proof.prove import prove

            found.append(prove(training, built, weights.source, partial, options.batch, extent))

    graph, source = (
        (training, weights.source) if backend.graph == "training" else (built, RewrittenSource(weights.source, built))
    )
    export = Export(graph=graph, weights=source, path=path, title=checked.header.summary or checked.name,
                    source=checked.sources[0].label, metadata=metadata(checked, built, weights.report, options.phase),
                    opset=options.opset, batch=options.batch, prove=prove_file)  # fmt: skip
    return backend.write(export), found[0] if found else None


def built_file(kind: str, file: OutputFile) -> BuiltFile:
    """A written file as what it is to the build."""
    return BuiltFile(kind, str(file.path), file.sha256, file.bytes)
