"""How many rows of a batch fit in memory, where all of them did not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .faults import RuntimeFault

if TYPE_CHECKING:
    from .inference import Engine
    from .remote import RemoteEngine


def find_largest_batch(fits: Callable[[int], bool], asked: int) -> int:
    """The largest number of rows below `asked` that `fits`; 0 where not even one does.

    It doubles until one does not fit, then halves what lies between: at most twice the logarithm of `asked` in tries. (From below, as
    a run that fails may keep memory: onnxruntime's arena takes what it can get before it gives up.)
    """
    least, most = 0, asked
    while max(1, 2 * least) < most:
        size = max(1, 2 * least)
        least, most = (size, most) if fits(size) else (least, size)
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if fits(middle) else (least, middle)
    return least


def fits_in_memory(engine: Engine | RemoteEngine, arrays: Mapping[str, Any], names: Sequence[str], rows: int) -> bool:
    """Whether there is memory to give the outputs `names` for the first `rows` rows. Raises what onnxruntime raises besides."""
    try:
        # what a run that failed has taken is kept in pieces, of which none may do for a smaller one
        engine.give_memory_back(names, {name: array[:1] for name, array in arrays.items()})
        engine.run(names, {name: array[:rows] for name, array in arrays.items()})
    except MemoryError:
        return False
    return True


def describe_too_large_batch(model: str, device: str, asked: int, fits: int, why: str = "") -> RuntimeFault:
    """The fault for a batch of `asked` rows, of which `fits` fit; `asked` is 0 where a model takes no other number of them.

    `why` is the reason where it is not memory.
    """
    lacking = (
        f"{why}, and {model} on {device} makes one" if why else f"there is not enough memory to run {model} on {device}"
    )
    if fits:
        return RuntimeFault("out-of-memory", f"{lacking} with a batch of {asked}; the largest that fits is {fits}",
                            f"--batch {fits}, or batch={fits} in Python", 3)  # fmt: skip
    if asked:
        # a run that fails for want of memory can lose some: onnxruntime forgets a part that it could not enter in its books
        return RuntimeFault("out-of-memory", f"{lacking} with a batch of {asked}, nor then with a batch of 1",
                            "begin anew with --batch 1, or batch=1 in Python; if that fails, end what else takes memory", 3)  # fmt: skip
    return RuntimeFault("out-of-memory", lacking, "run fewer pictures at once: --batch 1, or batch=1 in Python", 3)
