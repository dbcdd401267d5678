"""`archc doctor`: what this machine can do."""

from __future__ import annotations

import click

from ..text.layout import table_width
from ..text.tables import format_pairs
from .options import format_option, print_json


@click.command(epilog="Example: archc doctor --format json")
@format_option()
def command(form: str) -> None:
    """Say what this machine can do."""
    from ..runtime.doctor import examine_machine

    found = examine_machine()
    if form == "json":
        print_json({"findings": [each._asdict() for each in found]})
        return
    marks = {True: "", False: "not ok: ", None: ""}
    rows = [(each.name, marks[each.ok] + each.value + (f" ({each.advice})" if each.advice else "")) for each in found]
    print(format_pairs(rows, table_width()))
