"""How charts look: colours that the colour-blind tell apart (Okabe and Ito 2008), marks and hatches that grey print keeps, and settings
under which a drawing is the same bytes each time."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..compiler.sources import zoo

INK, RULE, PAPER = "#1b1b1b", "#d4d4d4", "#ffffff"
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
# a second family of a colour is told by its hatch
HATCHES = ("", "////", "....", "xxxx")
# these have colours without a hatch
PLAIN_FAMILIES = ("resnet", "vgg", "googlenet", "inception", "alexnet", "densenet", "")
OPACITY = 0.65
FONT = "DejaVu Sans"  # matplotlib brings it along
MISSING_GLYPH = "Glyph"  # how matplotlib's warning of a character begins that the font lacks


class Marker(NamedTuple):
    """A mark of matplotlib's, and how much of the square of its size it fills, so that marks of equal figures have equal areas."""

    symbol: str
    filled: float


MARKS = (
    Marker("o", 0.7854),
    Marker("s", 1.0),
    Marker("D", 1.0),
    Marker("^", 0.5),
    Marker("h", 0.6495),
    Marker("p", 0.5944),
    Marker("v", 0.5),
)

SETTINGS: dict[str, Any] = {
    "font.family": [FONT],
    "font.size": 9,
    "text.parse_math": False,  # names may have a $
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.8,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.5,
    "hatch.color": INK,
    "figure.facecolor": PAPER,
    "figure.dpi": 72,  # a pixel is a point: radii and texts are in one unit
    "svg.fonttype": "none",  # a text stays a text, to be found and read aloud
    "svg.hashsalt": "archc",
    "path.simplify": False,
}


@contextmanager
def drawing_settings() -> Iterator[None]:
    """matplotlib under SETTINGS, whatever the user's own say; it says nothing of characters that its font lacks."""
    from matplotlib import rc_context, rcParamsDefault

    settings: Any = {**rcParamsDefault, **SETTINGS}
    settings.pop("backend")  # no window is opened
    with rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", MISSING_GLYPH)
        yield


def look_of(family: str) -> tuple[str, str]:
    """The colour and the hatch of a family of the zoo, "" for specs of one's own: the same in each chart, whatever else is in it."""
    others = sorted({path.parent.name for path in zoo().values()} - {*PLAIN_FAMILIES})
    places = {name: at for at, name in enumerate((*PLAIN_FAMILIES, *others))}
    at = places.get(family, len(places))
    return COLOURS[at % len(COLOURS)], HATCHES[at // len(COLOURS) % len(HATCHES)]


def format_tick(value: float, _position: object = None) -> str:
    """A number at an axis: `0.5`, `20`, `1,000`."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
