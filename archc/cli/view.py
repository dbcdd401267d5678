"""`archc view`: a picture of a net, in the format that the output's suffix says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from ..compiler.sources import is_model
from ..compiler.view.heat import HEATS
from ..compiler.view.pictures import DEFAULT_FORMAT, FORMATS, STYLES, PictureOptions, with_article
from ..compiler.view.theme import THEMES
from ..rasterise import PIXELS, PIXELS_EACH
from .options import (
    Count,
    Positive,
    format_option,
    limit_option,
    look_at_spec,
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
    from ..compiler.view.drawing import Drawing
    from ..pictures import MadePicture

FORMATS_OF_FILES = (*FORMATS, *PIXELS)
SUFFIXES = ", ".join(f".{form}" for form in FORMATS_OF_FILES)
MOST_PIXELS_EACH = 16
MAX_PORT = 2**16 - 1


@click.command(epilog="Example: archc view googlenet -o googlenet.svg --heat macs")
@spec_argument
@set_option
@limit_option
@click.option(
    "-o",
    "--output",
    "output",
    metavar="PATH",
    help=f"Where to write it, {SUFFIXES}; - is standard output.  [default: NAME.{DEFAULT_FORMAT}]",
)
@click.option(
    "--to", "form_of_picture", type=click.Choice(list(FORMATS_OF_FILES)), help="The format, where no suffix says it."
)
@click.option(
    "--depth",
    type=Count(0),
    metavar="N",
    help="How many levels of blocks are open.  [default: all; a page opens what holds most of the net]",
)
@click.option("--only", metavar="PATH", help="Draw one step or block alone.")
@click.option(
    "--style",
    type=click.Choice(STYLES),
    help="Blocks, or a strip of volumes as in AlexNet's figure.  [default: blocks]",
)
@click.option(
    "--heat", type=click.Choice(list(HEATS)), help="Colour boxes by what they cost.  [default: time with --profile]"
)
@click.option("--profile", metavar="FILE", help="Times, from `archc profile MODEL --format json`.")
@click.option(
    "--scale",
    type=Positive(MOST_PIXELS_EACH),
    help=f"Pixels of a .png for each of the .svg.  [default: {PIXELS_EACH:g}]",
)
@click.option("--theme", type=click.Choice(list(THEMES)), help="The colours.  [default: light]")
@click.option(
    "--watch", is_flag=True, help="Serve the page on this machine, and draw it anew at each save of the spec."
)
@click.option("--port", type=Count(1, MAX_PORT), help="The port that --watch takes.  [default: a free one]")
@click.option("--open", "opens", is_flag=True, help="Open the page of --watch in a browser.")
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
    profile: str | None,
    scale: float | None,
    watch: bool,
    port: int | None,
    opens: bool,
    form: str,
) -> None:
    """Draw a net: blocks as in the papers' figures. SPEC may also be a model, .onnx, of archc's or of anyone's.

    A block that is repeated is drawn once, with how often; equal shapes are told once.
    """
    from ..compiler.files import atomic_write
    from ..pictures import make_picture

    if heat == "time" and profile is None:
        raise click.UsageError("`--heat time` needs times: give --profile FILE")
    if watch:
        refuse_beside_watch(output, form_of_picture, style, profile, scale)
        refuse_model(spec, "--watch follows a spec while it is edited")
        serve(spec, settings, limits, only, PictureOptions(depth, None, theme, heat), port, opens, form)
    if port is not None or opens:
        raise click.UsageError(f"`{'--open' if opens else '--port'}` is about the page of --watch")
    refuse_two_answers(output, form)
    kind = picture_format(output, form_of_picture)
    if scale is not None and kind not in PIXELS:
        raise click.UsageError(f"`--scale` is for a .png, and {with_article(kind)} file has no pixels")
    source = find_source(spec, settings, limits)
    made = make_picture(source, kind, PictureOptions(depth, style, theme, heat), only, profile, scale)
    target = output if output is not None else f"{made.name}.{kind}"
    with atomic_write(output_path(target)) as partial:
        partial.write_bytes(made.data)
    tell_warnings(made)
    if form == "json":
        print_json({"name": made.name, "file": target, "format": kind, "bytes": len(made.data)})
    elif not writes_to_stdout(output):
        print(f"wrote {clean_path(target)}", file=text_stream(output))


def find_source(spec: str, settings: tuple[str, ...], limits: Limits) -> str | Compilation:
    """What is drawn: the path of a model, whatever that is called, or the checked spec."""
    if not is_model(spec):
        return look_at_spec(spec, settings, limits)[0]
    if settings:
        raise click.UsageError(f"`--set` changes a spec, and `{clean_path(spec)}` is a model")
    return spec


def serve(
    spec: str,
    settings: tuple[str, ...],
    limits: Limits,
    only: str | None,
    options: PictureOptions,
    port: int | None,
    opens: bool,
    form: str,
) -> NoReturn:
    """Serves the page of a spec until it is interrupted."""
    from ..compiler.view.page.page import page_html
    from ..pictures import draw_spec
    from .watching import watch_spec

    def make_page(drawing: Drawing, live: str) -> str:
        return page_html(drawing, theme=options.theme or "auto", heat=options.heat, depth=options.depth, live=live)

    watch_spec(
        spec, settings, limits, lambda checked: draw_spec(checked, only, explained=True), make_page, port, opens, form
    )


def refuse_beside_watch(*of_files: object) -> None:
    """Raises UsageError for an option that is about a file: the page of --watch has all of that in itself."""
    names = ("-o", "--to", "--style", "--profile", "--scale")
    given = [name for name, value in zip(names, of_files, strict=True) if value is not None]
    if given:
        raise click.UsageError(f"`--watch` serves a page, and `{given[0]}` is about a file; leave one of the two out")


def refuse_model(spec: str, why: str) -> None:
    """Raises UsageError for a model where only a spec will do."""
    if is_model(spec):
        raise click.UsageError(f"`{clean_path(spec)}` is a model; {why}")


def picture_format(output: str | None, asked: str | None) -> str:
    """The format of a picture, by its suffix or by `--to`. Raises UsageError where neither says it, or the two differ."""
    suffix = Path(output).suffix.lower().removeprefix(".") if output not in (None, "-") else ""
    if suffix in FORMATS_OF_FILES and asked not in (None, suffix):
        raise click.UsageError(f"`-o {output}` is {with_article(suffix)} file, and `--to {asked}` asks for another")
    if suffix in FORMATS_OF_FILES or asked:
        return asked or suffix
    if output is None:
        return DEFAULT_FORMAT
    raise click.UsageError(f"`-o {output}` does not say which format: end it in {SUFFIXES}, or give --to")


def tell_warnings(made: MadePicture) -> None:
    """Says on standard error what is wrong with a picture."""
    from .render import format_warning

    for code, message in made.warnings:
        print(format_warning(code, message, sys.stderr), file=sys.stderr)


def clean_path(path: str) -> str:
    """A path as it may be printed."""
    from ..compiler.diagnostics import clean

    return clean(path)
