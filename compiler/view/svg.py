"""A picture as one static SVG, which renders alike in browsers, Inkscape, librsvg and CairoSVG.

So colours are attributes and no CSS variables, arrowheads are paths and no markers, and texts stand where the layout puts them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from math import log2

from ..counts import format_count, format_share
from .drawing import CardItem, Drawing, GroupItem, OpItem, RepeatItem, Shape
from .heat import STEPS, Heat, format_measure, measure_boxes
from .layout import Box, Edge, Label, Layout, lay_out, open_to_depth
from .layout_pieces import SMALL, channels, shape_text, shorten, text_width
from .layout_place import number
from .theme import THEMES, Theme

FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
LEGEND = 28  # the height of the legend of a heat
LEGEND_WIDTH = 16 + (STEPS + 1) * 16 + 8 + 16  # without its text
COMMANDS = re.compile(r"([MVHq])([-\d. ]*)")
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
EDGE_WIDTHS = {"": 1.3, "skip": 2.0, "side": 1.6, "tap": 1.3}


def svg_picture(
    drawing: Drawing, opened: Collection[str] | None = None, theme: str = "light", heat: str | None = None
) -> str:
    """The SVG of a drawing. `opened` are the keys of what is open, all by default; `heat` is one of HEATS."""
    layout = lay_out(drawing, open_to_depth(drawing, None) if opened is None else opened)
    heated = measure_boxes(drawing, layout.boxes, heat) if heat else None
    width, height = layout.width, layout.height
    if heated:
        width, height = max(width, LEGEND_WIDTH + text_width(legend_text(heated), SMALL)), height + LEGEND
    return svg_document(drawing, width, height, THEMES[theme], [*Painter(THEMES[theme], heated).paint(layout)])


def svg_document(drawing: Drawing, width: float, height: float, theme: Theme, parts: list[str]) -> str:
    """The whole file around its parts."""
    title = f"{drawing.name}: {drawing.summary}" if drawing.summary else drawing.name
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {number(width)} {number(height)}" '
        f'width="{number(width)}" height="{number(height)}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(describe(drawing))}</desc>",
        f'<rect width="{number(width)}" height="{number(height)}" fill="{theme.background}"/>',
        f'<g font-family="{FONT}" font-size="11" fill="{theme.ink}">',
        *parts,
        "</g>",
        "</svg>",
        "",
    ])  # fmt: skip


def describe(drawing: Drawing) -> str:
    """What a picture shows, for who cannot see it."""
    takes = ", ".join(f"{i.name} {shape_text(i.shape)}" for i in drawing.inputs)
    gives = ", ".join(f"{o.name} {shape_text(o.shape)}" for o in drawing.outputs)
    costs = f"{format_count(drawing.totals.params)} parameters, {format_count(drawing.totals.macs)} MACs"
    heads = f", and {', '.join(h.path for h in drawing.heads)} beside the trunk" if drawing.heads else ""
    return f"From {takes} to {gives}{heads}; {len(drawing.nodes)} nodes, {costs}."


class Painter:
    """Writes what a layout has, in one theme."""

    def __init__(self, theme: Theme, heat: Heat | None) -> None:
        self.theme, self.heat = theme, heat

    def paint(self, layout: Layout) -> Iterator[str]:
        """All parts: frames and boxes, edges, labels, a legend."""
        for box in layout.boxes:
            yield f'<g transform="translate({number(box.x)} {number(box.y)})">{tooltip(box)}{"".join(self.paint_box(box))}</g>'
        for kind in EDGE_WIDTHS:
            edges = [edge for edge in layout.edges if edge.kind == kind]
            if edges:
                yield from self.paint_edges(edges, kind)
        for label in layout.labels:
            yield self.paint_label(label)
        if self.heat:
            yield from self.paint_legend(self.heat, layout.height)

    # ---- boxes

    def paint_box(self, box: Box) -> Iterator[str]:
        """The parts of one box, from its left top."""
        match box.shape:
            case "tag":
                yield self.small(box.title, 0, 11)
            case "circle":
                yield from self.paint_circle(box)
            case "bar":
                yield self.frame(box, self.theme.families["merge"], "none", 4)
                yield text(
                    box.title, box.w / 2, 12, f'font-size="10" text-anchor="middle" fill="{self.theme.background}"'
                )
            case "open" | "head":
                yield from self.paint_frame(box)
            case "input" | "output":
                yield self.frame(box, self.theme.card, self.theme.ink, 12)
                yield text(box.title, box.w / 2, 16, 'text-anchor="middle"')
            case _:
                yield from self.paint_card(box)

    def paint_circle(self, box: Box) -> Iterator[str]:
        """A merge whose title is one sign, and its companions at the left."""
        colour, x, y = self.theme.families["merge"], box.label_width + 10, 10
        yield f'<circle cx="{number(x)}" cy="{y}" r="9" fill="{self.theme.card}" stroke="{colour}" stroke-width="1.6"/>'
        stroke = f'stroke="{colour}" stroke-width="1.8" fill="none"'
        if box.title == "+":
            yield f'<path d="M{number(x)} 5.5v9M{number(x - 4.5)} 10h9" {stroke}/>'
        elif box.title == "×":
            yield f'<path d="M{number(x - 3.5)} 6.5l7 7M{number(x - 3.5)} 13.5l7 -7" {stroke}/>'
        else:
            yield text(box.title, x, 14, f'text-anchor="middle" fill="{colour}"')
        if box.sub:
            yield self.small(box.sub, 0, 14)

    def paint_frame(self, box: Box) -> Iterator[str]:
        """What is open, or stands beside the trunk: its header."""
        if box.shape == "head":
            yield self.frame(box, "none", self.theme.line, 6, ' stroke-dasharray="4 3"')
        else:
            yield self.frame(box, self.theme.frame, self.theme.line, 6)
        sub = f'<tspan dx="8" font-weight="normal" font-size="9.5" fill="{self.theme.muted}">{escape(box.sub)}</tspan>'
        yield (
            f'<text x="9" y="15"><tspan font-weight="600">{escape(box.title)}</tspan>{sub if box.sub else ""}</text>'
        )
        if box.rounds:
            yield self.badge(box.w - 34, 4, box.rounds)

    def paint_card(self, box: Box) -> Iterator[str]:
        """An op, a card, a closed group or a closed repeat."""
        step = self.heat.step(box) if self.heat else 0
        fill = self.theme.heat[step] if self.heat else self.theme.card
        ink = f' fill="{self.theme.heat_ink[step]}"' if self.heat else ""
        if box.shape == "stack":
            for by in (6, 3):
                yield (
                    f'<rect x="{by}" y="{-by}" width="{number(box.w - by)}" height="{number(box.h)}" rx="6" '
                    f'fill="{fill}" stroke="{self.theme.line}"/>'
                )
        yield self.frame(box, fill, self.theme.line, 6)
        if box.family == "group":
            yield text(box.title, 10, 16, f'font-weight="600"{ink}')
            yield self.small(box.sub, 10, 30, ink)
        else:
            colour = self.theme.families[box.family]
            yield f'<rect width="4" height="{number(box.h)}" rx="2" fill="{colour}"/>'
            middle = (box.w - (30 if box.rounds else 0)) / 2 + 2
            yield text(box.title, middle, 15 if box.sub else 16, f'text-anchor="middle"{ink}')
            if box.sub:
                yield self.small(box.sub, middle, 28, f' text-anchor="middle"{ink}')
        if box.rounds:
            yield self.badge(box.w - 34, 4, box.rounds)
        if self.heat and self.heat.share(box) > 0.0005:
            room = box.w - 10
            colour = self.theme.heat_ink[step] if step >= STEPS - 1 else self.theme.cost
            yield f'<rect x="6" y="{number(box.h - 4)}" width="{number(room)}" height="2.5" fill="{self.theme.line}" fill-opacity="0.4"/>'
            yield (
                f'<rect x="6" y="{number(box.h - 4)}" width="{number(max(1.0, room * self.heat.share(box)))}" '
                f'height="2.5" fill="{colour}"/>'
            )

    def frame(self, box: Box, fill: str, stroke: str, radius: int, more: str = "") -> str:
        """The rectangle of a box."""
        return f'<rect width="{number(box.w)}" height="{number(box.h)}" rx="{radius}" fill="{fill}" stroke="{stroke}"{more}/>'

    def small(self, words: str, x: float, y: float, more: str = "") -> str:
        """A text of the second size."""
        colour = "" if "fill=" in more else f' fill="{self.theme.muted}"'
        return text(words, x, y, f'font-size="9.5"{colour}{more}')

    def badge(self, x: float, y: float, rounds: int) -> str:
        """How many rounds there are."""
        return (
            f'<rect x="{number(x)}" y="{number(y)}" width="28" height="15" rx="7.5" fill="{self.theme.ink}"/>'
            + text(f"×{rounds}", x + 14, y + 11,
                   f'font-size="{"10" if rounds < 1000 else "8"}" font-weight="600" text-anchor="middle" fill="{self.theme.background}"')
        )  # fmt: skip

    # ---- edges and labels

    def paint_edges(self, edges: list[Edge], kind: str) -> Iterator[str]:
        """The edges of one kind, and their heads."""
        colour = self.theme.families["merge"] if kind in ("skip", "side") else self.theme.edge
        dash = ' stroke-dasharray="4 3"' if kind == "tap" else ""
        yield f'<g fill="none" stroke="{colour}" stroke-width="{EDGE_WIDTHS[kind]}"{dash}>'
        yield from (f'<path d="{edge.path}"/>' for edge in edges)
        yield "</g>"
        heads = "".join(arrowhead(edge.path) for edge in edges if edge.arrow)
        if heads:
            yield f'<path d="{heads}" fill="{colour}"/>'

    def paint_label(self, label: Label) -> str:
        """A slab whose width tells the channels and whose height the resolution, and the shape in words."""
        w, h = slab_size(label.shape)
        return (
            f'<g transform="translate({number(label.x)} {number(label.y)})">'
            f'<rect x="{number(-w / 2)}" y="{number(-h / 2)}" width="{number(w)}" height="{number(h)}" '
            f'fill="{self.theme.tensor}" stroke="{self.theme.edge}" stroke-width="0.8"/>'
            f"{self.small(shape_text(label.shape), w / 2 + 6, 3.5)}</g>"
        )

    def paint_legend(self, heat: Heat, y: float) -> Iterator[str]:
        """What the colours tell."""
        yield f'<g transform="translate(16 {number(y)})">'
        for step, colour in enumerate(self.theme.heat):
            yield f'<rect x="{step * 16}" width="16" height="12" fill="{colour}" stroke="{self.theme.line}"/>'
        yield f"{self.small(legend_text(heat), (STEPS + 1) * 16 + 8, 9.5)}</g>"


def tooltip(box: Box) -> str:
    """The path of what a box stands for, which a pointer on it shows; nothing for what is no step."""
    is_step = isinstance(box.item, (OpItem, CardItem, GroupItem, RepeatItem))
    return f"<title>{escape(shorten(re.sub('^##?', '', box.key)))}</title>" if is_step else ""


def legend_text(heat: Heat) -> str:
    """What the darkest colour of a heat stands for."""
    share = f", {format_share(heat.peak / heat.total)} of the net" if heat.total else ""
    return f"up to {format_measure(heat.peak, heat.name)}{share}"


def slab_size(shape: Shape) -> tuple[float, float]:
    """Width and height of a slab, by the logarithms of channels and resolution."""
    resolution = shape[1] if len(shape) > 1 and isinstance(shape[1], int) and shape[1] > 0 else 1
    return 6 + 4 * log2(channels(shape)), 2 + 1.6 * log2(resolution)


def arrowhead(path: str) -> str:
    """The triangle at the end of a path, as a path."""
    x = y = dx = 0.0
    dy = 1.0
    for command, numbers in COMMANDS.findall(path):
        n = [float(v) for v in numbers.split()]
        if command == "M":
            x, y = n
        elif command == "V":
            dx, dy, y = 0.0, (1.0 if n[0] >= y else -1.0), n[0]
        elif command == "H":
            dx, dy, x = (1.0 if n[0] >= x else -1.0), 0.0, n[0]
        else:
            x, y = x + n[2], y + n[3]
    left = f"{number(x - 6 * dx - 3 * dy)} {number(y - 6 * dy - 3 * dx)}"
    right = f"{number(x - 6 * dx + 3 * dy)} {number(y - 6 * dy + 3 * dx)}"
    return f"M{number(x)} {number(y)}L{left}L{right}z"


def text(words: str, x: float, y: float, more: str) -> str:
    """A text at a place."""
    return f'<text x="{number(x)}" y="{number(y)}" {more}>{escape(words)}</text>'


def escape(words: str) -> str:
    """A text in XML; characters that XML has not are replaced."""
    kept = NOT_XML.sub("�", words)
    return kept.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
