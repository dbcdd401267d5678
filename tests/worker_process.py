"""The process of a model from elsewhere, as the system sees it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from archc.runtime import Session, remote
from archc.runtime.remote import RemoteEngine

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory and signals are Linux's")
REPLACED = "import archc.runtime.worker as worker\n"
KILLED = "import os\nworker.Engine.run = lambda *_: os.kill(os.getpid(), 9)"


def worker_of(session: Session) -> int:
    """The process in which a session's model runs."""
    assert isinstance(session.session, RemoteEngine) and session.session.process.is_running
    return session.session.process.popen.pid


def is_alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def wait_until_gone(process: int) -> None:
    deadline = time.monotonic() + 60
    while is_alive(process):
        assert time.monotonic() < deadline, "it is still there"
        time.sleep(0.02)


def start_otherwise(monkeypatch, code: str) -> None:
    """The process of the next model does `code` first, which may replace what is in worker.py."""
    set_up, _, begin = remote.START.partition("from archc")
    monkeypatch.setattr(remote, "START", f"{set_up}\n{REPLACED}{code}\nfrom archc{begin}")
