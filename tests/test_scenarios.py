"""The situations of the corpus: shell scripts that run archc where a disk is full, a stream is closed, a process is killed, a pipe has no writer.

A script says in its third comment what it is about; it exits with 0 where the promise is kept.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .corpus import CASES, CORPUS

SCENARIOS = [Path(case["file"]).name for case in CASES if case["class"] == "scenario"]
SECONDS = 600  # a bound for hangs


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="shell scripts")
@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str, tmp_path: Path) -> None:
    folder, program = tmp_path / "in", tmp_path / "archc"
    folder.mkdir()
    program.write_text(
        f'#!/bin/sh\nexec {sys.executable} -c "import sys; from archc.cli import main; sys.exit(main())" "$@"\n'
    )
    program.chmod(0o755)
    kept = {key: value for key, value in os.environ.items() if key != "ARCHC_DEBUG"}
    environment = {
        **kept,
        "ARCHC": str(program),
        "C": str(CORPUS),
        "NO_COLOR": "1",
        "TERM": "dumb",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(["sh", CORPUS / "scenarios" / name], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=SECONDS)  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-2000:]
    assert "Traceback" not in said
