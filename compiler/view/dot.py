"""A picture as a Graphviz file: frames are clusters. Names of boxes are made up, so that no text of a spec can be a word of the language."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import count

from .drawing import Drawing
from .layout import open_to_depth
from .layout_pieces import shape_text
from .theme import LIGHT
from .visible import ShownBox, ShownFrame, Visible, boxes_of


def dot_picture(drawing: Drawing, opened: Collection[str] | None = None) -> str:
    """The text of a .dot file. `opened` are the keys of what is open, all by default."""
    visible = Visible(drawing, open_to_depth(drawing, None) if opened is None else opened)
    names = {box.key: f"n{i}" for i, box in enumerate(boxes_of(visible.parts))}
    return "\n".join([*dot_lines(drawing, visible, names), ""])


def dot_lines(drawing: Drawing, visible: Visible, names: dict[str, str]) -> Iterator[str]:
    """The lines of the file."""
    yield f"digraph {quote(drawing.name)} {{"
    yield f'  graph [label={quote(drawing.summary)}, fontname="Helvetica", fontsize=11, compound=true, ranksep=0.3];'
    yield '  node [shape=box, style="rounded,filled", fillcolor="white", fontname="Helvetica", fontsize=11, margin="0.12,0.05"];'
    yield '  edge [fontname="Helvetica", fontsize=9, arrowsize=0.7, color="#57606a", fontcolor="#57606a"];'
    frames = count(1)
    for part in visible.parts:
        yield from part_lines(part, names, "  ", frames)
    for edge in visible.edges():
        label = f"label={quote(' ' + shape_text(edge.shape))}" if edge.shape is not None else ""
        options = ", ".join([label] * bool(label) + ["style=dashed"] * edge.is_side)
        yield f"  {names[edge.source]} -> {names[edge.target]}{f' [{options}]' if options else ''};"
    yield "}"


def part_lines(part: ShownBox | ShownFrame, names: dict[str, str], indent: str, frames: Iterator[int]) -> Iterator[str]:
    """The lines of a box, or of a frame and what is in it. `frames` numbers the frames."""
    if isinstance(part, ShownBox):
        title = f"{part.title}  ×{part.rounds}" if part.rounds else part.title
        if part.shape == "circle":  # too small for its companions
            label = f"{quote(title)}, xlabel={quote(part.sub)}"
        else:
            label = quote(f"{title}\n{part.sub}" if part.sub else title)
        yield f"{indent}{names[part.key]} [label={label}, {box_style(part)}];"
        return
    yield f"{indent}subgraph cluster_{next(frames)} {{"
    words = [part.title, part.sub, f"×{part.rounds}" if part.rounds else ""]
    style = "rounded,dashed" if part.is_side else "rounded,filled"
    yield f'{indent}  graph [label={quote("  ".join(w for w in words if w))}, labeljust=l, style="{style}", fillcolor="#f6f7f8", color="#afb8c1"];'
    for inner in part.parts:
        yield from part_lines(inner, names, indent + "  ", frames)
    yield f"{indent}}}"


def box_style(box: ShownBox) -> str:
    """How a box looks: merges are filled, the others have their family's colour as a frame."""
    colour = LIGHT.families.get(box.family, LIGHT.line)
    if box.shape == "circle":
        return f'shape=circle, margin=0, width=0.3, fixedsize=true, color="{colour}"'
    if box.shape == "bar":
        return f'fillcolor="{colour}", fontcolor="white", color="{colour}"'
    if box.shape in ("input", "output"):
        return 'shape=oval, color="#1b1f24"'
    return f'color="{colour}"' + (", peripheries=2" if box.shape == "stack" else "")


def quote(text: str) -> str:
    """A text as a quoted string of DOT. A line break is `\\n` in it, and a zero byte cannot be in one."""
    return (
        '"'
        + text.replace("\0", "").replace("\\", "\\\\").replace('"', '\\"').replace("\r", "").replace("\n", "\\n")
        + '"'
    )
