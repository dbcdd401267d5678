"""Lines on standard error about work that takes over a second, on a terminal only. They are removed when the work is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

DELAY_S = 1.0
# between two lines about work that is counted
STEP_S = 0.25


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

            line = text[: get_terminal_size().columns - 1]
            print("\r" + line + " " * (len(self.shown) - len(line)), end="", file=sys.stderr, flush=True)
            self.shown = line

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

    with StatusLine() as line:
        timer = Timer(DELAY_S, line.show, [f"{clean(what)} …"])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


@contextmanager
def counting(what: str, things: str) -> Iterator[Callable[[int, int], None]]:
    """Gives a function to be told how many `things` are done, and of how many: it keeps a line with the rate and the time that is left.

    What is done when it is told first was done before. On a terminal only, and removed when the block ends.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from ..compiler.diagnostics import clean
    from ..text.layout import cut_middle, output_width

    began, first, printed_at = time.monotonic(), -1, 0.0

    def tell(done: int, total: int) -> None:
        """Writes the line anew, with the rate and the time that is left, if it is not younger than STEP_S."""
        nonlocal first, began, printed_at
        now = time.monotonic()
        if first < 0:
            first, began = done, now
        if now - began < DELAY_S or now - printed_at < STEP_S:
            return
        printed_at = now
        rate = (done - first) / (now - began)
        end = f": {done:,} of {total:,} {things}" + (
            f", {rate:.3g}/s, {describe_time((total - done) / rate)} left" if rate else ""
        )
        room = output_width(sys.stderr) - 1
        line.show(cut_middle(cut_middle(clean(what), max(room - len(end), 12)) + end, room))

    with StatusLine() as line:
        yield tell


def describe_time(seconds: float) -> str:
    """Seconds for people: `9 s`, `3 min`, `7 h 20 min`, `2 d 5 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
