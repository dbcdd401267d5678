"""How long the zoo takes: `check` of every spec in one process, `build` of ImageNet members as whole processes.

    python benchmarks/zoo.py [--runs 3] [--json FILE]

Builds are from seeded weights, without the proof, to a file on disk; members of 200 MB and more are bound by writing, and left
out. Of each the least and the median of the runs: on a shared machine the least is nearer to what the work costs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from archc.compiler.driver import check, zoo

IMAGENET = 200  # pixels: smaller inputs are CIFAR's and MNIST's
WRITING = 200_000_000  # bytes from which a build is bound by the disk
ENVIRONMENT = {
    k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"
}  # users' Pythons keep what they compile


def main() -> int:
    parser = argparse.ArgumentParser(description="Times check and build over the zoo.")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    told = parser.parse_args()
    check("resnet18")  # imports and the schema
    rows: dict[str, Any] = {name: {"check_ms": timed(told.runs, lambda name=name: check(name), 1e3)} for name in zoo()}
    for which in ("least", "median"):
        slowest = sorted(rows, key=lambda name: -rows[name]["check_ms"][which])[:5]
        total = sum(row["check_ms"][which] for row in rows.values()) / 1e3
        print(
            f"check, {which}: {len(rows)} specs in {total:.1f} s; slowest",
            *(f"{n} {rows[n]['check_ms'][which]} ms" for n in slowest),
        )
    for name in imagenet():
        rows[name] |= built(name, told.runs)
        print(f"build: {name:32} {rows[name]['build_s']} {rows[name]['bytes'] / 1e6:9.1f} MB", flush=True)
    if told.json:
        machine = {"cpu": platform.machine(), "python": platform.python_version()}
        told.json.write_text(json.dumps({"machine": machine, "runs": told.runs, "specs": rows}, indent=1) + "\n")
    return 0


def timed(runs: int, run: Any, unit: float = 1.0) -> dict[str, float]:
    """The least and the median of the runs, in seconds times `unit`."""
    found = list(times(runs, run))
    return {"least": round(min(found) * unit, 2), "median": round(statistics.median(found) * unit, 2)}


def times(runs: int, run: Any) -> Iterator[float]:
    for _ in range(runs):
        began = time.perf_counter()
        run()
        yield time.perf_counter() - began


def imagenet() -> Iterator[str]:
    for name in zoo():
        graph = check(name).graph
        if graph is None or graph.inputs[0].type.height < IMAGENET:
            continue
        if 4 * sum(param.elements for param in graph.params().values()) < WRITING:
            yield name


def built(name: str, runs: int) -> dict[str, Any]:
    """A whole `archc build`, from the start of the interpreter to its end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        command = [sys.executable, "-m", "archc", "build", name, "--export", "onnx", "--no-verify", "-o", str(path)]
        seconds = timed(runs, lambda: subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT))
        return {"build_s": seconds, "bytes": path.stat().st_size}


if __name__ == "__main__":
    sys.exit(main())
