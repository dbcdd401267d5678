"""A picture as a Mermaid flowchart, which GitHub and others draw from a README. Frames are subgraphs.

Names of boxes are made up, so that none is a word of the language (`end`, `click`), and every sign of a text that could end it, be
HTML or be Markdown is written by its number.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import count

from .drawing import Drawing
from .layout import open_to_depth
from .layout_pieces import shape_text
from .theme import LIGHT
from .visible import ShownBox, ShownFrame, Visible, boxes_of

MOST_EDGES = 500  # what Mermaid draws unless its host raises it; GitHub does not
SPECIAL = re.compile(r"[^\w ×·→…,./+-]|_|^[+-]")  # a list in Markdown begins with `-`, a stress with `_`
BRACKETS = {"circle": ('(("', '"))'), "input": ('(["', '"])'), "output": ('(["', '"])'), "stack": ('[["', '"]]')}


def mermaid_picture(drawing: Drawing, opened: Collection[str] | None = None) -> str:
    """The text of a .mmd file. `opened` are the keys of what is open, all by default."""
    visible = Visible(drawing, open_to_depth(drawing, None) if opened is None else opened)
    names = {box.key: f"n{i}" for i, box in enumerate(boxes_of(visible.parts))}
    return "\n".join([*mermaid_lines(visible, names), ""])


def count_edges(mermaid: str) -> int:
    """How many edges a flowchart has, to hold against MOST_EDGES."""
    return sum(1 for line in mermaid.splitlines() if "-->" in line or "-.->" in line)


def mermaid_lines(visible: Visible, names: dict[str, str]) -> Iterator[str]:
    """The lines of the file."""
    yield "flowchart TD"
    frames = count(1)
    for part in visible.parts:
        yield from part_lines(part, names, "  ", frames)
    for edge in visible.edges():
        arrow = "-.->" if edge.is_side else "-->"
        label = f'|"{escape(shape_text(edge.shape))}"|' if edge.shape is not None else ""
        yield f"  {names[edge.source]} {arrow}{label} {names[edge.target]}"
    families: dict[str, list[str]] = {}
    for box in boxes_of(visible.parts):
        if box.family in LIGHT.families and box.shape not in ("input", "output"):
            families.setdefault(box.family, []).append(names[box.key])
    for family, members in families.items():
        yield f"  classDef of_{family} stroke:{LIGHT.families[family]},stroke-width:2px"
        yield f"  class {','.join(members)} of_{family}"


def part_lines(part: ShownBox | ShownFrame, names: dict[str, str], indent: str, frames: Iterator[int]) -> Iterator[str]:
    """The lines of a box, or of a frame and what is in it. `frames` numbers the frames."""
    if isinstance(part, ShownBox):
        title = f"{part.title} ×{part.rounds}" if part.rounds else part.title
        label = f"{escape(title)}<br/>{escape(part.sub)}" if part.sub else escape(title)
        opening, closing = BRACKETS.get(part.shape, ('["', '"]'))
        yield f"{indent}{names[part.key]}{opening}{label}{closing}"
        return
    words = " ".join(w for w in (part.title, part.sub, f"×{part.rounds}" if part.rounds else "") if w)
    yield f'{indent}subgraph g{next(frames)}["{escape(words)}"]'
    for inner in part.parts:
        yield from part_lines(inner, names, indent + "  ", frames)
    yield f"{indent}end"


def escape(text: str) -> str:
    """A text within a label's quotes: signs but a few by their numbers, as Mermaid reads them."""
    return SPECIAL.sub(lambda found: f"#{ord(found[0])};", text)
