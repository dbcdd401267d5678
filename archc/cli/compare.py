"""`archc compare`: nets by their accuracy and costs, as a table or a chart."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..compiler.diagnostics import Failure, SpecError, clean, nearest
from ..compiler.driver import check
from ..compiler.limits import Limits
from ..net import graph_of
from ..text.layout import fold_line, output_width, table_width
from ..text.tables import format_table
from .completion import complete_json, complete_spec, family_names, offer
from .options import (
    compile_spec,
    format_option,
    limit_option,
    output_path,
    print_answer,
    print_json,
    refuse_two_answers,
    text_stream,
)
from .progress import progress

if TYPE_CHECKING:
    from ..charts.nets import ComparedNet
    from ..charts.selection import Selection
    from ..compiler.driver import Compilation
    from ..compiler.ir.graph import Graph
    from ..compiler.sources import SpecText

# the nets of the lecture and of Canziani et al. 2016, in the order of their papers
LECTURE = ("alexnet", "zfnet", "vgg16", "vgg19", "googlenet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "inception_v3", "inception_v4")  # fmt: skip
METRIC_WORDS = ("imagenet-top1", "imagenet-top5", "cifar10", "cifar100", "mnist")
AXIS_WORDS = ("macs", "params", "activations", "time", "energy")
SUFFIXES = (".svg", ".png", ".html", ".htm")


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
@limit_option
@format_option("csv", "markdown")
def command(
    specs: tuple[str, ...], everything: bool, families: tuple[str, ...], target: str | None, style: str, metric: str | None,
    protocol: str | None, mix: bool, axis: str, benches: tuple[str, ...], limits: Limits, form: str,
) -> None:  # fmt: skip
    """Compare nets: accuracy as their papers report it, parameters, MACs, activations and depth.

    Without a SPEC these are the nets of the lecture. An accuracy comes from the spec's `reported`; those of different protocols are
    never in one chart, unless --mix says so. Costs are those of one crop: an accuracy by ten crops took ten times as much.
    """
    from ..charts.measured import read_measurements
    from ..charts.selection import MEASURED, ChartRequest, select

    refuse_two_answers(target, form)
    check_options(target, protocol, mix)
    if axis in MEASURED and not benches:
        raise click.UsageError(
            f"--x {axis} wants what was measured: --bench FILE, as `archc bench --format json` prints it"
        )
    if target:
        from ..charts.files import require_matplotlib

        require_matplotlib()
    measurements = read_measurements(benches)
    with progress("counting"):
        nets = read_nets(specs, bundled_names(specs, everything, families), limits)
    chart = select(nets, measurements, ChartRequest(metric, protocol, axis, mix))
    if target:
        write_chart(target, chart, style)
    if form == "json":
        print_json(chart_document(chart, target))
    elif form == "text":
        print("\n\n".join(text_parts(chart, target)), file=text_stream(target))
    else:
        print_answer(plain_table(chart, form))


def check_options(target: str | None, protocol: str | None, mix: bool) -> None:
    """Raises UsageError for options that do not go together, or an output that is no chart."""
    if protocol is not None and mix:
        raise click.UsageError("--mix takes all protocols; leave --protocol out")
    if target and Path(target).suffix.lower() not in SUFFIXES:
        raise click.UsageError(f"-o {target}: a chart is an .svg, a .png or an .html")


def bundled_names(specs: Sequence[str], everything: bool, families: Sequence[str]) -> list[str]:
    """The bundled nets that are asked for by no name: those of the lecture where nothing is. Raises Failure for an unknown family."""
    if not (specs or everything or families):
        return list(LECTURE)
    if not (everything or families):
        return []
    from ..catalog import models

    listed = models()
    known = dict.fromkeys(each.family for each in listed)
    for family in families:
        if family not in known:
            near = nearest(family, known)
            hint = f"did you mean `{near}`?" if near else f"there are {', '.join(known)}"
            raise Failure("no-such-spec", f"there is no family `{family[:200]}` among the bundled nets", hint, 2)
    return [each.name for each in listed if everything or each.family in families]


def read_nets(specs: Sequence[str], bundled: Sequence[str], limits: Limits) -> tuple[ComparedNet, ...]:
    """The nets of specs, then of bundled ones by name, each once."""
    from ..charts.nets import with_distinct_labels
    from ..compiler.sources import find_spec

    # found once: standard input can be read only once
    texts = [find_spec(spec) for spec in dict.fromkeys(specs)]
    own = [read_spec(text, *compile_spec(text, (), limits), limits) for text in texts]
    named = {text.bundled for text in texts}
    others = [find_spec(f"zoo:{name}") for name in bundled if name not in named]
    # nobody named these, so nothing is said of them
    checked = [(text, check(text, limits=limits)) for text in others]
    rest = [read_spec(text, found, graph_of(found), limits) for text, found in checked]
    return with_distinct_labels([*own, *rest])


def read_spec(text: SpecText, found: Compilation, graph: Graph, limits: Limits) -> ComparedNet:
    """A checked spec as a net that is compared. Raises SpecError or Failure where a row's `with` does not fit the spec."""
    from ..charts.nets import read_net
    from ..compiler.sources import zoo

    def graph_with(params: Mapping[str, Any]) -> Graph:
        other = check(text, params=params, limits=limits)
        if other.failed:
            raise SpecError(other.diagnostics)
        return graph_of(other)

    place = zoo()[text.bundled] if text.bundled else None
    return read_net(
        found.name, Path(text.name).stem, place.parent.name if place else "", graph, found.header, graph_with
    )


def write_chart(target: str, chart: Selection, style: str) -> None:
    """Draws the chart into its file, whole or not at all. Raises Failure where there is nothing to draw."""
    from ..charts.draw import render_chart
    from ..compiler.files import atomic_write

    path = output_path(target)
    data, complete = render_chart(chart, style, Path(target).suffix.lower())
    with atomic_write(path) as partial:
        partial.write_bytes(data)
    if not complete:
        print(
            "note: the chart's font lacks some characters of the names: they are boxes in a png, and whole in an svg",
            file=sys.stderr,
        )


def chart_document(chart: Selection, target: str | None) -> dict[str, Any]:
    """What `--format json` prints."""
    from ..charts.tables import chart_json

    return chart_json(chart) | ({"output": target} if target else {})


def text_parts(chart: Selection, target: str | None) -> Iterator[str]:
    """What people read: under what the figures hold, the table, what a chart leaves out, and where it is."""
    from ..charts.tables import alignment, describe_chart, group_left_out, table_head, table_rows

    lines = describe_chart(chart)
    if lines:
        yield "\n".join(fold(clean(line)) for line in lines)
    head = table_head(chart)
    yield format_table(
        head, table_rows(chart), alignment(head), ("source", "activations", "depth"), width=table_width()
    )
    what = "without a place in the chart" if target else "without a figure to compare"
    left_out = [fold(clean(f"{what}, {why}: {', '.join(names)}")) for why, names in group_left_out(chart).items()]
    if left_out:
        yield "\n".join(left_out)
    if target:
        yield clean(f"wrote {target}")


def fold(line: str) -> str:
    """A line as wide as the terminal."""
    return "\n".join(fold_line(line, output_width(), "  ", cut=False))


def plain_table(chart: Selection, form: str) -> str:
    """The table as csv or Markdown."""
    from ..charts.tables import format_csv, format_markdown

    return format_csv(chart) if form == "csv" else format_markdown(chart)
