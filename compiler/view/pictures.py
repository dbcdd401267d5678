"""The formats of pictures, and what each can show."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

from ..diagnostics import Failure
from .drawing import Drawing
from .heat import HEATS
from .layout import open_to_depth
from .theme import THEMES

STYLES = ("blocks", "volumes")


class PictureOptions(NamedTuple):
    """How a picture is to look; None is the format's own choice. `depth` is how many levels of groups are open."""

    depth: int | None = None
    style: str | None = None
    theme: str | None = None
    heat: str | None = None


class SvgPicture(str):
    """An SVG as a text, which a notebook shows as a picture."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: an SVG of {len(self):,} characters>"

    def _repr_svg_(self) -> str:
        return str(self)


class PictureFormat(NamedTuple):
    """A format: how its text is made, which of the options it takes, and whether it shows the details of a drawing's nodes."""

    write: Callable[[Drawing, PictureOptions], str]
    takes: tuple[str, ...] = ()
    explains: bool = False


def write_html(drawing: Drawing, options: PictureOptions) -> str:
    """The interactive page."""
    from .page.page import page_html

    return page_html(drawing, theme=options.theme or "auto", heat=options.heat, depth=options.depth)


def check_values(drawing: Drawing, options: PictureOptions) -> None:
    """Raises Failure `bad-option` for a value that an option does not take."""
    depth = options.depth
    if depth is not None and (not isinstance(depth, int) or isinstance(depth, bool) or depth < 0):
        raise Failure("bad-option", f"depth is a number of levels, not {depth!r}", "0 opens no block, None all", 2)
    for name, values in (("style", STYLES), ("theme", THEMES), ("heat", HEATS)):
        value = getattr(options, name)
        if value is not None and value not in values:
            raise Failure("bad-option", f"there is no {name} {value!r}", f"there are {', '.join(values)}", 2)
    if options.heat == "time" and drawing.totals.time_ms is None:
        raise Failure("bad-option", "the heat `time` wants times, and none were measured", exit_code=2)


def write_svg(drawing: Drawing, options: PictureOptions) -> str:
    """The static picture, or the strip of volumes."""
    theme = options.theme or "light"
    if options.style == "volumes":
        refuse_beside_volumes(options)
        from .volumes import volumes_picture

        return volumes_picture(drawing, theme)
    from .svg import svg_picture

    return svg_picture(drawing, open_to_depth(drawing, options.depth), theme, options.heat)


def refuse_beside_volumes(options: PictureOptions) -> None:
    """Raises Failure `bad-option` for what a strip of volumes has no place for."""
    for name in ("depth", "heat"):
        if getattr(options, name) is not None:
            raise Failure("bad-option", f"the style `volumes` has no {name}", "leave one of the two out", 2)


def write_dot(drawing: Drawing, options: PictureOptions) -> str:
    """A Graphviz file."""
    from .dot import dot_picture

    return dot_picture(drawing, open_to_depth(drawing, options.depth))


def write_mermaid(drawing: Drawing, options: PictureOptions) -> str:
    """A Mermaid flowchart."""
    from .mermaid import mermaid_picture

    return mermaid_picture(drawing, open_to_depth(drawing, options.depth))


def write_json(drawing: Drawing, _options: PictureOptions) -> str:
    """The drawing itself, for programs."""
    return json.dumps(drawing.to_json(), ensure_ascii=True, separators=(",", ":")) + "\n"


FORMATS = {
    "html": PictureFormat(write_html, ("depth", "theme", "heat"), explains=True),
    "svg": PictureFormat(write_svg, ("depth", "style", "theme", "heat")),
    "dot": PictureFormat(write_dot, ("depth",)),
    "mmd": PictureFormat(write_mermaid, ("depth",)),
    "json": PictureFormat(write_json, explains=True),
}
DEFAULT_FORMAT = "html"


def with_article(form: str) -> str:
    """A format's name as it is read aloud: `an svg`, `a dot`."""
    return f"{'an' if form in ('html', 'svg', 'mmd') else 'a'} {form}"


def draw_picture(drawing: Drawing, form: str, options: PictureOptions) -> str:
    """The text of a picture. Raises Failure `bad-option` for a value that an option does not take, or one that the format has no use for."""
    row = FORMATS[form]
    check_values(drawing, options)
    for name, value in options._asdict().items():
        if value is not None and name not in row.takes:
            takers = ", ".join(other for other, each in FORMATS.items() if name in each.takes)
            raise Failure("bad-option", f"{with_article(form)} file has no {name}", f"it is for {takers}", 2)
    return row.write(drawing, options)
