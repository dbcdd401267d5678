"""`archc view`: a picture of a net, in the format that the output's suffix says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..compiler.view.heat import HEATS
from ..compiler.view.pictures import DEFAULT_FORMAT, FORMATS, STYLES, PictureOptions, draw_picture
from ..compiler.view.theme import THEMES
from .options import (
    Count,
    compile_spec,
    format_option,
    limit_option,
    output_path,
    print_json,
    refuse_two_answers,
    set_option,
    spec_argument,
    text_stream,
    writes_to_stdout,
)

if TYPE_CHECKING:
    from ..compiler.driver import Compilation
    from ..compiler.limits import Limits

SUFFIXES = ", ".join(f".{form}" for form in FORMATS)


@click.command(epilog="Example: archc view googlenet -o googlenet.svg --heat macs")
@spec_argument
@set_option
@limit_option
@click.option(
    "-o",
    "output",
    metavar="PATH",
    help=f"Where to write it, {SUFFIXES}; - is standard output.  [default: NAME.{DEFAULT_FORMAT}]",
)
@click.option("--to", "form_of_picture", type=click.Choice(list(FORMATS)), help="The format, where no suffix says it.")
@click.option("--depth", type=Count(0), metavar="N", help="How many levels of blocks are open.  [default: all]")
@click.option("--only", metavar="PATH", help="Draw one step or block alone.")
@click.option(
    "--style",
    type=click.Choice(STYLES),
    help="Blocks, or a strip of volumes as in AlexNet's figure.  [default: blocks]",
)
@click.option(
    "--heat", type=click.Choice([name for name in HEATS if name != "time"]), help="Colour boxes by what they cost."
)
@click.option("--theme", type=click.Choice(list(THEMES)), help="The colours.  [default: light]")
@format_option()
def command(
    spec: str,
    settings: tuple[str, ...],
    limits: Limits,
    output: str | None,
    form_of_picture: str | None,
    depth: int | None,
    only: str | None,
    style: str | None,
    heat: str | None,
    theme: str | None,
    form: str,
) -> None:
    """Draw a net: blocks as in the papers' figures.

    A block that is repeated is drawn once, with how often; equal shapes are told once.
    """
    from ..compiler.files import atomic_write

    refuse_two_answers(output, form)
    kind = picture_format(output, form_of_picture)
    checked, _ = compile_spec(spec, settings, limits)
    text = draw(checked, only, kind, PictureOptions(depth, style, theme, heat))
    target = output if output is not None else f"{checked.name}.{kind}"
    data = text.encode()
    with atomic_write(output_path(target)) as partial:
        partial.write_bytes(data)
    if kind == "mmd":
        warn_of_edges(text)
    if form == "json":
        print_json({"name": checked.name, "file": target, "format": kind, "bytes": len(data)})
    elif not writes_to_stdout(output):
        print(f"wrote {clean_path(target)}", file=text_stream(output))


def draw(checked: Compilation, only: str | None, kind: str, options: PictureOptions) -> str:
    """The text of the picture of a checked spec."""
    from ..compiler.view.draw import draw_graph
    from ..net import graph_of

    drawing = draw_graph(graph_of(checked), checked.header.summary or "", checked.sources, only)
    return draw_picture(drawing, kind, options)


def picture_format(output: str | None, asked: str | None) -> str:
    """The format of a picture, by its suffix or by `--to`. Raises UsageError where neither says it, or the two differ."""
    suffix = Path(output).suffix.lower().removeprefix(".") if output not in (None, "-") else ""
    if suffix in FORMATS and asked not in (None, suffix):
        raise click.UsageError(f"`-o {output}` is a {suffix} file, and `--to {asked}` asks for another")
    if suffix in FORMATS or asked:
        return asked or suffix
    if output is None:
        return DEFAULT_FORMAT
    raise click.UsageError(f"`-o {output}` does not say which format: end it in {SUFFIXES}, or give --to")


def warn_of_edges(mermaid: str) -> None:
    """Warns where Mermaid will refuse a flowchart for its size."""
    from ..compiler.view.mermaid import MOST_EDGES, count_edges
    from .render import format_warning

    edges = count_edges(mermaid)
    if edges > MOST_EDGES:
        message = f"the flowchart has {edges} edges, and Mermaid draws {MOST_EDGES} unless told otherwise: use --depth or --only"
        print(format_warning("large-picture", message, sys.stderr), file=sys.stderr)


def clean_path(path: str) -> str:
    """A path as it may be printed."""
    from ..compiler.diagnostics import clean

    return clean(path)
