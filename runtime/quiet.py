"""Python's warnings, switched off for the whole process while pictures are decoded, whatever number of threads do so."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class Silence:
    """How many `with` blocks want silence, and what the first of them found: filters are one list for all threads."""

    lock = Lock()
    wanted = 0
    before: warnings.catch_warnings[None] | None = None


@contextmanager
def ignore_warnings() -> Iterator[None]:
    """No warning is shown while the block runs. Of several threads the first switches them off, the last puts back what was."""
    with Silence.lock:
        if not Silence.wanted:
            Silence.before = warnings.catch_warnings(action="ignore")
            Silence.before.__enter__()
        Silence.wanted += 1
    try:
        yield
    finally:
        with Silence.lock:
            Silence.wanted -= 1
            if not Silence.wanted and Silence.before:
                Silence.before.__exit__(None, None, None)
                Silence.before = None
