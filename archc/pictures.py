"""Pictures of nets as files: of a spec or of a model's file, in a format, with times, and what is to be told of them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from .compiler.diagnostics import Failure
from .compiler.driver import Compilation
from .compiler.sources import is_model
from .compiler.view.draw import draw_graph
from .compiler.view.drawing import Drawing, DrawingWarning
from .compiler.view.pictures import FORMATS, PictureOptions, draw_picture, with_article
from .net import graph_of
from .rasterise import PIXELS, PIXELS_EACH, rasterise

if TYPE_CHECKING:
    from .net import Net

FORMATS_OF_FILES = (*FORMATS, *PIXELS)


class MadePicture(NamedTuple):
    """A picture of the net `name` as the bytes of a file, and what is wrong with it."""

    name: str
    data: bytes
    warnings: tuple[DrawingWarning, ...]


def view(source: str | os.PathLike[str] | Net, path: str | os.PathLike[str], params: Mapping[str, Any] | None, options: PictureOptions,
         only: str | None, profile: str | os.PathLike[str] | None, scale: float | None, limits: Mapping[str, int] | None) -> None:  # fmt: skip
    """Writes the picture of a spec, a net or a model's file. The arguments are those of `archc.view`, in whose words it is told."""
    from .compiler.destinations import file_path
    from .compiler.files import atomic_write
    from .net import Net, load

    target = file_path(os.fspath(path))
    kind = PurePath(target).suffix.lower().removeprefix(".")
    if kind not in FORMATS_OF_FILES:
        known = ", ".join(f".{form}" for form in FORMATS_OF_FILES)
        raise Failure("bad-option", f"`{target}` does not say which format", f"end it in {known}", 2)
    drawn: str | Compilation = source.checked if isinstance(source, Net) else os.fspath(source)
    is_spec = isinstance(drawn, str) and not is_model(drawn)
    if params and not is_spec:
        raise Failure("bad-option", "params are those of a spec, and this is a model or a net", "leave them out", 2)
    if isinstance(drawn, str) and is_spec:
        drawn = load(drawn, params or {}, limits or {}).checked
    made = make_picture(drawn, kind, options, only, None if profile is None else os.fspath(profile), scale)
    with atomic_write(target) as partial:
        partial.write_bytes(made.data)
    for warning in made.warnings:
        warnings.warn(warning.message, UserWarning, stacklevel=3)


def make_picture(source: str | Compilation, kind: str, options: PictureOptions, only: str | None = None,
                 profile: str | None = None, scale: float | None = None) -> MadePicture:  # fmt: skip
    """The picture of a checked spec, or of the model's file of this path, in one of FORMATS_OF_FILES. With a `profile` boxes are coloured by
    time, unless `options` say otherwise; `scale` is how many pixels of a .png there are for each of the svg.

    Raises Failure for an option that the format has no use for, and where there is no part `only`; RuntimeFault for what is no model.
    """
    form = PIXELS.get(kind, kind)
    if scale is not None and kind not in PIXELS:
        raise Failure("bad-option", f"{with_article(kind)} file has no pixels to scale", "scale is for a .png", 2)
    if profile is not None and options.heat is None and "heat" in FORMATS[form].takes and options.style != "volumes":
        options = options._replace(heat="time")
    drawing = draw_source(source, only, profile, FORMATS[form].explains)
    text = draw_picture(drawing, form, options)
    warned = (*drawing.warnings, *flowchart_warnings(text)) if kind == "mmd" else drawing.warnings
    return MadePicture(drawing.name, make_pixels(text, scale) if kind in PIXELS else text.encode(), warned)


def draw_source(source: str | Compilation, only: str | None, profile: str | None, explained: bool) -> Drawing:
    """The drawing of a checked spec or of a model's file, its nodes with details where it is `explained`."""
    if isinstance(source, str):
        from .model_view.draw import draw_model

        return draw_model(source, only, profile, explained)
    drawing = draw_spec(source, only, explained)
    if profile is None:
        return drawing
    from .model_view.times import find_times, read_profile, with_times

    return with_times(drawing, find_times(draw_spec(source), read_profile(profile)))


def draw_spec(checked: Compilation, only: str | None = None, explained: bool = False) -> Drawing:
    """The drawing of a checked spec."""
    graph = graph_of(checked)
    drawing = draw_graph(graph, checked.header.summary or "", checked.sources, only)
    if not explained:
        return drawing
    from .details import with_details
    from .explanations import explain_graph

    return with_details(drawing, explain_graph(graph))


def make_pixels(svg: str, scale: float | None) -> bytes:
    """The .png of a picture."""
    return rasterise(svg, PIXELS_EACH if scale is None else scale)


def flowchart_warnings(mermaid: str) -> tuple[DrawingWarning, ...]:
    """Says where Mermaid will refuse a flowchart for its size."""
    from .compiler.view.mermaid import MOST_EDGES, count_edges

    edges = count_edges(mermaid)
    if edges <= MOST_EDGES:
        return ()
    message = (
        f"the flowchart has {edges} edges, and Mermaid draws {MOST_EDGES} unless told otherwise: use --depth or --only"
    )
    return (DrawingWarning("large-picture", message),)
