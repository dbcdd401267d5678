"""A selection as a file: which drawing, its title and the tips over its marks, and the bytes by the file's suffix."""

from __future__ import annotations

from ..compiler.diagnostics import Failure
from ..text.tables import format_count
from .bars import KINDS, MAX_NETS, WORDS, draw_bars
from .bubbles import draw_bubbles
from .files import to_png, to_svg
from .page import format_page
from .protocols import METRICS
from .selection import Point, Selection
from .tables import describe_chart, group_left_out, table_head, table_rows


def render_chart(chart: Selection, style: str, suffix: str) -> tuple[bytes, bool]:
    """The bytes of a chart as .svg, .png or .html, and whether its font has all of the characters.

    Raises Failure `nothing-to-draw` where no net has a place in it, or too many have.
    """
    if style == "bars" and len(chart.points) > MAX_NETS:
        raise Failure(
            "usage", f"bars of {len(chart.points)} nets make no chart; {MAX_NETS} are the most", "name fewer nets", 2
        )
    if style == "bubbles" and not chart.shown:
        whys = list(group_left_out(chart))
        raise Failure("nothing-to-draw", f"none of the {len(chart.points)} nets has a place in this chart: {'; '.join(whys[:4])}",
                      "`reported:` in a spec says what accuracy a net has; --style bars needs none", 1)  # fmt: skip
    bars = style == "bars"
    figure = draw_bars([point.net for point in chart.points]) if bars else draw_bubbles(chart)
    if suffix == ".png":
        return to_png(figure)
    title = "Costs along the depth" if bars else f"{METRICS[chart.metric].title} and costs of {len(chart.shown)} nets"
    svg = to_svg(figure, title, bar_tips(chart) if bars else bubble_tips(chart))
    if suffix == ".svg":
        return svg.encode("utf-8"), True
    notes = [
        *describe_chart(chart),
        *(f"Without a place in the chart, {why}: {', '.join(names)}." for why, names in group_left_out(chart).items()),
    ]
    # the drawing has its own title inside
    heading = title if bars else f"Accuracy and costs of {len(chart.shown)} nets"
    return format_page(heading, svg, table_head(chart), table_rows(chart), notes).encode(
        "utf-8", "backslashreplace"
    ), True


def bubble_tips(chart: Selection) -> dict[str, str]:
    """What is told over a bubble, by its gid."""
    return {f"bubble-{index}": describe_point(point) for index, point in enumerate(chart.shown)}


def describe_point(point: Point) -> str:
    """`resnet50: 76.13 %, 4.09 G MACs, 25.6 M parameters`."""
    figures = point.figures
    return f"{point.net.label}: {point.accuracy:g} %, {format_count(figures.macs)} MACs, {format_count(figures.params)} parameters"


def bar_tips(chart: Selection) -> dict[str, str]:
    """What is told over a bar, by its gid."""
    return {
        f"bar-{index}-{kind}-{at}": f"{stage.name}: {getattr(stage, kind):,} {WORDS[kind]}"
        for index, point in enumerate(chart.points)
        for kind in KINDS
        for at, stage in enumerate(point.net.stages)
    }
