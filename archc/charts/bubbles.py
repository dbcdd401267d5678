"""The bubble chart: what a net costs across, how accurate it is up, its parameters as the area. After Canziani, Paszke, Culurciello 2016, figure 2."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..compiler.diagnostics import clean
from ..text.tables import format_count
from .labels import Circle, Rectangle, place_labels
from .protocols import METRICS
from .selection import MEASURED, Point, Selection
from .style import INK, MARKS, OPACITY, PAPER, drawing_settings, format_tick, look_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 756.0, 500.0  # points
FRAME = Rectangle(56.0, 50.0, 592.0, 446.0)
LARGEST_AREA, LARGEST_OF_MANY = 2400.0, 1100.0  # points²
MANY = 24  # nets
LOGARITHMIC_FROM = 30.0  # the largest over the smallest
STEPS = (1, 2, 2.5, 5, 10)  # of ticks
FAR = 14.0  # points between a mark and its label from which on a line joins them


def draw_bubbles(chart: Selection) -> Figure:
    """The chart as a figure of matplotlib. Mark n and its label have the gids `bubble-n` and `label-n`, n as in `chart.shown`."""
    with drawing_settings():
        return draw(chart)


def draw(chart: Selection) -> Figure:
    """The frame with its bubbles and the key beside it, drawn with matplotlib's settings as they are."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72))
    FigureCanvasAgg(figure)
    axes = add_axes(figure, FRAME)
    points = chart.shown
    most = max(point.figures.params for point in points)
    scale = (LARGEST_AREA if len(points) <= MANY else LARGEST_OF_MANY) / most if most else 0.0
    families = list(dict.fromkeys(point.net.family for point in points))
    lay_axes(axes, chart)
    # large ones first, so that they hide no small one
    for index in sorted(range(len(points)), key=lambda i: -points[i].figures.params):
        point = points[index]
        draw_mark(
            axes,
            point,
            scale,
            point.net.family,
            chart,
            f"bubble-{index}",
            point.x or 0.0,
            point.accuracy or 0.0,
        )
    draw_labels(figure, axes, points, scale)
    draw_titles(figure, chart)
    draw_legends(figure, chart, families, scale)
    return figure


def add_axes(figure: Figure, box: Rectangle) -> Axes:
    """Axes in a box of the figure, in points."""
    width, height = figure.get_size_inches() * 72
    return figure.add_axes(
        (box.left / width, box.bottom / height, (box.right - box.left) / width, (box.top - box.bottom) / height)
    )


def lay_axes(axes: Axes, chart: Selection) -> None:
    """Scales, ticks and titles of the axes; the largest mark fits at each side."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

    across = [point.x or 0.0 for point in chart.shown]
    up = [point.accuracy or 0.0 for point in chart.shown]
    margin = math.sqrt(LARGEST_AREA / math.pi) + 8
    if max(across) / min(across) > LOGARITHMIC_FROM:
        axes.set_xscale("log")
        low, high = widen(math.log10(min(across)), math.log10(max(across)), margin / (FRAME.right - FRAME.left), 0.2)
        axes.set_xlim(10**low, 10**high)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(LogLocator(subs=()))
    else:
        axes.set_xlim(*widen(min(across), max(across), margin / (FRAME.right - FRAME.left), max(across) / 2))
        axes.xaxis.set_major_locator(MaxNLocator(8, steps=STEPS))
    axes.set_ylim(*widen(min(up), max(up), margin / (FRAME.top - FRAME.bottom), 1.0))
    axes.yaxis.set_major_locator(MaxNLocator(8, steps=STEPS))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(format_tick))
    axes.grid(True)
    axes.set_axisbelow(True)
    axes.set_xlabel(chart.axis.title)
    axes.set_ylabel(f"{METRICS[chart.metric].title}, %")


def widen(low: float, high: float, share: float, least: float) -> tuple[float, float]:
    """A range with `share` of the whole free at each end; one of no width has `least` instead."""
    span = (high - low) or least
    free = share * span / (1 - 2 * share)
    rest = (least if high == low else 0.0) / 2
    return low - free - rest, high + free + rest


def draw_mark(
    axes: Axes, point: Point, scale: float, family: str, chart: Selection, gid: str, x: float, y: float
) -> None:
    """A mark whose area is the net's parameters."""
    colour, hatch = look_of(family)
    mark = MARKS[chart.protocols.index(point.protocol)] if point.protocol else MARKS[0]
    size = max(point.figures.params * scale / mark.filled, 1.0)
    drawn = axes.scatter([x], [y], s=size, marker=mark.symbol, facecolor=colour, alpha=OPACITY, edgecolor=INK, linewidth=0.7, hatch=hatch or None,
                         zorder=3, clip_on=False)  # fmt: skip
    drawn.set_gid(gid)


