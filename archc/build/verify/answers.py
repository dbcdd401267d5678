"""Whether a built file answers as torch does, which gets the file's own tensors.

A plain file is proved as a build proves it. One that computes or takes something else is held against the plain file of the same tensors,
which is made and proved for that: by the relative L2 that its build allowed. The ranges of an int8 file are those of its calibration
set, which it does not hold, so it is not compared with the proof's inputs.
"""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ...compiler.backends.onnx.tensors import FileTensors
from ...compiler.backends.onnx.write import export_onnx
from ...compiler.diagnostics import Failure
from ...compiler.driver import run_passes
from ...compiler.ir.graph import Graph
from ...compiler.passes import PassOptions
from ...runtime.artifact import Artifact
from ...runtime.faults import RuntimeFault
from ...runtime.ports import fixed_batch
from ..options import ALLOWED_ERRORS
from ..packages import require_package
from ..precision.compare import proof_question
from ..precision.measure import Compared, compare_files
from ..precision.variant import PixelScale
from ..proof.prove import PACKAGES, Extent, Parity, prove
from .fact import Fact

INT8 = Fact("answers", None, "the file computes in 8 bits, which are for inputs as it was calibrated with; the proof's go beyond them",
            "hold it against the float32 file on pictures: archc verify FLOAT32.onnx THIS.onnx --picture FILE --tolerance 0.1; archc eval tells how well it answers")  # fmt: skip


class Rebuilt(NamedTuple):
    """What a file's own sources give now: the graph before all passes, and the options of the passes that made the file's graph of it."""

    training: Graph
    passes: PassOptions


def check_answers(artifact: Artifact, rebuilt: Rebuilt, extent: Extent) -> tuple[Parity | None, Fact]:
    """What the proof measured, and whether a file whose sources give its graph answers as torch does."""
    if artifact.precision == "int8":
        return None, INT8
    for package in PACKAGES:
        require_package(package, "the proof", "verify without it: --proof none")
    # the tensors are those behind the rewrites already
    plain_options = PassOptions(rebuilt.passes.phase, rebuilt.passes.keep_aux, rebuilt.passes.fold)
    plain = run_passes(rebuilt.training, plain_options).replace(rewrites=())
    tensors = FileTensors(artifact.path)
    batch = fixed_batch([*artifact.inputs.values()], [*artifact.outputs.values()])
    try:
        if plain_options == rebuilt.passes:
            parity = prove(plain, plain, tensors, artifact.path, batch, extent)
            return parity, Fact(
                "answers", True, f"onnxruntime answers as {parity.against} does, to {parity.max_rel:.1e}"
            )
        with TemporaryDirectory(prefix="archc-") as folder:
            path = Path(folder) / "plain.onnx"
            export_onnx(plain, tensors, path)
            parity = prove(plain, plain, tensors, path, None, extent)
            return parity, compare_with_plain(artifact, batch, plain, path, rebuilt, extent, parity.against)
    except (Failure, RuntimeFault) as fault:
        return None, Fact("answers", False, fault.message, fault.help)


def compare_with_plain(
    artifact: Artifact, batch: int | None, plain: Graph, path: Path, rebuilt: Rebuilt, extent: Extent, against: str
) -> Fact:
    """Whether a file of this `batch` lies as near to the plain one at `path`, which answers as `against` does, as its build allowed."""
    question = proof_question(
        rebuilt.training, plain, pixels_of(rebuilt.passes), rebuilt.passes.half_io, extent == "full", batch
    )
    ends = {name: Compared(name, name) for name in artifact.outputs}
    error = max(sums.relative_l2 for sums in compare_files(path, artifact.path, ends, question).values())
    allowed = allowed_error(artifact)
    message = f"they lie {100 * error:.2g} % from those of {against} in float32 with the file's own tensors (relative L2, {100 * allowed:g} % allowed)"
    return Fact("answers", isfinite(error) and error <= allowed, message, "" if error <= allowed else "build it again")


def allowed_error(artifact: Artifact) -> float:
    """What the build of a file allowed; of one that does not say, what builds allow."""
    stated = artifact.read_json("archc.max_error", float)
    return ALLOWED_ERRORS["fp16" if artifact.precision == "fp16" else "fp32"] if stated is None else stated


def pixels_of(passes: PassOptions) -> PixelScale | None:
    """How a file makes of pixels what its net takes; None for one that takes floats."""
    if not passes.pixel_factor:
        return None
    std = tuple(1 / factor for factor in passes.pixel_factor)
    return PixelScale(1.0, tuple(-offset * each for offset, each in zip(passes.pixel_offset, std, strict=True)), std)
