"""What the machine can do at most, measured by onnxruntime itself: a large product of matrices, and a pass over a large array."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

SIZE = 1024
# 64 MB, more than the caches of most processors
ELEMENTS = 2**24
RUNS = 5
# two models of one node each, `MatMul(a, b) -> c` and `Neg(a) -> c`, of floats and any shape, opset 13; tests/test_profile.py makes them again
MATMUL = bytes.fromhex(
    "08073a3c0a110a01610a016212016322064d61744d756c12064d61744d756c5a090a016112040a0208015a090a016212040a02080162090a016312040a02080142040a00100d"
)
NEGATE = bytes.fromhex(
    "08073a280a0b0a016112016322034e656712034e65675a090a016112040a02080162090a016312040a02080142040a00100d"
)


class Ceilings(NamedTuple):
    """The most floating-point operations a second (a multiply-accumulate is two), and the most bytes a second read and written."""

    flops_per_s: float
    bytes_per_s: float


def measure_ceilings(threads: int | None) -> Ceilings:
    """The ceilings of the CPU with `threads` (None: onnxruntime's choice), the best of RUNS runs each: about a second of work."""
    import numpy as np

    square = np.ones((SIZE, SIZE), np.float32)
    line = np.ones(ELEMENTS, np.float32)
    product = best_seconds(run_model(MATMUL, threads, {"a": square, "b": square}))
    copy = best_seconds(run_model(NEGATE, threads, {"a": line}))
    return Ceilings(2 * SIZE**3 / product, 2 * line.nbytes / copy)


def run_model(model: bytes, threads: int | None, arrays: dict[str, Any]) -> Callable[[], Any]:
    """A call that runs one of the two models."""
    from ..inference import create_cpu_session

    session = create_cpu_session(model, threads or 0)
    return lambda: session.run(["c"], arrays)


def best_seconds(run: Callable[[], Any]) -> float:
    """The least time of several calls, after one to warm up."""
    run()
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)
