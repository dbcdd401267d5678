"""What a precision costs: how far a file's answers lie from those of the plain float32 file, and which layers lose most.

Errors are relative L2: the root of the summed squares of the differences, over that of the float32 values, all inputs together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, floor, isfinite, log10
from typing import NamedTuple

from ...compiler.diagnostics import Failure
from ...compiler.ir.dtypes import LARGEST_HALF
from ...text.precision import describe_inputs, format_share

LAYERS = 5


class LayerError(NamedTuple):
    """What is lost up to and in one layer.

    path         of the layer
    source       its place in the spec as `file:line`; empty where it has none
    op           its operation
    relative_l2  the error of its result, as a share
    added        the part of it that its inputs had not yet
    """

    path: str
    source: str
    op: str
    relative_l2: float
    added: float


@dataclass(frozen=True, slots=True)
class PrecisionReport:
    """The error of a built file against the plain float32 file of the same graph, as shares: 0.01 is 1 %.

    precision       what was built, in a word: "fp16", "int8"
    inputs          what both files were given, in words
    count           how many inputs that were
    relative_l2     the error of each output by name: the root of the summed squares of the differences over that of the float32 values; infinite
                    where an answer is not finite
    top1_agreement  the share of inputs for which the most probable class is the same; None for a net that is no classifier
    layers          those that lose most, the worst first
    max_error       the largest error that the build allows
    notes           sentences on what stays float32
    warnings        what must be known of the inputs, each with its code
    """

    precision: str
    inputs: str
    count: int
    relative_l2: Mapping[str, float]
    top1_agreement: float | None
    layers: tuple[LayerError, ...]
    max_error: float
    notes: tuple[str, ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()

    def with_notes(self, notes: tuple[str, ...]) -> PrecisionReport:
        """The same report with these `notes`."""
        return replace(self, notes=notes)

    @property
    def worst(self) -> float:
        """The largest error of an output."""
        return max(self.relative_l2.values())

    @property
    def enough(self) -> float | None:
        """The least `max_error` of two digits that would allow the error; None where none of up to 1 does."""
        if not 0 < self.worst <= 1:
            return None
        step: float = 10.0 ** (floor(log10(self.worst)) - 1)
        return min(1.0, float(f"{ceil(self.worst / step) * step:.2g}"))

    def require(self, advice: str) -> None:
        """Raises Failure `precision-lost` where the error is over `max_error`. `advice` says what to do."""
        if self.worst <= self.max_error:
            return
        places = [f"`{each.path}`" + f" ({each.source})" * bool(each.source) for each in self.layers[:2]]
        on = describe_inputs(self.count, self.inputs)
        if isfinite(self.worst):
            most = f"; most is lost in {', '.join(places)}" if places else ""
            message = (
                f"{self.precision} gives answers that differ by {format_share(self.worst)} from float32's {on}, and "
                f"{format_share(self.max_error)} is allowed{most}"
            )
        else:
            where = f", first in {places[0]}" if places else ""
            message = (
                f"{self.precision} gives answers that are not finite {on}: numbers grow over {LARGEST_HALF:g}{where}"
            )
        raise Failure("precision-lost", message, advice)
