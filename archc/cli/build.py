"""`archc build`: files out of a spec, each proved before it takes its place."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import Batch, compiled, format_option, print_json, settings, spec_argument
from .progress import progress
from .tables import facts, size

if TYPE_CHECKING:
    from ..build import BuildResult


@click.command(epilog="Example: archc build googlenet --export onnx -o googlenet.onnx --weights googlenet.safetensors")
@spec_argument
@settings
@click.option(
    "--export",
    "exports",
    multiple=True,
    type=click.Choice(["onnx", "torch"]),
    help="What to build; repeatable. ONNX if nothing is said.",
)
@click.option("-o", "--output", metavar="PATH", help="Where to write it; `-` is standard output.")
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A checkpoint: .safetensors, .pth or .pt.",
)
@click.option(
    "--weights-skip",
    multiple=True,
    metavar="STEP",
    help="A step that the checkpoint need not fit; repeatable.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="What an untrained net starts from.",
)
@click.option("--opset", type=int, help="The ONNX opset; honoured or refused.")
@click.option("--batch", type=Batch(), default="dynamic", show_default=True, help="Images at once.")
@click.option(
    "--phase",
    type=click.Choice(["inference", "train"]),
    default="inference",
    show_default=True,
    help="Which graph to export.",
)
@click.option("--keep-aux", is_flag=True, help="Keep the auxiliary heads as outputs.")
@click.option("--fold/--no-fold", default=True, show_default=True, help="Merge batch norms into convolutions.")
@click.option(
    "--precision",
    type=click.Choice(["fp32"]),
    default="fp32",
    show_default=True,
    help="Precision of the ONNX file.",
)
@click.option("--no-verify", is_flag=True, help="Leave out the proof that onnxruntime answers as torch does.")
@format_option()
def command(spec: str, settings: tuple[str, ...], exports: tuple[str, ...], output: str | None, form: str,
            precision: str, no_verify: bool, **how: Any) -> None:  # fmt: skip
    """Build a model from a spec: ONNX or PyTorch."""
    from ..build import build

    exports = exports or ("onnx",)
    if output is not None and output != "-" and len(set(exports)) > 1:
        raise click.UsageError(
            "-o names one file, but several exports are asked for; leave it out or build one at a time"
        )
    checked, _ = compiled(spec, settings)
    with progress(f"building {checked.name}"):
        if output == "-":
            result = piped(
                lambda path: build(checked, exports=exports, output=path, verify=not no_verify, **how), exports
            )
        else:
            result = build(
                checked, exports=exports, output=None if output is None else Path(output), verify=not no_verify, **how
            )
    if output == "-":
        print(text(result), file=sys.stderr)
    elif form == "json":
        print_json(document(result))
    else:
        print(text(result))


def piped(make: Any, exports: tuple[str, ...]) -> BuildResult:
    """Builds in a folder of its own and sends the one file to standard output."""
    if exports != ("onnx",):
        raise click.UsageError("only --export onnx is one file that fits on standard output")
    with tempfile.TemporaryDirectory(prefix="archc-") as folder:
        result: BuildResult = make(Path(folder) / "model.onnx")
        if len(result.artifacts) > 1:
            raise click.UsageError("a model over 2 GB is several files; give -o a path")
        with open(result.artifacts[0].path, "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        return result._replace(artifacts=(result.artifacts[0]._replace(path="-"),))


def document(result: BuildResult) -> dict[str, Any]:
    told = result.weights
    weights = {"source": told.source, "loaded": told.loaded, "missing": told.missing, "unused": told.unused}
    return {
        "name": result.name,
        "artifacts": [each._asdict() for each in result.artifacts],
        "parity": result.parity._asdict() if result.parity else None,
        "weights": weights,
        "seconds": round(result.seconds, 3),
    }


def text(result: BuildResult) -> str:
    told = [(each.kind, f"{each.path}  {size(each.bytes)}  sha256 {each.sha256[:16]}…") for each in result.artifacts]
    if result.parity:
        parity = result.parity
        told.append(
            ("parity", f"max |Δ| {parity.max_abs:.1e}, relative {parity.max_rel:.1e}, against {parity.against}")
        )
    told.append(("weights", weights(result)))
    told.append(("took", f"{result.seconds:.1f} s"))
    return f"{result.name}\n{facts(told)}"


def weights(result: BuildResult) -> str:
    """What is trained and what is not, plainly."""
    report = result.weights
    if not report.loaded:
        return f"untrained: all tensors start from {report.source}; its answers mean nothing yet"
    parts = [f"{report.loaded:,} tensors from {report.source}"]
    if report.missing:
        parts.append(f"{len(report.missing):,} untrained ({named(report.missing)})")
    if report.unused:
        parts.append(f"{len(report.unused):,} of the file unused ({named(report.unused)})")
    return "; ".join(parts)


def named(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