def draw_labels(figure: Figure, axes: Axes, points: Sequence[Point], scale: float) -> None:
    """The nets' names beside their marks, each with a line to its mark where it stands far from it."""
    renderer: Any = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    marks = []
    for point in points:
        x, y = axes.transData.transform((point.x or 0.0, point.accuracy or 0.0))
        marks.append(Circle(float(x), float(y), math.sqrt(max(point.figures.params * scale, 1.0) / math.pi)))
    size = 8 if len(points) <= MANY else 6.5
    texts = [
        figure.text(0, 0, cut_label(point.net.label), fontsize=size, ha="center", va="center", zorder=6)
        for point in points
    ]
    extents = [text.get_window_extent(renderer) for text in texts]
    boxes = place_labels(marks, [(each.width, each.height) for each in extents], FRAME)
    for index, (text, box, mark) in enumerate(zip(texts, boxes, marks, strict=True)):
        text.set_position((box.centre[0] / WIDTH, box.centre[1] / HEIGHT))
        text.set_gid(f"label-{index}")
        draw_leader(figure, box, mark)


def cut_label(label: str) -> str:
    """A label that may be printed, cut where it is too long for the chart."""
    shown = clean(label)
    return shown if len(shown) <= 40 else shown[:39] + "…"


def draw_leader(figure: Figure, box: Rectangle, mark: Circle) -> None:
    """A line from the centre of a mark to its label, if that is far away: among marks that overlap, only the centre tells which it is."""
    from matplotlib.lines import Line2D

    x, y = min(max(mark.x, box.left), box.right), min(max(mark.y, box.bottom), box.top)
    if math.hypot(x - mark.x, y - mark.y) - mark.radius > FAR:
        across, up = [mark.x / WIDTH, x / WIDTH], [mark.y / HEIGHT, y / HEIGHT]
        figure.add_artist(
            Line2D(across, up, color=INK, linewidth=0.5, marker="o", markersize=2.5, markevery=[0], zorder=5)
        )


def draw_titles(figure: Figure, chart: Selection) -> None:
    """The metric above, and below it under what the figures hold."""
    protocol = chart.protocols[0].description if len(chart.protocols) == 1 else "several protocols, by mark"
    lines = [protocol, f"{len(chart.shown)} of {len(chart.points)} nets"]
    if chart.axis.name in MEASURED and chart.setting:
        lines.append(chart.setting.description)
    figure.text(
        FRAME.left / WIDTH, 480 / HEIGHT, METRICS[chart.metric].title, fontsize=13, fontweight="bold", va="center"
    )
    figure.text(FRAME.left / WIDTH, 461 / HEIGHT, clean(" · ".join(lines)), fontsize=9, va="center")


def draw_legends(figure: Figure, chart: Selection, families: Sequence[str], scale: float) -> None:
    """Beside the chart: what an area is, what a colour is, and what a mark is where there are several."""
    side = add_axes(figure, Rectangle(604.0, 0.0, WIDTH, HEIGHT))
    side.set_axis_off()
    side.set_xlim(604, WIDTH)
    side.set_ylim(0, HEIGHT)
    y = draw_areas(side, chart, scale, 440.0)
    if len(families) > 1:
        y = draw_heading(side, "family", y)
        for family in families:
            y = draw_key(side, clean(family) or "own spec", MARKS[0].symbol, *look_of(family), y)
    if len(chart.protocols) > 1:
        y = draw_heading(side, "protocol", y)
        for mark, protocol in zip(MARKS, chart.protocols, strict=False):
            y = draw_key(side, cut_label(protocol.description), mark.symbol, PAPER, "", y)


def draw_heading(side: Axes, text: str, y: float) -> float:
    side.text(608, y, text, fontweight="bold", va="center", fontsize=8)
    return y - 15


def draw_key(side: Axes, text: str, symbol: str, colour: str, hatch: str, y: float) -> float:
    """One row of the key, a mark and its text, at the height `y`. Gives the height of the next row."""
    side.scatter(
        [614],
        [y],
        s=60,
        marker=symbol,
        facecolor=colour,
        alpha=OPACITY,
        edgecolor=INK,
        linewidth=0.7,
        hatch=hatch or None,
    )
    side.text(624, y, text, va="center", fontsize=7 if len(text) < 26 else 5.5)
    return y - 14


def draw_areas(side: Axes, chart: Selection, scale: float, y: float) -> float:
    """Marks of round numbers of parameters."""
    y = draw_heading(side, "area: parameters", y)
    for count in round_counts(max(point.figures.params for point in chart.shown)):
        radius = math.sqrt(count * scale / math.pi)
        y -= max(radius, 5)
        drawn = side.scatter(
            [636], [y], s=count * scale / MARKS[0].filled, facecolor=PAPER, edgecolor=INK, linewidth=0.7
        )
        drawn.set_gid(f"area-{count}")
        side.text(668, y, re.sub(r"\.0+", "", format_count(count)), va="center", fontsize=8)
        y -= max(radius, 5) + 4
    return y - 10


def round_counts(largest: int) -> list[int]:
    """Up to three round numbers of which the first is at most `largest`, each about a fifth of the one before."""
    if largest < 1:
        return []
    power = 10 ** (len(str(largest)) - 1)
    first = next(digit * power for digit in (5, 2, 1) if digit * power <= largest)
    found = [first, first // 5, first // 25]
    return [count for count in found if count]
