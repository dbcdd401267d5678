"""The line about long work: on a terminal only, only where the work is long, and gone at its end."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable

import pytest

from archc.cli import progress as module


class Terminal(io.StringIO):
    """A terminal that tells when something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.written.set()
        return super().write(text)


def run(
    monkeypatch: pytest.MonkeyPatch,
    stream: io.StringIO,
    work: Callable[[], object],
    *,
    delay_s: float,
    what: str = "work",
) -> str:
    """What stands on standard error after this work. (pytest's capture sets it anew after fixtures: it is set here.)"""
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(module, "DELAY_S", delay_s)
    with module.progress(what):
        work()
    return stream.getvalue()


def test_short_work_writes_nothing(monkeypatch):
    assert run(monkeypatch, Terminal(), lambda: None, delay_s=3600.0) == ""


@pytest.mark.parametrize(("what", "line"), [("building a", "building a …"), ("a\x1bb", "a\\x1bb …")])
def test_long_work_writes_a_line_and_takes_all_of_it_away(what, line, monkeypatch):
    terminal = Terminal()
    written = run(monkeypatch, terminal, lambda: terminal.written.wait(60), delay_s=0.0, what=what)
    assert written == f"\r{line}\r{' ' * len(line)}\r"


def test_failed_work_takes_its_line_away(monkeypatch):
    terminal = Terminal()

    def fail() -> None:
        terminal.written.wait(60)
        raise KeyError

    with pytest.raises(KeyError):
        run(monkeypatch, terminal, fail, delay_s=0.0)
    assert terminal.getvalue() == "\rwork …\r      \r"


def test_a_file_gets_nothing(monkeypatch):
    assert run(monkeypatch, io.StringIO(), lambda: threading.Event().wait(0.05), delay_s=0.0) == ""


def test_work_that_is_counted_says_how_much_is_left(monkeypatch):
    """A line at a time, no wider than the terminal, with the rate of what is done since it began; and it is gone at the end."""
    terminal, now = Terminal(), [0.0]
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with module.counting("running " + "a\x1b" * 60, "pictures") as tell:
        for at, done in ((0.0, 500), (0.5, 520), (2.0, 700), (2.1, 710), (4.0, 900)):
            now[0] = at
            tell(done, 10_000)
    lines = terminal.getvalue().split("\r")
    assert max(map(len, lines)) <= 79 and "\x1b" not in terminal.getvalue()
    assert [line.partition(": ")[2].rstrip() for line in lines if ": " in line] == [
        "700 of 10,000 pictures, 100/s, 93 s left", "900 of 10,000 pictures, 100/s, 91 s left"
    ]  # fmt: skip
    assert not lines[-2].strip() and not lines[-1]


@pytest.mark.parametrize(
    "seconds, told", [(3, "3 s"), (99.6, "2 min"), (3540, "59 min"), (26_400, "7 h 20 min"), (190_800, "2 d 5 h")]
)
def test_times(seconds, told):
    assert module.describe_time(seconds) == told
