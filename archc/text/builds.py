"""What a build made, in lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compiler.diagnostics import clean
from ..compiler.spelling import Spelling, as_flag
from .precision import describe_precision, format_layers
from .tables import format_bytes, format_pairs
from .weights import describe_weights

if TYPE_CHECKING:
    from ..build.build import BuildResult


def build_text(result: BuildResult, spelling: Spelling = as_flag) -> str:
    """What is printed for people: each file, what the proof and the precision's report measured, where the weights come from, how long it took.

    `spelling` is how it writes options.
    """
    rows = [
        (each.kind, f"{each.path}  {format_bytes(each.bytes)}  sha256 {each.sha256[:16]}…") for each in result.artifacts
    ]
    if parity := result.parity:
        measured = f"max |Δ| {parity.max_abs:.1e}, relative {parity.max_rel:.1e}, against {parity.against}"
        rows.append(("parity", f"{measured}, proof {parity.extent}"))
    if result.precision:
        rows.append(("precision", describe_precision(result.precision)))
    rows.append(("weights", clean(describe_weights(result.weights, spelling))))
    rows.append(("took", f"{result.seconds:.1f} s"))
    text = f"{clean(result.name)}\n{format_pairs(rows)}"
    layers = format_layers(result.precision) if result.precision else ""
    return f"{text}\n\n{layers}" if layers else text
