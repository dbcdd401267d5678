"""A function on many batches at once: on threads, in order, with a bounded number of batches under way.

Each thread reads the pictures of a batch and runs the model on it. Decoders and onnxruntime work without Python's lock, so all cores have
work, and none waits at a barrier between two stages: that makes the sum of both times the bound, and it is met.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from ..quiet import ignore_warnings

In = TypeVar("In")
Out = TypeVar("Out")
# batches that wait beside those that are worked on
WAITING = 2


def map_in_order(work: Callable[[In], Out], batches: Iterable[In], workers: int) -> Iterator[Out]:
    """What `work` makes of each batch, in their order, `workers` at once.

    Raises what `work` raises, when the answers before it have been given; then no further batch is begun.
    """
    given = iter(batches)
    pool = ThreadPoolExecutor(workers, "archc-batch")
    under_way: deque[Future[Out]] = deque()
    try:
        with ignore_warnings():
            under_way.extend(pool.submit(work, batch) for batch in islice(given, workers + WAITING))
            while under_way:
                done = under_way.popleft().result()
                under_way.extend(pool.submit(work, batch) for batch in islice(given, 1))
                yield done
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
