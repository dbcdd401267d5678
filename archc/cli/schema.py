"""`archc schema`: the JSON Schema of specs, as editors use it."""

from __future__ import annotations

import click

from .options import format_option


@click.command(epilog="Example: archc schema > archspec.schema.json")
@format_option()
def command(form: str) -> None:
    """Print the JSON Schema of specs, for editors."""
    from ..compiler.frontend.schema import schema_text

    print(schema_text().rstrip("\n"))
