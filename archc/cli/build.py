"""`archc build`: files out of a spec, each proved before it takes its place."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..build.options import (
    CALIBRATIONS,
    HALF_OR_FLOAT,
    INPUT_TYPES,
    PHASES,
    PRECISIONS,
    PROOFS,
    BuildOptions,
    Proof,
)
from ..compiler.backends import BACKENDS
from ..compiler.backends.onnx.opsets import OPSET, OPSETS
from ..compiler.spelling import as_flag
from ..compiler.weights.report import weight_warnings
from ..interruption import limit_long_calls
from ..text.builds import build_text
from ..text.precision import precision_json
from .options import (
    Batch,
    Count,
    Number,
    Whole,
    compile_spec,
    format_option,
    limit_option,
    output_path,
    print_json,
    refuse_two_answers,
    set_option,
    specs_argument,
    text_stream,
)
from .progress import counting, progress
from .render import format_warning
from .weights_options import parse_weights, weights_options

if TYPE_CHECKING:
    from ..build.build import BuildResult
    from ..compiler.limits import Limits


EPILOG = """Example: archc build net.yaml

With weights that were trained: archc build googlenet --weights googlenet.pth -o googlenet.onnx

Many, on all cores: archc build resnet18 squeezenet1_0 -o models/

New classes on trained features: archc build resnet50 --set classes=10 --weights resnet50.pth --weights-skip fc

