"""A build: a checked spec and weights in; files out, each proved before it takes its place."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..compiler.diagnostics import Failure, SpecError
from ..compiler.driver import Compilation, run_passes
from ..compiler.ir.graph import Graph, Phase
from ..compiler.passes import Settings
from ..compiler.weights.loading import CheckpointsByStep, LoadedWeights
from ..compiler.weights.report import WeightReport
from ..compiler.weights.source import WeightSource
from .metadata import metadata
from .proof import Parity

Weights = Path | WeightSource | CheckpointsByStep


class Artifact(NamedTuple):
    """A file that was built."""

    kind: str
    path: str
    sha256: str
    bytes: int


class BuildResult(NamedTuple):
    name: str
    artifacts: tuple[Artifact, ...]
    parity: Parity | None
    weights: WeightReport
    seconds: float


def build(checked: Compilation, *, exports: Sequence[str] = ("onnx",), output: Path | None = None, weights: Weights | None = None,
          seed: int = 0, opset: int | None = None, batch: int | None = None, phase: Phase = "inference", keep_aux: bool = False,
          fold: bool = True, verify: bool = True, weights_skip: tuple[str, ...] = ()) -> BuildResult:  # fmt: skip
    """Builds every export of a spec. Raises SpecError for a spec with errors, Failure for what cannot be built or written.

    `weights` is a checkpoint's path or a source, or a mapping of steps to such; what they lack starts from `seed`. What
    lies under a step in `weights_skip` is left out of them. `batch` None leaves the batch open.
    """
    began = time.perf_counter()
    training = compiled(checked)
    graph = run_passes(training, Settings(phase, keep_aux, fold))
    matched = weighed(training, weights, seed, weights_skip)
    parity: Parity | None = None
    artifacts: list[Artifact] = []
    for kind in dict.fromkeys(exports):
        path = target(checked, kind, output, weights)
        if kind == "onnx":
            files, parity = onnx(checked, training, graph, matched, path, opset, batch, phase, verify)
        else:
            from ..compiler.backends.torch.source import export_torch

            files = export_torch(
                training, matched.source, path, checked.header.summary or checked.name, checked.sources[0].label
            )
        artifacts += [artifact(kind if f.suffix in (".onnx", ".py") else "weights", f) for f in files]
    return BuildResult(checked.name, tuple(artifacts), parity, matched.report, time.perf_counter() - began)


def compiled(checked: Compilation) -> Graph:
    """The training graph of a spec that can be built."""
    if checked.failed:
        raise SpecError(checked.diagnostics)
    if checked.graph is None:
        named = ", ".join(f"`{n}`" for n in checked.open_params)
        raise Failure("open-params", f"{checked.name} is a family: {named} {'have' if len(checked.open_params) > 1 else 'has'} no value",
                      f"build a member, or give it with --set {checked.open_params[0]}=…" if checked.open_params else "")  # fmt: skip
    return checked.graph


def weighed(training: Graph, weights: Weights | None, seed: int, skip: tuple[str, ...]) -> LoadedWeights:
    """The tensors of the training graph: checkpoints', or seeded ones."""
    from ..compiler.weights.seeded import Seeded
    from ..compiler.weights.loading import load

    params = training.params()
    seeded = Seeded(params, seed)
    if weights is None:
        return LoadedWeights(seeded, WeightReport(f"seed {seed}", 0, tuple(params)))
    paths = {node.path for node in training.nodes}
    return load(by_step(weights), params, seeded, paths=paths, optional=[h.path for h in training.heads], skip=skip)


def by_step(weights: Weights | None) -> CheckpointsByStep:
    """Checkpoints by the step that each is for; "" is the whole net."""
    if weights is None:
        return {}
    return weights if isinstance(weights, Mapping) else {"": weights}


def target(checked: Compilation, kind: str, output: Path | None, weights: Weights | None) -> Path:
    """Where an export goes; never over the spec or a checkpoint, and never a folder."""
    suffix = {"onnx": ".onnx", "torch": ".py"}[kind]
    path = output if output is not None else Path(checked.name + suffix)
    if output is not None and kind == "torch" and path.suffix != ".py":
        path = path.with_suffix(".py")
    if path.is_dir():
        raise Failure("output-is-folder", f"`{path}` is a folder; -o names a file", exit_code=2)
    if path.exists() and not path.is_file():  # a rename would put a file in the place of the device
        raise Failure(
            "output-is-device", f"`{path}` is a device or a pipe; -o names a file, or `-` standard output", exit_code=3
        )
    if kind == "torch" and not path.stem.isidentifier():
        path = path.with_name(path.stem.replace("-", "_").replace(".", "_") + ".py")
    sources = [Path(s.name) for s in checked.sources] + [w for w in by_step(weights).values() if isinstance(w, Path)]
    for made in (path, path.with_suffix(".safetensors")) if kind == "torch" else (path,):
        if made.exists() and any(s.exists() and made.samefile(s) for s in sources):
            raise Failure(
                "output-is-input",
                f"`{made}` is what is built from; it is not overwritten",
                "choose another place with -o",
                2,
            )
    return path


def onnx(checked: Compilation, training: Graph, graph: Graph, matched: LoadedWeights, path: Path, opset: int | None, batch: int | None,
         phase: Phase, verify: bool) -> tuple[list[Path], Parity | None]:  # fmt: skip
    """Writes the ONNX file beside its place, proves it there, and only then moves it."""
    from ..compiler.backends.onnx.write import export_onnx
    from ..compiler.weights.rewrite import Rewritten

    proofs: list[Parity] = []

    def proved(partial: Path) -> None:
        if verify and phase == "inference":
            from .proof import prove

            proofs.append(prove(training, graph, matched.source, partial, batch))

    files = export_onnx(graph, Rewritten(matched.source, graph), path, opset=opset, batch=batch,
                        metadata=metadata(checked, graph, matched.report, phase), proof=proved)  # fmt: skip
    return files, proofs[0] if proofs else None


def artifact(kind: str, path: Path) -> Artifact:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return Artifact(kind, str(path), digest.hexdigest(), path.stat().st_size)
