"""The fuzzed readers (tests/fuzz/targets.py): on their seeds, on every input that once failed, and under the fuzzer for a while."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .fuzz.targets import KEPT, TARGETS, kept_cases

ROOT = Path(__file__).parent.parent
KEPT_CASES = [(name, path) for name in TARGETS for path in kept_cases(name)]
NO_ATHERIS = (
    "atheris is not installed (pip install -e '.[fuzz]', on Linux for x86-64): only seeds and kept cases are run"
)
needs_atheris = pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason=NO_ATHERIS)


def test_every_kept_case_has_its_target():
    assert not KEPT.exists() or {path.name for path in KEPT.iterdir()} <= TARGETS.keys()


@pytest.mark.parametrize("name, path", KEPT_CASES, ids=lambda each: getattr(each, "name", each))
def test_what_failed_once(name, path):
    TARGETS[name].run(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name):
    """Some of them in each run; the fuzzer begins with all."""
    seeds = [*TARGETS[name].seeds()]
    assert seeds
    for seed in seeds[:: max(1, len(seeds) // 40)]:
        TARGETS[name].run(seed)


def fuzz(name: str, seconds: int, seed: int) -> None:
    """Fuzzes in a process of its own. It ends with another code than 0 where an input fails, hangs or takes too much memory."""
    command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", str(seconds), "--seed", str(seed)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds * 10 + 600,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]


@needs_atheris
@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_a_while(name):
    """Always from the same seed, so that what it finds in one run it finds in the next."""
    fuzz(name, 4, 1)


@needs_atheris
@pytest.mark.soak
@pytest.mark.parametrize("name", TARGETS)
def test_ten_minutes(name):
    fuzz(name, int(os.environ.get("SECONDS") or 600), 0)
