"""The known faults that random specs keep clear of, each in a function of its own. When one is mended, its function goes."""

from __future__ import annotations

from typing import Any, NamedTuple

from archc.compiler.ir.types import TensorType

Fields = dict[str, Any]


class Flow(NamedTuple):
    """What arrives at a step: its type, and whether a pool may not follow (`zero_padded`)."""

    type: TensorType
    padded: bool = False


def zero_padded(op: str, fields: Fields, x: Flow) -> bool:
    """Whether a pool may not follow `op`: issue 10.

    onnxruntime fuses a `pad` of zeros around height or width into the pool behind it, also through what inference or its
    optimiser takes out. A max pool then has another maximum in the corners, and a window no larger than the pad is refused.
    """
    if op == "pad" and fields.get("value", 0) == 0:
        channels, *around = (any(fields.get(axis, (0, 0))) for axis in ("channels", "height", "width"))
        return (any(around) or x.padded) and not channels
    erased = op in ("identity", "dropout", "drop_path", "multiply of one") or (op == "scale" and fields["value"] == 1)
    return erased and x.padded
