"""What is said where a process that reads pictures ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ...compiler.diagnostics import Failure


@contextmanager
def worker_faults(*, fetching: bool = False) -> Iterator[None]:
    """Turns the end of a worker into a Failure `worker-ended`. torch raises it between any two lines, wherever the first process is then.

    `fetching`: inside it a batch is taken from a worker, whose end may show as a connection that is cut off."""
    try:
        yield
    except (RuntimeError, OSError, EOFError) as error:
        ended = "DataLoader worker" in str(error) if isinstance(error, RuntimeError) else fetching
        # torch hands on so what was raised in a worker
        if not ended or str(error).startswith("Caught "):
            raise
        raise Failure("worker-ended", f"a process that reads pictures ended: {' '.join(str(error).split())[:200] or 'it sends nothing more'}",
                      "memory may be short: take fewer of them (--set data.workers=1), a smaller batch, or more shared memory (docker run --shm-size=8g); "
                      "a run that has begun goes on with --resume RUN", 3) from None  # fmt: skip
