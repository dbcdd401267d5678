"""`archc doctor`: what this machine can do, said without loading more than the runtime."""

from __future__ import annotations

import click

from .options import format_option, print_json
from .tables import facts


@click.command(epilog="Example: archc doctor --format json")
@format_option()
def command(form: str) -> None:
    """Say what this machine can do."""
    from ..catalog import environment

    found = environment()
    if form == "json":
        print_json(found)
    else:
        print(facts([(name, str(value)) for name, value in found.items()]))
