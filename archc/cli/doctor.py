"""`archc doctor`: what is wrong with this machine, and what to do."""

from __future__ import annotations

import click

from ..compiler.diagnostics import clean
from ..interruption import limit_long_calls
from ..text.layout import table_width
from ..text.tables import format_pairs
from .options import format_option, print_json

UNUSABLE = 3


@click.command(epilog="Example: archc doctor --format json")
@format_option()
def command(form: str) -> int:
    """Say what is wrong with this machine, and what to do. Changes nothing.

    It imports each package in a process of its own. The exit code is 3 where something is wrong that archc needs on the CPU.
    """
    from ..runtime.doctor import examine_machine

    limit_long_calls()
    found = examine_machine()
    usable = not any(each.ok is False and each.area == "cpu" for each in found)
    if form == "json":
        print_json({"ok": usable, "findings": [each._asdict() for each in found]})
    else:
        marks = {True: "", False: "not ok: ", None: ""}
        rows = [
            (clean(each.name), clean(marks[each.ok] + each.value + (f" ({each.advice})" if each.advice else "")))
            for each in found
        ]
        print(format_pairs(rows, table_width()))
    return 0 if usable else UNUSABLE
