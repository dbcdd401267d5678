"""A line on standard error about work that takes over a second, on a terminal only. It is removed when the work is done."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

DELAY_S = 1.0


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Prints `what` while the `with` block runs; a block that ends within DELAY_S prints nothing."""
    if not sys.stderr.isatty():
        yield
        return
    from threading import Timer

    from ..compiler.diagnostics import clean

    line, printed = f"{clean(what)} …", False

    def print_line() -> None:
        nonlocal printed
        printed = True
        print(f"\r{line}", end="", file=sys.stderr, flush=True)

    timer = Timer(DELAY_S, print_line)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if printed:
            print("\r" + " " * len(line) + "\r", end="", file=sys.stderr, flush=True)
