"""Deep nests without a deep stack: Python's recursion limit is one for all threads, so nobody here raises it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

PLACES_A_STACK = 40  # nested places, of about eight Python frames each, before a new stack is begun

_T = TypeVar("_T")


class DeepCalls:
    """Counts calls inside calls, and lets every fortieth go on in a thread of its own, whose frames count from zero."""

    def __init__(self) -> None:
        self.nested = 0

    def call(self, work: Callable[[], _T]) -> _T:
        """What `work` gives; its exceptions are the caller's."""
        self.nested += 1
        try:
            if self.nested % PLACES_A_STACK:
                return work()
            from concurrent.futures import ThreadPoolExecutor  # late: hardly any net nests so deep

            with ThreadPoolExecutor(1) as stack:
                return stack.submit(work).result()
        finally:
            self.nested -= 1