An ensemble: archc build both.yaml --weights member0=a.pth --weights member1=b.pth"""


WRITES = "; ".join(f"{row.name} is {row.writes}" for row in BACKENDS.values())


@click.command(epilog=EPILOG)
@specs_argument
@set_option
@limit_option
@click.option(
    "--export",
    "exports",
    multiple=True,
    type=click.Choice(list(BACKENDS)),
    default=["onnx"],
    show_default=True,
    help=f"What to build; repeatable. {WRITES}.",
)
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="Where to write it; `-` is standard output; for several specs a folder.  [default: the name of the net, here]",
)
@weights_options
@click.option("--seed", type=Whole(), default=0, show_default=True, help="What an untrained net starts from.")
@click.option(
    "--opset",
    type=Whole(),
    help=f"The ONNX opset, {OPSETS[0]} to {OPSETS[-1]}, honoured or refused.  [default: {OPSET}]",
)
@click.option(
    "--batch", type=Batch(), metavar="dynamic|N", default="dynamic", show_default=True, help="Images at once."
)
@click.option(
    "--phase",
    type=click.Choice(PHASES),
    default="inference",
    show_default=True,
    help="Which graph to export; `train`, with dropout and heads, is for torch alone.",
)
@click.option("--keep-aux", is_flag=True, help="Keep the auxiliary heads as outputs.")
@click.option("--fold/--no-fold", default=True, show_default=True, help="Merge batch norms into convolutions.")
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="fp32",
    show_default=True,
    help="What the ONNX file computes in; another than fp32 is compared with fp32.",
)
@click.option(
    "--store",
    type=click.Choice(HALF_OR_FLOAT),
    help="How the weights of an fp32 file are stored; fp16 is half the size.  [default: as they are computed with]",
)
@click.option(
    "--io",
    type=click.Choice(HALF_OR_FLOAT),
    default="fp32",
    show_default=True,
    help="What an fp16 file takes and gives.",
)
@click.option(
    "--input-type",
    type=click.Choice(INPUT_TYPES),
    default="float",
    show_default=True,
    help="uint8: the file takes pixels, and normalises them itself.",
)
@click.option(
    "--calibrate",
    metavar="FOLDER|CSV|NPZ",
    help="Pictures, or arrays by the inputs' names, as the net will meet them: what int8 finds its ranges with.",
)
@click.option(
    "--calibration",
    type=click.Choice(CALIBRATIONS),
    help="How int8 finds ranges; all but minmax cut off what is rare.  [default: minmax]",
)
@click.option(
    "--int8-keep", multiple=True, metavar="PATH", help="A step or block that int8 leaves in float32; repeatable."
)
@click.option(
    "--max-error",
    type=Number(),
    metavar="SHARE",
    help="How far another precision may lie from float32: 0.01 is one per cent.  [default: docs/reference/precision.md]",
)
@click.option(
    "--proof",
    type=click.Choice(PROOFS),
    help="The proof that onnxruntime answers as torch does; full asks more of it.  [default: fast]",
)
@click.option("--no-verify", is_flag=True, help="The same as --proof none.")
@click.option("--jobs", type=Count(1), metavar="N", help="Builds at once, of several specs.  [default: one a core]")
@format_option()
def command(specs: tuple[str, ...], settings: tuple[str, ...], limits: Limits, output: str | None, form: str, weights: tuple[str, ...],
            proof: Proof | None, no_verify: bool, jobs: int | None, **given: Any) -> int:  # fmt: skip
    """Build models from specs: ONNX or PyTorch."""
    if no_verify and proof not in (None, "none"):
        raise click.UsageError(f"--no-verify is --proof none, and --proof {proof} asks for one")
    options = BuildOptions(weights=parse_weights(weights), proof="none" if no_verify else proof or "fast",
                           spelling=as_flag, **given)  # fmt: skip
    if len(specs) > 1 or any(letter in specs[0] for letter in "*?["):
        from .build_many import build_many, expand_specs

        expanded, are_many = expand_specs(specs)
        if are_many:
            return build_many(expanded, settings, limits, options, output, form, jobs)
    if jobs is not None:
        raise click.UsageError("--jobs is for several specs; one is built by one process")
    limit_long_calls()
    refuse_two_answers(output, form)
    if output is not None and len(options.exports) > 1:
        raise click.UsageError(
            "-o names one file, but several exports are asked for; leave it out or build one at a time"
        )
    options = replace(options, output=None if output is None else output_path(output))
    result = build_spec(specs[0], settings, limits, options)
    if form == "json":
        print_json(build_json(result))
    else:
        print(build_text(result), file=text_stream(output))
    return 0


def build_spec(spec: str, settings: tuple[str, ...], limits: Limits, options: BuildOptions) -> BuildResult:
    """Checks and builds one spec; warnings go to standard error. Raises SpecError and Failure as these do."""
    from ..build.build import build

    checked, _ = compile_spec(spec, settings, limits)
    if options.output is not None:
        warn_of_suffix(options.output, options.exports[0])
    what = f"building {checked.name}"
    with counting(what, "inputs") if options.calibrate else progress(what) as tell:
        result = build(checked, options, progress=tell)
    warn_of_build(result)
    return result


def warn_of_build(result: BuildResult) -> None:
    """The warnings of a build, about its weights and its precision, on standard error."""
    told = result.precision.warnings if result.precision else ()
    for code, text in (*weight_warnings(result.weights), *told):
        print(format_warning(code, text, sys.stderr), file=sys.stderr)


def warn_of_suffix(path: Path, export: str) -> None:
    """Warns where a file gets the suffix of another kind of file: `net.txt` for an ONNX file. `net` and `net-v1.2` have none."""
    row, suffix = BACKENDS[export], path.suffix
    if re.fullmatch(r"\.[A-Za-z]\w*", suffix) and suffix.lower() != row.suffix:
        written = row.output_path(path)
        where = "" if written == path else f", and is written to `{written}`"
        message = f"`{path}` has not the suffix of {export}, `{row.suffix}`{where}"
        print(format_warning("output-suffix", message, sys.stderr), file=sys.stderr)


def build_json(result: BuildResult) -> dict[str, Any]:
    """What `--format json` prints."""
    report = result.weights
    weights = {
        each: getattr(report, each)
        for each in ("source", "loaded", "missing", "untrained", "skipped", "unused", "not_run", "as_started")
    }
    weights["taken"] = [each._asdict() for each in report.taken]
    return {
        "name": result.name,
        "artifacts": [asdict(each) for each in result.artifacts],
        "parity": asdict(result.parity) if result.parity else None,
        "precision": precision_json(result.precision) if result.precision else None,
        "weights": weights,
        "seconds": round(result.seconds, 3),
    }
