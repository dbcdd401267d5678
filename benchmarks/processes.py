"""Whole processes, measured as a user would: time on the clock, time of the CPU, and peak memory of each, contenders in turn.

    with Starter() as start:
        runs = measure_in_turn(start, {"archc": [...], "torch": [...]}, rounds=5)
        medians(runs["archc"]).seconds, median_ratio(runs["torch"], runs["archc"], "seconds")

Linux counts in a process's peak what its parent held when it was spawned. So a small process, which has loaded next to nothing, spawns
what is measured, and waits for it with wait4; this module may be imported by one that holds gigabytes. Needs Linux or macOS.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import NamedTuple, Self

# It takes a line of JSON for each process: argv, folder, environment, and the file that its standard error goes to.
# It imports what is built in, and `json`; 9 MB in all.
SERVER = """
import json, os, sys, time
null = os.open(os.devnull, os.O_RDWR)
for line in sys.stdin:
    command, folder, environment, errors = json.loads(line)
    os.chdir(folder)
    output = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    streams = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
    began = time.perf_counter()
    child = os.posix_spawnp(command[0], command, environment, file_actions=streams)
    _, status, used = os.wait4(child, 0)
    seconds = time.perf_counter() - began
    os.close(output)
    answer = seconds, used.ru_utime + used.ru_stime, used.ru_maxrss, os.waitstatus_to_exitcode(status)
    print(json.dumps(answer), flush=True)
"""
# a user's Python keeps the modules that it has compiled; one that compiles them at each start measures that
UNUSUAL = ("PYTHONDONTWRITEBYTECODE",)
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes


class Run(NamedTuple):
    """What a process took: seconds on the clock and of the CPU, and its peak of resident memory in MB (10**6 bytes)."""

    seconds: float
    cpu_s: float
    peak_mb: float


class Starter:
    """Spawns processes from a small one, one at a time. A context manager: the small process ends with the block."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.server = subprocess.Popen([sys.executable, "-I", "-S", "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:  # fmt: skip
        self.server.terminate()
        self.server.communicate()
        self.folder.cleanup()

    def run(self, command: Sequence[str], folder: Path | str = ".", environment: Mapping[str, str] | None = None,
            codes: Sequence[int] = (0,)) -> Run:  # fmt: skip
        """Runs a command to its end in `folder`. `environment` adds to this process's own; standard input and output are null.

        Raises SystemExit with the end of its standard error where its exit code is none of `codes`.
        """
        assert self.server.stdin is not None and self.server.stdout is not None
        errors = Path(self.folder.name, "errors")
        around = {name: value for name, value in os.environ.items() if name not in UNUSUAL}
        order = list(command), os.path.abspath(folder), {**around, **(environment or {})}, str(errors)
        self.server.stdin.write(json.dumps(order) + "\n")
        self.server.stdin.flush()
        seconds, cpu_s, maxrss, code = json.loads(self.server.stdout.readline())
        if code not in codes:
            text = errors.read_text("utf-8", "replace")[-2000:]
            raise SystemExit(f"{' '.join(command)[:200]} ended with {code}:\n{text}")
        return Run(seconds, cpu_s, maxrss * MAXRSS_UNIT / 1e6)


def measure_in_turn(start: Starter, contenders: Mapping[str, Sequence[str]], rounds: int, warm_up: int = 1,
                    before_each: Callable[[], object] = lambda: None) -> dict[str, list[Run]]:  # fmt: skip
    """The runs of each contender by its name. They take turns, so that a drift of the machine meets all, every second round backwards.

    `warm_up` rounds come first and are not counted: files come into the page cache, and Python compiles its modules. `before_each`
    is called before each process, outside of what is measured.
    """
    found: dict[str, list[Run]] = {name: [] for name in contenders}
    for turn in range(-warm_up, rounds):
        for name in list(contenders)[:: -1 if turn % 2 else 1]:
            before_each()
            run = start.run(contenders[name])
            if turn >= 0:
                found[name].append(run)
    return found


def medians(runs: Sequence[Run]) -> Run:
    """The median of each figure."""
    return Run(*map(median, zip(*runs, strict=True)))


def median_ratio(above: Sequence[Run], below: Sequence[Run], figure: str) -> float:
    """The median of the ratios of one figure, `seconds`, `cpu_s` or `peak_mb`, round by round."""
    return median([getattr(a, figure) / getattr(b, figure) for a, b in zip(above, below, strict=True)])
