"""What a build's precision cost, in words: how far its answers lie from float32, and the layers that lose most."""

from __future__ import annotations

import re
from math import isfinite
from typing import TYPE_CHECKING, Any

from .tables import format_table

if TYPE_CHECKING:
    from ..build.precision.report import PrecisionReport


def describe_precision(report: PrecisionReport) -> str:
    """A sentence: the error, what is allowed, on which inputs, and whether the most probable class stays."""
    parts = [
        f"{report.precision}: {format_share(report.worst)} from float32 (relative L2, {format_share(report.max_error)} allowed)"
    ]
    if report.top1_agreement is not None:
        parts.append(f"top class kept in {format_share(report.top1_agreement)}")
    return f"{', '.join(parts)}, {describe_inputs(report.count, report.inputs)}"


def describe_inputs(count: int, inputs: str) -> str:
    """What was measured on: `on 12 held-out pictures of photos`; of one there is no plural."""
    one = re.sub(r"\b(picture|row|input)s\b", r"\1", inputs, count=1)
    return f"on {count} {inputs if count != 1 else one}"


def format_layers(report: PrecisionReport) -> str:
    """A table of the layers that lose most; empty where none loses anything."""
    rows = [
        [each.path, each.op, each.source, format_share(each.relative_l2), format_share(each.added)]
        for each in report.layers
    ]
    head = ["loses most", "op", "source", "error", "added"]
    return format_table(head, rows, "<<<>>", ("op", "source")) if rows else ""


def format_share(error: float) -> str:
    """A share in per cent with two digits that count, near to all with three; `not finite` where it is infinite."""
    return f"{error * 100:.{2 if error < 0.9 else 3}g} %" if isfinite(error) else "not finite"


def precision_json(report: PrecisionReport) -> dict[str, Any]:
    """The report for `--format json`: errors are shares, null where they are infinite."""
    return {
        "precision": report.precision,
        "inputs": report.inputs,
        "count": report.count,
        "relative_l2": {name: finite_or_none(error) for name, error in report.relative_l2.items()},
        "worst": finite_or_none(report.worst),
        "top1_agreement": report.top1_agreement,
        "max_error": report.max_error,
        "layers": [
            each._asdict() | {"relative_l2": finite_or_none(each.relative_l2), "added": finite_or_none(each.added)}
            for each in report.layers
        ],
    }


def finite_or_none(error: float) -> float | None:
    return error if isfinite(error) else None
