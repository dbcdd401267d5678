"""The collector of garbage waits while a spec is checked.

A check makes a million objects that it keeps, and hardly any garbage in cycles: to look through them again and again is a fourth of its
time. How many there are is bounded by the limits (limits.py), so that memory is, too.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """No collection inside; behind it the collector is as it was. Of two threads, the first that leaves lets it go on for both."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
