"""What two models are given when their answers are compared: numbers as the inputs of a fast proof, in each input's own element type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...compiler.diagnostics import Failure
from ...runtime.ports import Port
from ..proof.inputs import FAST_KINDS, PIXEL_DEVIATION, PIXEL_MEAN, draw_arrays


def draw_feed(ports: Sequence[Port]) -> dict[str, Any]:
    """Arrays by the ports' names, with one image of each kind of a fast proof where the first size is open, else as many as that says.

    Raises Failure `models-differ` for a port that takes no numbers, or has another open size.
    """
    fixed = {port.shape[0] for port in ports if port.shape and isinstance(port.shape[0], int)}
    # inputs of a fixed and of an open number of images belong together
    count = fixed.pop() if len(fixed) == 1 else len(FAST_KINDS)
    feed = {}
    for port in ports:
        rest = [size for size in port.shape[1:] if isinstance(size, int)]
        if len(rest) < len(port.shape[1:]) or not port.has_rank or not is_number(port.dtype):
            raise Failure("models-differ", f"the input `{port}` cannot be drawn, so nothing can be compared",
                          "only models of numbers can be compared, whose sizes behind the first are known")  # fmt: skip
        first = port.shape[0] if port.shape and isinstance(port.shape[0], int) else count
        rows = as_type(draw_arrays({port.name: rest or [1]}, FAST_KINDS)[port.name], port.dtype)
        feed[port.name] = shape_rows(rows, int(str(first)), len(port.shape))
    return feed


def is_number(dtype: str) -> bool:
    """Whether numpy's word for an element type is that of numbers, or of true and false."""
    return dtype.rstrip("0123456789") in ("float", "int", "uint", "bool")


def shape_rows(rows: Any, count: int, dimensions: int) -> Any:
    """`count` of the rows, which begin again at their end; of an input of one number a row, or of one number, just these."""
    import numpy as np

    found = np.take(rows, range(count), axis=0, mode="wrap")
    return found if dimensions > 1 else found[:, 0] if dimensions else found[0, 0, ...]


def as_type(array: Any, dtype: str) -> Any:
    """Drawn numbers in an element type: pixels for 8 and 16 bits; 0 and 1 for what is true or false, and for larger integers, which are
    mostly places in a table.
    """
    import numpy as np

    kind = np.dtype(dtype)
    if kind.kind == "f":
        return array.astype(kind)
    if kind.kind in "iu" and kind.itemsize <= 2:
        low = 0 if kind.kind == "i" else PIXEL_MEAN
        ends = np.iinfo(kind)
        return np.rint(array * PIXEL_DEVIATION + low).clip(ends.min, ends.max).astype(kind)
    return (array > 0).astype(kind)
