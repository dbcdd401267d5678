"""A drawing as the bytes of a file: svg whose texts are texts, or png. The same chart gives the same bytes."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from ..compiler.diagnostics import clean
from ..runtime.packages import import_package
from .style import MISSING_GLYPH, drawing_settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PNG_DPI = 200


def require_matplotlib() -> None:
    """Imports matplotlib. Raises RuntimeFault `package-missing` (environment) where it is not installed, or does not import."""
    # it tells of its list of fonts, and of a home where it can keep none: nothing that a user of archc can do something about
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import_package("matplotlib", "a chart", "--format markdown prints the figures as a table")


def to_svg(figure: Figure, title: str, tips: Mapping[str, str]) -> str:
    """The figure as SVG. `tips` are texts by gid, which a browser shows over the mark, and a screen reader reads."""
    out = io.BytesIO()
    with drawing_settings():
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": "archc", "Title": clean(title)})
    text = out.getvalue().decode("utf-8")
    for gid, tip in tips.items():
        text = text.replace(f'<g id="{gid}">', f'<g id="{gid}"><title>{escape(clean(tip))}</title>', 1)
    return re.sub(r"<svg ", f'<svg role="img" aria-label="{escape(clean(title))}" ', text, count=1)


def to_png(figure: Figure) -> tuple[bytes, bool]:
    """The figure as PNG, and whether its font has all of the characters: those that it lacks are boxes."""
    out = io.BytesIO()
    with drawing_settings(), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        figure.savefig(out, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return out.getvalue(), not any(str(each.message).startswith(MISSING_GLYPH) for each in told)
