"""`archc list`: the bundled specs."""

from __future__ import annotations

import click

from .options import format_option, print_json
from .tables import table


@click.command(epilog="Example: archc list --format json")
@format_option()
def command(form: str) -> None:
    """List the bundled specs."""
    from ..catalog import models

    found = models()
    if form == "json":
        print_json({"models": [each._asdict() for each in found]})
    elif found:
        print(table(["name", "family", "summary"], [[each.name, each.family, each.summary] for each in found]))
