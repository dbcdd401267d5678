"""What holds for every test: workers that share the machine run a thread each; `--bless` rewrites the specimens."""

from __future__ import annotations

import os
import signal

import pytest

# Two workers of two threads each wait for one another on two cores: deep nets ran three times slower.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# No test leaves graphs in the home folder; those of the cache give it a folder and a size.
os.environ["ARCHC_CACHE_SIZE"] = "0"

# A shell starts what it runs in the background with SIGINT ignored, and children inherit that: no test of Ctrl-C could hold.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="write what is found into tests/specimens, where it differs")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("bless") and hasattr(config, "workerinput"):
        raise pytest.UsageError("--bless writes files that workers share: run it without -n")


@pytest.fixture
def without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report at the end of a training run draws for a second, and has tests of its own."""
    monkeypatch.setattr("archc.training.driver.report_run", lambda *_: [])
