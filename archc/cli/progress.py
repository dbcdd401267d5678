"""A word on standard error about what lasts over a second, on a terminal only; it goes when the work is done."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def progress(what: str) -> Iterator[None]:
    if not sys.stderr.isatty():
        yield
        return
    from threading import Timer

    from .render import clean

    timer = Timer(1.0, lambda: print(f"\r{clean(what)} …", end="", file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if timer.finished.is_set():
            print("\r" + " " * (len(what) + 2) + "\r", end="", file=sys.stderr, flush=True)
