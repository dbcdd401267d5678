"""The parameters of a spec as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .tables import format_table

if TYPE_CHECKING:
    from ..parameters import SpecParameter

HEAD = ("parameter", "type", "value", "allowed", "written at", "about")
# what a narrow terminal goes without, the first of them first
OPTIONAL = ("about", "allowed")


def parameters_text(name: str, found: Sequence[SpecParameter]) -> str:
    """A row for each parameter of the spec `name`, without the columns in which none says anything."""
    if not found:
        return f"{name} has no parameters"
    rows = [(p.name, p.type, p.value or "(open)", p.allowed, p.written_at, p.doc) for p in found]
    kept = [at for at, cells in enumerate(zip(*rows, strict=True)) if any(cells)]
    head, *cells = [[row[at] for at in kept] for row in (HEAD, *rows)]
    return format_table(head, cells, optional=[column for column in OPTIONAL if column in head])
