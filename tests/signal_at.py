"""Runs archc as its script does, and sends the process a signal at the N-th event: `python signal_at.py IMPORTS|CALLS N SIGNAL WORDS…`.

An event is a module that is looked for, or a call of a function in Python or C. They count from the line on from which archc
catches signals. With N = 0 none is sent, and the number of events is the last line on standard error.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

kind, at, number = sys.argv[1], int(sys.argv[2]), getattr(signal, sys.argv[3])
sys.argv[:] = ["archc", *sys.argv[4:]]
count = 0


def count_event() -> None:
    """Counts one event, and sends the signal if it is the one."""
    global count
    if count or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        count += 1
        if count == at:
            os.kill(os.getpid(), number)


class Imports:
    """A finder that finds nothing and counts what is looked for."""

    @staticmethod
    def find_spec(*_: Any) -> None:
        """Counts an import."""
        count_event()


def profile(_frame: Any, event: str, _argument: Any) -> None:
    """Counts the calls."""
    if event in ("call", "c_call"):
        count_event()


if kind == "IMPORTS":
    sys.meta_path.insert(0, Imports)  # type: ignore[arg-type]
else:
    sys.setprofile(profile)

from archc.__main__ import main  # noqa: E402

code = main()
sys.setprofile(None)  # while Python ends, its functions are taken away one after the other
if at == 0:
    print(count, file=sys.stderr)
sys.exit(code)
