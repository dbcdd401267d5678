"""A word on standard error about what lasts over a second, on a terminal only; it goes when the work is done."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

DELAY_S = 1.0


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Says `what` while the work in the `with` block lasts; what is done within DELAY_S writes nothing."""
    if not sys.stderr.isatty():
        yield
        return
    from threading import Timer

    from .render import clean

    line, printed = f"{clean(what)} …", False

    def show() -> None:
        nonlocal printed
        printed = True
        print(f"\r{line}", end="", file=sys.stderr, flush=True)

    timer = Timer(DELAY_S, show)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if printed:
            print("\r" + " " * len(line) + "\r", end="", file=sys.stderr, flush=True)
