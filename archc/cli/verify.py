"""`archc verify`: whether a built model is still what it was built to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

from ..interruption import limit_long_calls
from ..text.layout import table_width
from ..text.tables import format_pairs
from .options import format_option, limit_option, print_json
from .progress import progress

if TYPE_CHECKING:
    from ..build.proof.prove import Extent
    from ..compiler.limits import Limits

MARKS = {True: "", False: "not ok: ", None: "not checked: "}


@click.command(epilog="Example: archc verify googlenet.onnx --proof full")
@click.argument("model")
@click.option(
    "--proof",
    type=click.Choice(["fast", "full", "none"]),
    default="fast",
    show_default=True,
    help="How far the answers are held against torch's.",
)
@limit_option
@format_option()
def command(model: str, proof: str, limits: Limits, form: str) -> int:
    """Verify a built model: its bytes, its sources, and its answers.

    The exit code is 1 where anything does not hold.
    """
    from ..build.verify.verify import verify

    limit_long_calls()
    with progress(f"verifying {model}"):
        found = verify(model, None if proof == "none" else cast("Extent", proof), limits)
    if form == "json":
        parity = found.parity and {
            "max_abs": found.parity.max_abs,
            "max_rel": found.parity.max_rel,
            "against": found.parity.against,
        }
        print_json(
            {
                "model": found.model,
                "ok": found.ok,
                "facts": [each._asdict() for each in found.facts],
                "parity": parity,
            }
        )
    else:
        rows = [
            (each.name, MARKS[each.ok] + each.message + (f" ({each.help})" if each.help else ""))
            for each in found.facts
        ]
        print(f"{found.model}: {'verified' if found.ok else 'not what it was built to be'}\n")
        print(format_pairs(rows, table_width()))
    return 0 if found.ok else 1
