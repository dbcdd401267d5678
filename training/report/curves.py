"""Charts as SVG inside a page, in the page's own colours: so they are dark where the page is.

Lines differ in colour and in their dashes; the colours are those of Okabe and Ito (2008), which the colour-blind tell apart, a darker or lighter
form of each where a theme needs it. Names are colours of matplotlib here and variables of the page's style there.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ...runtime.faults import escape_controls
from ...runtime.packages import import_package
from .series import Chart, Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# what matplotlib writes, and the variable of the page that takes its place
INK, RULE = "#1b1b1b", "#d4d4d4"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES: Sequence[Any] = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)), (0, (10, 3)), (0, (1, 1)))
VARIABLES = {INK: "--ink", RULE: "--line"} | {colour: f"--line-{at}" for at, colour in enumerate(COLOURS)}
SIZE = (5.6, 3.1)  # inches of 72 points: a point is a pixel where the page is as wide as two charts
# of the figure: left, bottom, width, height. Margins of one size, as a layout that is searched for takes as long as the drawing
AXES = (0.15, 0.17, 0.83, 0.74)
LOG_RANGE = 30  # a learning rate that falls further is drawn on a logarithmic scale

SETTINGS: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 11,
    "text.parse_math": False,
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
    "figure.facecolor": "none",
    "figure.dpi": 72,
    "svg.fonttype": "none",
    "svg.hashsalt": "archc",
}

STYLE = """\
:root { --line-0: #0072b2; --line-1: #c24e00; --line-2: #00805d; --line-3: #a8487f; --line-4: #946400; --line-5: #2a7fae; }
@media (prefers-color-scheme: dark) {
  :root { --line-0: #56b4e9; --line-1: #ff9655; --line-2: #35cfa2; --line-3: #e8a6cb; --line-4: #f0c24a; --line-5: #9fd3f2; }
}
"""


def require_matplotlib() -> None:
    """Imports matplotlib. Raises RuntimeFault `package-missing` (environment) where it is missing: asked before a run, and not at its end."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import_package("matplotlib", "the report of a run")


def draw_charts(charts: Sequence[Chart]) -> list[str]:
    """Each chart as an <svg> with a text for screen readers."""
    require_matplotlib()
    from matplotlib import rc_context, rcParamsDefault

    settings: Any = {**rcParamsDefault, **SETTINGS}
    settings.pop("backend")
    with rc_context(settings):
        return [embed(draw_chart(chart), describe_chart(chart), f"c{at}-") for at, chart in enumerate(charts)]


def draw_chart(chart: Chart) -> str:
    """A chart as matplotlib's SVG."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE)
    FigureCanvasSVG(figure)
    axes = figure.add_axes(AXES)
    for at, line in enumerate(chart.lines):
        draw_line(axes, line, at)
    set_scales(axes, chart)
    if chart.best is not None:
        axes.axvline(chart.best, color=INK, linewidth=0.8, linestyle=":", zorder=0)
        # above the lines, which may end there
        axes.annotate(
            "best", (chart.best, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=10
        )
    if len(chart.lines) > 1:
        axes.legend(frameon=False, fontsize=10, handlelength=2.6)
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": "archc"})
    return out.getvalue().decode("utf-8")


def draw_line(axes: Axes, line: Line, at: int) -> None:
    """A line; few points are marked, as one alone is no line."""
    x, y = [point[0] for point in line.points], [point[1] for point in line.points]
    axes.plot(x, y, color=COLOURS[at % len(COLOURS)], linestyle=DASHES[at % len(DASHES)], linewidth=1.6 if len(x) < 200 else 1.1,
              marker="o" if len(x) < 30 else "", markersize=3.5, label=escape_controls(line.name)[:60])  # fmt: skip


def set_scales(axes: Axes, chart: Chart) -> None:
    """The axes: epochs from 0, shares in per cent, what falls over decades logarithmic."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    values = [y for line in chart.lines for _, y in line.points]
    axes.set_xlabel("epoch")
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    if chart.share:
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    elif min(values) > 0 and max(values) > LOG_RANGE * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif chart.from_zero:
        axes.set_ylim(0, 1.08 * max(values) or 1)
    axes.grid(True, axis="y")
    axes.set_axisbelow(True)


def describe_chart(chart: Chart) -> str:
    """`Loss over epochs; validation: from 2.3 to 0.41`."""
    ends = [f"{line.name}: from {line.points[0][1]:.3g} to {line.points[-1][1]:.3g}" for line in chart.lines]
    falls = [line.name for line in chart.lines if all(after[1] <= before[1] for before, after in pairwise(line.points))]
    tail = f"; {' and '.join(falls)} never rises" if falls and not chart.share else ""
    return f"{chart.title} over epochs; {'; '.join(ends)}{tail}"


def embed(svg: str, text: str, prefix: str) -> str:
    """The SVG without what only a file of its own has, in the page's colours, its ids made its own by a prefix."""
    inner = svg[svg.index("<svg ") :]
    inner = re.sub(r"<metadata>.*?</metadata>\s*", "", inner, count=1, flags=re.S)
    inner = re.sub(r'\b(id="|xlink:href="#|url\(#)', rf"\g<1>{prefix}", inner)
    for colour, name in VARIABLES.items():
        inner = inner.replace(f": {colour}", f": var({name})")
    return re.sub(r"<svg ", f'<svg role="img" aria-label="{escape(escape_controls(text))}" ', inner, count=1)
