"""`archc cache`: the graphs that `archc run` and Session keep, so that a model's next session is there at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from ..compiler.diagnostics import clean
from ..text.layout import table_width
from ..text.tables import count_of, format_bytes, format_pairs, format_table
from .options import format_option, print_json

if TYPE_CHECKING:
    from ..runtime.cache.report import CacheReport, EntryReport

ACTIONS = ("show", "clear", "verify")
UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


@click.command(epilog="Example: archc cache show; archc cache clear net.onnx")
@click.argument("action", type=click.Choice(ACTIONS), default="show", metavar="[show|clear|verify]")
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@format_option()
def command(action: str, models: tuple[str, ...], form: str) -> int:
    """Show or clear the graphs that `run` keeps for a quick start: all, or those of each MODEL.

    show lists them. clear removes them. verify reads every byte of them and of their models; the exit code is 1 where one is damaged.

    ARCHC_CACHE=FOLDER puts the cache elsewhere, ARCHC_CACHE_SIZE=500M bounds it, and 0 turns it off.
    """
    from ..runtime.cache.report import DAMAGED, UNSEEN, clear_cache, report_cache

    if action == "clear":
        count, freed = clear_cache(models)
        document = {"removed": count, "freed_bytes": freed}
        of = " of these models" if models else ""
        text = (
            f"removed {count_of(count, 'graph')}, {format_bytes(freed)}"
            if count
            else f"no graph{of} is kept; nothing was removed"
        )
        print_json(document) if form == "json" else print(text)
        return 0
    report = report_cache(models, verify=action == "verify")
    if form == "json":
        print_json(report._asdict() | {"entries": [each._asdict() for each in report.entries]})
    else:
        print(cache_text(report))
    return int(action == "verify" and any(each.state in (DAMAGED, UNSEEN) for each in report.entries))


def cache_text(report: CacheReport) -> str:
    """A table of the entries, and how full the cache is, or that it is off."""
    from ..runtime.cache.report import READY, STATES

    now = time.time()
    rows = [entry_row(each, now) for each in report.entries]
    head = ["model", "size", "device", "made", "used", "state"]
    table = format_table(head, rows, "<><>><", ("made", "device", "used"), table_width()) if rows else ""
    bound = f" of {format_bytes(report.bound_bytes)}" if report.bound_bytes else ""
    off = "" if report.bound_bytes else "; the cache is off (ARCHC_CACHE_SIZE is 0)"
    fill = f"{format_bytes(report.total_bytes)}{bound} in {clean(report.folder)}{off}"
    states = {each.state for each in report.entries}
    told = [(state, what) for state, what in STATES.items() if state in states and state != READY]
    parts = [table, format_pairs(told, table_width()), fill]
    return "\n\n".join(part for part in parts if part) if rows else f"nothing is kept: {fill}"


def entry_row(entry: EntryReport, now: float) -> list[str]:
    """The cells of an entry. One whose notes are damaged has its folder for a model."""
    made = "" if entry.made is None else format_age(now - entry.made)
    return [entry.model or entry.folder, format_bytes(entry.size_bytes), entry.device, made, format_age(now - entry.used), entry.state]  # fmt: skip


def format_age(seconds: float) -> str:
    """How long ago that is, in the largest unit of which there are two: `3 h`, `119 min`."""
    for size, unit in UNITS:
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(int(seconds), 0)} s"
