"""What stands beside a column: heads, and outputs that the net goes on from. layout.py tells the rules."""

from __future__ import annotations

from collections.abc import Iterator

from .drawing import Drawing, OutputItem
from .layout_pieces import Tap, shorten


def find_taps(drawing: Drawing) -> Iterator[Tap]:
    """Everything that stands beside a column."""
    in_series = drawing.outputs_in_series
    for k, output in enumerate(drawing.outputs):
        if k not in in_series:
            yield Tap(f"out:{output.name}", output.node, (OutputItem(k),))
    for head in drawing.heads:
        sub = ""
        if head.weight is not None:
            sub = f"training only, loss × {head.weight:g}"
        title = shorten(head.path) if head.weight is not None else ""
        yield Tap(f"head:{head.path}", head.source, head.items, title, sub)
