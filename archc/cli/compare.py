"""`archc compare`: nets by their accuracy and costs, as a table or a chart."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..compiler.limits import Limits
from .completion import complete_json, complete_spec, family_names, offer
from .options import (
    compile_spec,
    format_option,
    limit_option,
    output_path,
    print_answer,
    print_json,
    refuse_two_answers,
    set_option,
    text_stream,
)
from .progress import progress

if TYPE_CHECKING:
    from ..comparison import NetComparison

# said here once more, so that the help of the command imports nothing that counts; a test holds them equal
METRIC_WORDS = ("imagenet-top1", "imagenet-top5", "cifar10", "cifar100", "mnist")
AXIS_WORDS = ("macs", "params", "activations", "time", "energy")


@click.command(epilog="Example: archc compare resnet50 vgg16 mine.yaml -o chart.svg")
@click.argument("specs", metavar="[SPEC]...", nargs=-1, shell_complete=complete_spec)
@click.option("--all", "everything", is_flag=True, help="Every bundled net, too.")
@click.option(
    "--family",
    "families",
    multiple=True,
    metavar="NAME",
    shell_complete=offer(family_names),
    help="The bundled nets of a family, too; repeatable.",
)
@click.option(
    "-o",
    "--output",
    "target",
    metavar="FILE",
    help="Draw a chart: .svg, .png, or .html with the figures and their sources.",
)
@click.option(
    "--style",
    type=click.Choice(["bubbles", "bars"]),
    default="bubbles",
    show_default=True,
    help="Accuracy at its cost, or where each net's costs lie along its depth.",
)
@click.option(
    "--metric", type=click.Choice(METRIC_WORDS), help="Which accuracy.  [default: the one that most of the nets report]"
)
@click.option(
    "--protocol", metavar="NAME", help="How it was measured, as the table names it.  [default: as for most of the nets]"
)
@click.option("--mix", is_flag=True, help="All protocols in one chart, each with a mark of its own.")
@click.option("--x", "axis", type=click.Choice(AXIS_WORDS), default="macs", show_default=True, help="What goes across.")
@click.option(
    "--bench",
    "benches",
    multiple=True,
    metavar="FILE",
    shell_complete=complete_json,
    help="Times and energy from `archc bench --format json`; repeatable.",
)
@set_option
@limit_option
@format_option("csv", "markdown")
def command(
    specs: tuple[str, ...], everything: bool, families: tuple[str, ...], target: str | None, style: str, metric: str | None,
    protocol: str | None, mix: bool, axis: str, benches: tuple[str, ...], settings: tuple[str, ...], limits: Limits, form: str,
) -> None:  # fmt: skip
    """Compare nets: accuracy as their papers report it, parameters, MACs, activations and depth.

    Without a SPEC these are the nets of the lecture. An accuracy comes from the spec's `reported`; those of different protocols are
    never in one chart, unless --mix says so. Costs are those of one crop: an accuracy by ten crops took ten times as much. With --set each
    SPEC is another net than its figures are of: it has its own costs, and no accuracy.
    """
    from ..charts.measured import read_measurements
    from ..charts.selection import MEASURED, ChartRequest
    from ..comparison import LECTURE, bundled_names, compare_nets, read_nets

    refuse_two_answers(target, form)
    if settings and not specs:
        raise click.UsageError("`--set` changes a SPEC that is named, and none is")
    check_options(target, protocol, mix)
    if axis in MEASURED and not benches:
        raise click.UsageError(
            f"--x {axis} wants what was measured: --bench FILE, as `archc bench --format json` prints it"
        )
    if target:
        from ..charts.files import require_matplotlib

        # before nets are counted, as that takes longer
        require_matplotlib()
    measured = read_measurements(benches)
    bundled = bundled_names(everything, families) if specs or everything or families else LECTURE
    with progress("counting"):
        nets = read_nets(specs, bundled, limits, lambda text: compile_spec(text, settings, limits)[0])
    found = compare_nets(nets, measured, ChartRequest(metric, protocol, axis, mix))
    if target and not found.save(output_path(target), style):
        print(
            "note: the chart's font lacks some characters of the names: they are boxes in a png, and whole in an svg",
            file=sys.stderr,
        )
    print_comparison(found, target, style, form)


def check_options(target: str | None, protocol: str | None, mix: bool) -> None:
    """Raises UsageError for options that do not go together, or an output that is no chart."""
    if protocol is not None and mix:
        raise click.UsageError("--mix takes all protocols; leave --protocol out")
    from ..comparison import SUFFIXES

    if target and Path(target).suffix.lower() not in SUFFIXES:
        raise click.UsageError(f"-o {target}: a chart is an .svg, a .png or an .html")


def print_comparison(found: NetComparison, target: str | None, style: str, form: str) -> None:
    """Prints the answer in a format."""
    if form == "json":
        print_json(found.to_json() | ({"output": target} if target else {}))
    elif form == "text":
        from ..text.comparison import comparison_text

        print(comparison_text(found.chart, found.variants, target, style), file=text_stream(target))
    else:
        print_answer(found.to_csv() if form == "csv" else found.to_markdown())
