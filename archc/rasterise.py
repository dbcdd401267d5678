"""An SVG as a PNG, by resvg: a wheel without system libraries, unlike CairoSVG's cairo, and faster.

resvg asks no font service: a text in a family that it does not find by name is drawn in whatever font it falls back to, or left out
without a word. So a family that this machine has is looked for first.
"""

from __future__ import annotations

import re
from typing import Any

from .compiler.diagnostics import Failure
from .runtime.packages import import_package

# the formats that are pixels, and the picture that they are made of; and how many pixels there are for each of that, unless told
PIXELS = {"png": "svg"}
PIXELS_EACH = 2.0
# as bytes of four each they are 256 MB; resvg ends the process where it gets no memory
MAX_PIXELS = 2**26
# families without serifs, of widths that fit the boxes first: those of Windows, macOS, and the Linux distributions
FAMILIES = ("Arial", "Helvetica", "Liberation Sans", "Nimbus Sans", "Arimo", "Helvetica Neue", "FreeSans", "Segoe UI", "Roboto", "Inter",
            "Open Sans", "Noto Sans", "Source Sans Pro", "Cantarell", "Ubuntu", "Lato", "DejaVu Sans", "Verdana", "Tahoma",
            "Droid Sans Fallback", "Noto Sans CJK SC", "URW Gothic", "DejaVu Serif", "Times New Roman", "Liberation Serif", "Courier New",
            "DejaVu Sans Mono", "Noto Mono")  # fmt: skip
NO_FAMILY = "archc knows no such family"
SIZE = re.compile(r'<svg [^>]*?\bwidth="([\d.]+)" height="([\d.]+)"')
PROBE = '<svg xmlns="http://www.w3.org/2000/svg" width="32" height="16"><text y="12" font-family="sans-serif">{}</text></svg>'


def rasterise(svg: str, scale: float = 1.0) -> bytes:
    """The PNG of an SVG, `scale` pixels to each of its own.

    Raises RuntimeFault `package-missing` without resvg, Failure `picture-too-large` for over MAX_PIXELS, `no-font` where this machine has none.
    """
    resvg: Any = import_package("resvg_py", "a .png", "write a .svg, which every browser shows")
    check_size(svg, scale)
    found: bytes = resvg.svg_to_bytes(svg_string=svg, zoom=scale, sans_serif_family=find_family(resvg))
    return found


def check_size(svg: str, scale: float) -> None:
    """Raises Failure `picture-too-large` where the PNG would have over MAX_PIXELS."""
    size = SIZE.search(svg)
    assert size  # it is one of ours
    width, height = (max(round(float(each) * scale), 1) for each in size.groups())
    if width * height > MAX_PIXELS:
        message = f"a .png of {width:,} × {height:,} pixels is over the limit of {MAX_PIXELS:,}"
        raise Failure("picture-too-large", message, "open less of the net with --depth, or write fewer pixels with --scale; a .svg has no limit", 2)  # fmt: skip


def find_family(resvg: Any) -> str:
    """The first of FAMILIES that this machine has; where it has none of them, a name for which resvg falls back to another font.

    Raises Failure `no-font` (environment) where nothing is drawn.
    """

    def draw(text: str, family: str) -> bytes:
        drawn: bytes = resvg.svg_to_bytes(svg_string=PROBE.format(text), sans_serif_family=family)
        return drawn

    blank, fallback = draw("", NO_FAMILY), draw("A×", NO_FAMILY)
    for family in FAMILIES:
        if draw("A×", family) not in (blank, fallback):
            return family
    if fallback != blank:
        return NO_FAMILY
    raise Failure("no-font", "this machine has no font for the words of a .png",
                  "install one (Debian: apt install fonts-liberation), or write a .svg, which is shown in the reader's font", 3)  # fmt: skip
