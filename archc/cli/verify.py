"""`archc verify`: whether a built model is still what it was built to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import click

from ..compiler.diagnostics import clean
from ..interruption import limit_long_calls
from ..text.layout import table_width
from ..text.tables import format_pairs
from .options import Positive, format_option, limit_option, print_json
from .progress import progress
from .running import trust_option

if TYPE_CHECKING:
    from ..build.proof.prove import Extent
    from ..build.verify.compare import ModelComparison
    from ..compiler.limits import Limits

PAIR_OPTIONS = ("tolerance", "pictures", "trust")
MARKS = {True: "", False: "not ok: ", None: "not checked: "}


@click.command(
    epilog="Example: archc verify net.onnx --proof full\n\nTwo models: archc verify net.onnx exported.onnx --trust"
)
@click.argument("model")
@click.argument("other", required=False)
@click.option(
    "--proof",
    type=click.Choice(["fast", "full", "none"]),
    default="fast",
    show_default=True,
    help="How far the answers are held against torch's.",
)
@click.option("--tolerance", type=Positive(), default=1e-4, show_default=True,
              help="How far OTHER's answers may lie from MODEL's, relative to the largest.")  # fmt: skip
@click.option("--picture", "pictures", metavar="FILE", multiple=True,
              help="Compare with OTHER on this picture, not on drawn numbers; repeatable.")  # fmt: skip
@trust_option
@limit_option
@format_option()
def command(
    model: str,
    other: str | None,
    proof: str,
    tolerance: float,
    pictures: tuple[str, ...],
    trust: bool,
    limits: Limits,
    form: str,
) -> int:
    """Verify a built model: its bytes, its sources, and its answers.

    With OTHER, two models are compared on the same inputs, and the first node that differs is named. The exit code is 1 where
    anything does not hold.
    """
    from ..build.verify.verify import verify

    limit_long_calls()
    context = click.get_current_context()
    if other is not None:
        refuse_idle_options(context, ("proof", "limits"), "is for one model; two are compared with each other alone")
        return compare_models(model, other, tolerance, trust, pictures, form)
    refuse_idle_options(context, PAIR_OPTIONS, "is for two models; one alone is held against its own sources and torch")
    with progress(f"verifying {model}"):
        found = verify(model, None if proof == "none" else cast("Extent", proof), limits)
    if form == "json":
        parity = found.parity and {
            "max_abs": found.parity.max_abs,
            "max_rel": found.parity.max_rel,
            "against": found.parity.against,
        }
        print_json(
            {
                "model": found.model,
                "ok": found.ok,
                "facts": [each._asdict() for each in found.facts],
                "parity": parity,
            }
        )
    else:
        rows = [
            (each.name, MARKS[each.ok] + each.message + (f" ({each.help})" if each.help else ""))
            for each in found.facts
        ]
        print(f"{clean(found.model)}: {'verified' if found.ok else 'not what it was built to be'}\n")
        print(format_pairs(rows, table_width()))
    return 0 if found.ok else 1


def refuse_idle_options(context: click.Context, options: Sequence[str], why: str) -> None:
    """Raises UsageError for one of the options that was given, and would do nothing."""
    for parameter in context.command.params:
        if (
            parameter.name in options
            and context.get_parameter_source(parameter.name) is click.core.ParameterSource.COMMANDLINE
        ):
            raise click.UsageError(f"{parameter.opts[0]} {why}")


def compare_models(model: str, other: str, tolerance: float, trust: bool, pictures: tuple[str, ...], form: str) -> int:
    """Prints how two models compare, and gives the exit code."""
    from ..build.verify.compare import compare

    with progress(f"comparing {model} with {other}"):
        found = compare(model, other, tolerance, trust, pictures)
    if form == "json":
        outputs = [each._asdict() for each in found.outputs]
        print_json({"model": found.model, "other": found.other, "ok": found.ok, "outputs": outputs, "tolerance": found.tolerance,
                    "common": found.common, "first": found.first and found.first._asdict()})  # fmt: skip
        return 0 if found.ok else 1
    print(f"{clean(found.model)} and {clean(found.other)} {'agree' if found.ok else 'differ'}\n")
    rows = [
        (
            each.output,
            f"{each.max_rel:.1e} of the largest value"
            + (f" (allowed: {found.tolerance:.0e})" if each.max_rel > found.tolerance else ""),
        )
        for each in found.outputs
    ]
    if not found.ok:
        rows.append(("first", describe_first(found)))
    print(format_pairs(rows, table_width()))
    return 0 if found.ok else 1


def describe_first(found: ModelComparison) -> str:
    """Where two models begin to differ, in words."""
    if found.first is None:
        return (
            f"not known: of the {found.common} values that both call alike none differs"
            if found.common
            else "not known: the two call no value alike"
        )
    place = f" ({found.first.place})" if found.first.place else ""
    return f"`{found.first.value}`{place}, {found.first.op}: {found.first.max_rel:.1e}; all that goes into it agrees"
