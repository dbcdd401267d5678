"""`archc explain`: the page of a diagnostic's code."""

from __future__ import annotations

import click

from .options import format_option, print_json


@click.command(epilog="Example: archc explain groups-mismatch")
@click.argument("code")
@format_option()
def command(code: str, form: str) -> None:
    """Explain the code of a diagnostic."""
    from ..catalog import read_diagnostic_page

    text = read_diagnostic_page(code)
    if form == "json":
        print_json({"code": code, "page": text})
    else:
        print(text.rstrip("\n"))
