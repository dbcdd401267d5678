"""Diagnostics of expansion: each with the blocks and repeats through which its step was reached."""

from __future__ import annotations

from ..diagnostics import Collector, Diagnostic, Note
from ..ir.provenance import Frame
from ..ops.fields import quote_value
from .context import Context

FRAMES_SHOWN = 4


def report_in_context(diagnostics: Collector, diagnostic: Diagnostic, ctx: Context | None) -> None:
    """Adds a diagnostic with the frames of its context as notes, innermost first, without branches: the paths name them."""
    if diagnostic.code == "wrong-type" and not diagnostic.help and ctx and diagnostic.span:
        # late: only a mistake pays for its explanation
        from .bare_names import advise_expression

        span = diagnostic.span
        text = span.source.line(span.line)[span.column - 1 : span.end_column - 1]
        diagnostic = diagnostic._replace(help=advise_expression(text.strip("'\""), ctx.names))
    diagnostics.add(add_frames(diagnostic, ctx) if ctx else diagnostic)


def add_frames(diagnostic: Diagnostic, ctx: Context) -> Diagnostic:
    """The diagnostic with the frames of a context as notes, innermost first."""
    frames = [frame for frame in ctx.frames if frame.kind != "branch"][-FRAMES_SHOWN:]
    notes = tuple(Note(f"expanded from {describe_frame(frame)}", frame.span) for frame in reversed(frames))
    return diagnostic._replace(notes=diagnostic.notes + notes)


def describe_frame(frame: Frame) -> str:
    """A frame as a message shows it: `ConvBN`, or `repeat` i=0."""
    if frame.kind != "repeat":
        return f"`{frame.name}`"
    return "`repeat` " + " ".join(f"{name}={quote_value(value)}" for name, value in frame.bindings)
