"""`archc build`: files out of a spec, each proved before it takes its place."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..compiler.weights.formats import checkpoint_suffixes
from .options import Batch, compiled, format_option, print_json, settings, spec_argument
from .progress import progress
from .render import clean
from .tables import facts, size

if TYPE_CHECKING:
    from ..build.build import BuildResult
    from ..compiler.weights.report import WeightReport


EPILOG = """Example: archc build googlenet --export onnx -o googlenet.onnx --weights googlenet.safetensors

New classes on trained features: archc build resnet50 --set classes=10 --weights resnet50.pth --weights-skip fc

An ensemble: archc build my_ensemble.yaml --weights member0=a.pth --weights member1=b.pth"""


@click.command(epilog=EPILOG)
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
    multiple=True,
    metavar="[STEP=]FILE",
    help=f"A checkpoint ({checkpoint_suffixes()}) of the net; or of the one step, repeatable.",
)
@click.option(
    "--weights-skip",
    multiple=True,
    metavar="STEP",
    help="A step that is left out of the checkpoint and starts anew; repeatable.",
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
            precision: str, weights: tuple[str, ...], no_verify: bool, **how: Any) -> None:  # fmt: skip
    """Build a model from a spec: ONNX or PyTorch."""
    from ..build.build import build

    exports = exports or ("onnx",)
    if output is not None and output != "-" and len(set(exports)) > 1:
        raise click.UsageError(
            "-o names one file, but several exports are asked for; leave it out or build one at a time"
        )
    if how["weights_skip"] and not weights:
        raise click.UsageError("--weights-skip leaves steps out of a checkpoint; give one with --weights")
    how["weights"] = checkpoints(weights)
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
    if result.weights.unexpected:
        print(f"warning[weights-unused]: the net has no place for {listed(result.weights)}", file=sys.stderr)
    if output == "-":
        print(text(result), file=sys.stderr)
    elif form == "json":
        print_json(document(result))
    else:
        print(text(result))


def checkpoints(given: tuple[str, ...]) -> dict[str, Path] | None:
    """`--weights` by step; "" is the whole net. A file whose name holds a `=` is a file first."""
    found: dict[str, Path] = {}
    for value in given:
        named = None if Path(value).exists() else re.fullmatch(r"([\w.-]+)=(.+)", value)
        step, file = named.groups() if named else ("", value)
        if step in found:
            whose = f"`{step}`" if step else "the whole net"
            raise click.UsageError(
                f"two checkpoints for {whose}: {found[step]} and {file}; an ensemble wants --weights STEP=FILE for each"
            )
        found[step] = Path(file)
    return found or None


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
    weights = {each: getattr(told, each) for each in ("source", "loaded", "missing", "untrained", "skipped", "unused")}
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
    if report.skipped:
        parts.append(f"left out as asked: {', '.join(report.skipped)}")
    if report.missing:
        parts.append(f"{len(report.missing):,} tensors untrained ({', '.join(report.untrained)})")
    if report.unexpected:
        parts.append(f"unused: {listed(report)}")
    return "; ".join(parts)


def listed(report: WeightReport) -> str:
    names = [clean(name) for name in report.unexpected]
    more = ", …" if len(names) > 3 else ""
    return f"{len(names):,} tensor{'s' * (len(names) > 1)} of {report.source} ({', '.join(names[:3])}{more})"
