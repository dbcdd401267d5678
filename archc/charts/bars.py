"""Bars along the depth: where a net's activations, multiply-accumulates and parameters lie. Most nets have the first early, the last late."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..compiler.diagnostics import clean
from ..text.tables import format_count
from .bubbles import add_axes
from .labels import Rectangle
from .nets import ComparedNet
from .style import COLOURS, HATCHES, INK, drawing_settings, format_tick

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 756.0  # points
PANEL, GAP, TITLE, CHARACTER = 54.0, 9.0, 34.0, 4.4  # heights, points
MAX_NAME = 24  # characters of a stage's name: its end tells most
# a figure of more is too high for any page
MAX_NETS = 24
KINDS = ("activations", "macs", "params")
WORDS = {"activations": "activations", "macs": "MACs", "params": "parameters"}


def draw_bars(nets: Sequence[ComparedNet]) -> Figure:
    """Three rows of bars for each net, in percent of the net. Bar n of net m's kind has the gid `bar-m-kind-n`."""
    with drawing_settings():
        return draw(nets)


def draw(nets: Sequence[ComparedNet]) -> Figure:
    """The bars, net under net, drawn with matplotlib's settings as they are."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    longest = max((len(name) for net in nets for name in stage_names(net)), default=0)
    block = TITLE + 3 * PANEL + 2 * GAP + CHARACTER * longest + 16
    height = block * len(nets)
    figure = Figure(figsize=(WIDTH / 72, height / 72))
    FigureCanvasAgg(figure)
    for index, net in enumerate(nets):
        top = height - block * index
        figure.text(64 / WIDTH, (top - TITLE / 2) / height, title_of(net), fontsize=10, fontweight="bold", va="center")
        for row, kind in enumerate(KINDS):
            bottom = top - TITLE - (row + 1) * PANEL - row * GAP
            axes = add_axes(figure, Rectangle(64, bottom, WIDTH - 16, bottom + PANEL))
            draw_panel(axes, net, kind, row, f"bar-{index}-{kind}")
    return figure


def title_of(net: ComparedNet) -> str:
    """`vgg16: 15.1 M activations, 15.5 G MACs, 138 M parameters`."""
    counts = ", ".join(f"{format_count(getattr(net.figures, kind))} {WORDS[kind]}" for kind in KINDS)
    return f"{clean(net.label)[:40]}: {counts}"


def draw_panel(axes: Axes, net: ComparedNet, kind: str, row: int, gid: str) -> None:
    """The bars of one kind of cost, stage by stage."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    shares = shares_of(net, kind)
    bars = axes.bar(
        range(len(shares)),
        shares,
        width=0.78,
        color=COLOURS[row],
        hatch=HATCHES[row] or None,
        edgecolor=INK,
        linewidth=0.5,
    )
    for index, bar in enumerate(bars):
        bar.set_gid(f"{gid}-{index}")
    axes.set_xlim(-0.6, len(shares) - 0.4)
    axes.set_ylim(0, max(max(shares, default=0.0) * 1.08, 1.0))
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.yaxis.set_major_formatter(FuncFormatter(format_tick))
    axes.grid(True, axis="y")
    axes.set_axisbelow(True)
    axes.set_ylabel(f"{WORDS[kind]}, %", fontsize=7)
    axes.tick_params(labelsize=7)
    last = kind == KINDS[-1]
    axes.set_xticks(range(len(shares)) if last else [], stage_names(net) if last else [], rotation=90, fontsize=7)


def stage_names(net: ComparedNet) -> list[str]:
    """The stages' names as they stand below the bars."""
    return [clean(stage.name)[-MAX_NAME:] for stage in net.stages]


def shares_of(net: ComparedNet, kind: str) -> list[float]:
    """Each stage's share of the net, in percent."""
    values = [getattr(stage, kind) for stage in net.stages]
    whole = sum(values)
    return [100 * value / whole if whole else 0.0 for value in values]
