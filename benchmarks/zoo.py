"""How long the zoo takes: `check` of every spec in one process, `build` of every ImageNet member as a whole process.

    python benchmarks/zoo.py [--runs 3] [--json FILE]

Builds are from seeded weights, without the proof, to a file on disk. Medians.
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
ENVIRONMENT = {
    k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"
}  # users' Pythons keep what they compile


def main() -> int:
    parser = argparse.ArgumentParser(description="Times check and build over the zoo.")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    told = parser.parse_args()
    check("resnet18")  # imports and the schema
    rows = {name: {"check_ms": round(median(told.runs, lambda name=name: check(name)) * 1e3, 1)} for name in zoo()}
    slowest = sorted(rows, key=lambda name: -float(rows[name]["check_ms"]))[:5]
    total = sum(float(row["check_ms"]) for row in rows.values()) / 1e3
    print(f"check: {len(rows)} specs in {total:.1f} s; slowest", *(f"{n} {rows[n]['check_ms']} ms" for n in slowest))
    for name in imagenet():
        rows[name] |= built(name, told.runs)
        print(f"build: {name:32} {rows[name]['build_s']:6.2f} s {rows[name]['bytes'] / 1e6:9.1f} MB", flush=True)
    if told.json:
        machine = {"cpu": platform.machine(), "python": platform.python_version()}
        told.json.write_text(json.dumps({"machine": machine, "runs": told.runs, "specs": rows}, indent=1) + "\n")
    return 0


def median(runs: int, run: Any) -> float:
    """Seconds."""
    return statistics.median(list(times(runs, run)))


def times(runs: int, run: Any) -> Iterator[float]:
    for _ in range(runs):
        began = time.perf_counter()
        run()
        yield time.perf_counter() - began


def imagenet() -> Iterator[str]:
    for name in zoo():
        graph = check(name).graph
        if graph is not None and graph.inputs[0].type.height >= IMAGENET:
            yield name


def built(name: str, runs: int) -> dict[str, Any]:
    """A whole `archc build`, from the start of the interpreter to its end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        command = [sys.executable, "-m", "archc", "build", name, "--export", "onnx", "--no-verify", "-o", str(path)]
        seconds = median(runs, lambda: subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT))
        return {"build_s": round(seconds, 2), "bytes": path.stat().st_size}


if __name__ == "__main__":
    sys.exit(main())
