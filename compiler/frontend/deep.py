"""Deep nests without a deep stack. Python's recursion limit is one for all threads, so it is never raised here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

# nested calls on one stack; each uses about eight Python frames
CALLS_PER_STACK = 40

_T = TypeVar("_T")


class DeepCalls:
    """Counts calls inside calls. Every fortieth runs in a new thread, because the frames of a thread count from zero."""

    def __init__(self) -> None:
        self.nested = 0

    @property
    def needs_stack(self) -> bool:
        """Whether the next call runs in a new thread."""
        return (self.nested + 1) % CALLS_PER_STACK == 0

    def call(self, work: Callable[[], _T]) -> _T:
        """The result of `work`; its exceptions reach the caller."""
        needs_stack = self.needs_stack
        self.nested += 1
        try:
            if not needs_stack:
                return work()
            # late: hardly any net nests so deep
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(1) as stack:
                return stack.submit(work).result()
        finally:
            self.nested -= 1
