"""Lines on standard error about work that takes over a second, on a terminal only. They are removed when the work is done."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

DELAY_S = 1.0


class StatusLine:
    """A line that changes as the work goes on. A context manager; other output clears the line first."""

    def __init__(self) -> None:
        self.shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def show(self, text: str) -> None:
        """Shows a text in place of the one before, cut to the terminal's width; nothing where there is no terminal."""
        if sys.stderr.isatty():
            from shutil import get_terminal_size

            self.clear()
            self.shown = text[: get_terminal_size().columns - 1]
            print(self.shown, end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Removes the line."""
        if self.shown:
            print("\r" + " " * len(self.shown) + "\r", end="", file=sys.stderr, flush=True)
        self.shown = ""


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
