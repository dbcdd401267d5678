"""Tells whether loaded tensors are still what a seed started them with: a net that nobody has trained says so, however it is handed over.

A random tensor that equals its start to the last bit was not trained. One that starts as a constant says nothing by itself (a trained
bias may be zero), so it is looked at only beside the random tensors of its step. Buffers are never trained and are no evidence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from ..ir.dtypes import BF16, F16, DType
from ..ir.operation import Param
from .names import is_bookkeeping, owning_step, summarize_by_step
from .report import WeightReport
from .seeded import draw_blocks, is_drawn, make_tensor
from .source import WeightSource

PEEK = 64  # numbers that are compared first: where a tensor was trained, they show it


class Start(NamedTuple):
    """What a tensor may have started from: a seed, and what the net that drew it calls it without the step `step` of this one."""

    seed: int
    step: str = ""

    def name(self, tensor: str) -> str:
        return tensor.removeprefix(f"{self.step}.") if self.step else tensor


def report_untouched(report: WeightReport, source: WeightSource, params: Mapping[str, Param], starts: Collection[Start]) -> WeightReport:  # fmt: skip
    """The report on the tensors `params` in `source`, with those that one of `starts` still explains told as untrained.

    Where one start explains all of them, the net is told as one without a checkpoint.
    """
    loaded = [tensor for tensor in params if tensor not in report.missing and not is_bookkeeping(tensor)]
    found = {start: untouched_tensors(loaded, source, params, start) for start in starts}
    untouched = {tensor for tensors in found.values() for tensor in tensors}
    if not untouched:
        return report
    for start, tensors in found.items():
        others = [tensor for tensor in loaded if tensor not in tensors]
        if not report.missing and all(has_started(tensor, source, params[tensor], start) for tensor in others):
            text = f"seed {start.seed}, untouched in {report.source}"
            return report._replace(source=text, missing=tuple(params), untrained=(), as_started=True)
    learned = [tensor for tensor in params if not is_bookkeeping(tensor)]
    missing = tuple(tensor for tensor in learned if tensor in report.missing or tensor in untouched)
    return report._replace(missing=missing, untrained=summarize_by_step(missing, learned))


def untouched_tensors(
    loaded: Iterable[str], source: WeightSource, params: Mapping[str, Param], start: Start
) -> set[str]:
    """The loaded tensors of all steps that learn from a random start and still are as `start` left them."""
    steps: dict[str, list[str]] = {}
    for tensor in loaded:
        steps.setdefault(owning_step(tensor), []).append(tensor)
    found: set[str] = set()
    for tensors in steps.values():
        drawn = [tensor for tensor in tensors if is_drawn(params[tensor]) and not params[tensor].buffer]
        ordered = [*drawn, *(tensor for tensor in tensors if tensor not in drawn)]  # those that tell most come first
        if drawn and all(has_started(tensor, source, params[tensor], start) for tensor in ordered):
            found.update(tensors)
    return found


def has_started(tensor: str, source: WeightSource, param: Param, start: Start) -> bool:
    """Whether a tensor is what `start` makes it, rounded as it is stored, or as it was before it got its bits back.

    Stops at the first block that differs.
    """
    import numpy as np

    if param.dtype.kind == "int":
        return True
    stored, name = source.dtype(tensor), start.name(tensor)
    values = np.asarray(source.get(tensor)).reshape(-1)
    # a `.half().float()` leaves no other trace
    roundings: tuple[DType, ...] = (stored,) if stored in (F16, BF16) else (stored, F16, BF16)
    if not is_drawn(param):
        return bool(find_roundings(values, make_tensor(name, param, start.seed).reshape(-1), roundings))
    drawn, done = np.empty(param.elements, np.float32), 0
    for end in draw_blocks(name, param, start.seed, drawn, first=PEEK):
        roundings = find_roundings(values[done:end], drawn[done:end], roundings)
        if not roundings:
            return False
        done = end
    return True


def find_roundings(values: Any, start: Any, roundings: tuple[DType, ...]) -> tuple[DType, ...]:
    """Those of `roundings` by which the float32 values `start` become `values`."""
    import numpy as np

    return tuple(each for each in roundings if np.array_equal(values, round_as(start, each)))


def round_as(values: Any, stored: DType) -> Any:
    """float32 values as they are after they were stored with fewer bits: to the nearest, and to even where two are as near."""
    import numpy as np

    if stored is F16:
        return values.astype(np.float16).astype(np.float32)
    if stored is BF16:
        bits = values.view(np.uint32)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)).view(np.float32)
    return values
