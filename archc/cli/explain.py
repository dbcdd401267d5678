"""`archc explain`: the page of a diagnostic's code."""

from __future__ import annotations

import re

import click

from ..text.layout import fold_line, output_width
from .completion import diagnostic_codes, offer
from .options import format_option, print_json


@click.command(epilog="Example: archc explain groups-mismatch")
@click.argument("code", shell_complete=offer(diagnostic_codes))
@format_option()
def command(code: str, form: str) -> None:
    """Explain the code of a diagnostic."""
    from ..catalog import read_diagnostic_page

    text = read_diagnostic_page(code)
    if form == "json":
        print_json({"code": code, "page": text})
    else:
        print(fold_page(text.rstrip("\n"), output_width()))


def fold_page(page: str, width: int) -> str:
    """A page whose sentences are folded to `width` columns; what is fenced, as code, stays as it is."""
    parts = re.split(r"(^```.*?^```$)", page, flags=re.M | re.S)
    for at in range(0, len(parts), 2):
        parts[at] = "\n".join(folded for line in parts[at].split("\n") for folded in fold_line(line, width))
    return "".join(parts)
