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
