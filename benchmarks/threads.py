"""What threads give on the CPU: the time of one image by number of threads, by whether they spin while they wait, and by how work is cut.

    python benchmarks/threads.py [--nets NAME ...] [--rounds 15] [--json benchmarks/results/threads.json]

Each contender is a session of onnxruntime. They run in turn, one image at a time, forth and back, on a machine that is as it is, and again
beside processes that do nothing but count, one for each core: `load` is their number. A row's ratio is the median, round by round, of its time
against that of one thread. The load of the machine by others is in `loadavg`, taken behind it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import machine
import numpy as np

from archc.build.build import build
from archc.compiler.driver import check
from archc.runtime.inference import create_ort_session, session_options

NETS = ("googlenet", "resnet50")
COUNT = "while True: pass"


def main() -> int:
    """Measures, prints a row for each contender, and writes the rows to `--json`."""
    parser = argparse.ArgumentParser(description="Measures onnxruntime's threads on the CPU.")
    parser.add_argument("--nets", nargs="*", default=NETS)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    options = parser.parse_args()
    cores = os.cpu_count() or 1
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for net in options.nets:
            path = Path(folder) / f"{net}.onnx"
            build(check(net), output=path, proof="none")
            sessions = {name: create_session(path, *how) for name, how in contenders(cores).items()}
            for load in (0, cores):
                with busy_processes(load):
                    found = measure_in_turn(sessions, options.rounds)
                rows += describe(net, load, cores, found)
                for row in rows[-len(found) :]:
                    print(f"{net:12} load {load}  {row['contender']:34} {row['median_ms']:8.1f} ms  {row['ratio']:.2f} of one thread", flush=True)  # fmt: skip
    if options.json:
        machine.write_results(options.json, rows, ("onnxruntime", "onnxruntime-gpu"))
    return 0


def contenders(cores: int) -> dict[str, tuple[int, bool, bool]]:
    """The contenders: how many threads, whether they spin, and whether onnxruntime cuts the work into smaller blocks, as it goes."""
    return {
        "1 thread": (1, False, False),
        f"{cores} threads, spinning": (cores, True, False),
        f"{cores} threads": (cores, False, False),
        f"{cores} threads, spinning, small blocks": (cores, True, True),
        f"{cores} threads, small blocks": (cores, False, True),
        f"{2 * cores} threads": (2 * cores, False, False),
    }


def create_session(path: Path, threads: int, spinning: bool, blocks: bool) -> Any:
    """A session that is archc's own but for the threads."""
    options = session_options(threads)
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    options.add_session_config_entry("session.dynamic_block_base", "4" if blocks else "0")
    return create_ort_session(path, options, ("CPUExecutionProvider",))


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """So many processes that take all of a core each, for as long as the block lasts."""
    running = [subprocess.Popen([sys.executable, "-I", "-S", "-c", COUNT]) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def measure_in_turn(sessions: dict[str, Any], rounds: int) -> dict[str, list[float]]:
    """The milliseconds of each session's runs, after two that do not count."""
    port = next(iter(sessions.values())).get_inputs()[0]
    image = np.random.default_rng(0).standard_normal((1, *port.shape[1:]), np.float32)
    found: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(-2, rounds):
        for name in list(sessions)[:: -1 if turn % 2 else 1]:
            # threads that spin go on for some time after a run, and must not take a core from the next contender
            time.sleep(0.02)
            began = time.perf_counter()
            sessions[name].run(None, {port.name: image})
            if turn >= 0:
                found[name].append((time.perf_counter() - began) * 1e3)
    return found


def describe(net: str, load: int, cores: int, found: dict[str, list[float]]) -> list[dict[str, Any]]:
    """A row for each contender."""
    single = found["1 thread"]
    return [
        {
            "net": net,
            "load": load,
            "contender": name,
            "threads": contenders(cores)[name][0],
            "spinning": contenders(cores)[name][1],
            "small_blocks": contenders(cores)[name][2],
            "median_ms": round(median(times), 2),
            "ratio": round(median(own / other for own, other in zip(times, single, strict=True)), 3),
            "loadavg": round(os.getloadavg()[0], 1),
        }
        for name, times in found.items()
    ]


if __name__ == "__main__":
    sys.exit(main())
