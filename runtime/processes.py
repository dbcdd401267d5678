"""Processes of archc's own, by multiprocessing. Ctrl-C reaches all of them, and the first one answers it; the others say nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def start_process(process: BaseProcess) -> None:
    """Starts a process that gets SIGINT and SIGTERM from `receive_signals` on: while Python starts in it, Ctrl-C would be a traceback."""
    if os.name == "posix":
        from multiprocessing import resource_tracker

        # Python's own helper process, which unblocks signals when it is started
        resource_tracker.ensure_running()
    with signals_blocked():
        process.start()


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Inside it this process, and one that it starts, get no SIGINT and no SIGTERM; this one gets them at its end."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def receive_signals() -> None:
    """Lets the signals come that `start_process` held back; said by the new process when it knows what to do with them."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
