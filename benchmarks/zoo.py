"""How long the zoo takes: `check` of every spec in one process, `build` of ImageNet members as whole processes.

    python benchmarks/zoo.py [--runs 3] [--json FILE]

Builds are from seeded weights, without the proof, to a file on disk; members of 200 MB and more are bound by writing, and left
out. In turn with each build, numpy alone makes and writes as many random bytes: a yardstick for a shared machine. Of each the
least and the median of the runs.
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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from archc.compiler.driver import check
from archc.compiler.sources import zoo

IMAGENET = 200  # pixels: smaller inputs are CIFAR's and MNIST's
WRITING = 200_000_000  # bytes from which a build is bound by the disk
# As a user's: Python keeps what it compiles.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def main() -> int:
    parser = argparse.ArgumentParser(description="Times check and build over the zoo.")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    told = parser.parse_args()
    check("resnet18")  # imports and the schema
    rows: dict[str, Any] = {
        name: {"check_ms": summary([1e3 * seconds(check, name) for _ in range(told.runs)])} for name in zoo()
    }
    for which in ("least", "median"):
        slowest = sorted(rows, key=lambda name: -rows[name]["check_ms"][which])[:5]
        total = sum(row["check_ms"][which] for row in rows.values()) / 1e3
        print(
            f"check, {which}: {len(rows)} specs in {total:.1f} s; slowest",
            *(f"{n} {rows[n]['check_ms'][which]} ms" for n in slowest),
        )
    for name in imagenet():
        rows[name] |= built(name, told.runs)
        print(
            f"build: {name:32} {rows[name]['build_s']} bare {rows[name]['bare_s']} {rows[name]['bytes'] / 1e6:9.1f} MB",
            flush=True,
        )
    shares = [row["build_s"]["median"] / row["bare_s"]["median"] for row in rows.values() if "build_s" in row]
    print(f"build: {statistics.median(shares):.1f} times the bare writing, by the median of {len(shares)} nets")
    if told.json:
        machine = {"cpu": platform.machine(), "python": platform.python_version()}
        told.json.write_text(json.dumps({"machine": machine, "runs": told.runs, "specs": rows}, indent=1) + "\n")
    return 0


def summary(found: list[float]) -> dict[str, float]:
    return {"least": round(min(found), 2), "median": round(statistics.median(found), 2)}


def seconds(run: Callable[..., Any], *arguments: Any, **options: Any) -> float:
    began = time.perf_counter()
    run(*arguments, **options)
    return time.perf_counter() - began


def imagenet() -> Iterator[str]:
    for name in zoo():
        graph = check(name).graph
        if graph is None or graph.inputs[0].type.height < IMAGENET:
            continue
        if 4 * sum(param.elements for param in graph.params().values()) < WRITING:
            yield name


BARE = """
import os, sys, numpy
with open(sys.argv[1], "wb") as file:
    file.write(numpy.random.default_rng(0).standard_normal(int(sys.argv[2]) // 4, dtype=numpy.float32))
    os.fsync(file.fileno())
"""


def built(name: str, runs: int) -> dict[str, Any]:
    """A whole `archc build`, from the start of the interpreter to its end; in turn with it, BARE makes a file of that size."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        build = [sys.executable, "-m", "archc", "build", name, "--export", "onnx", "--no-verify", "-o", str(path)]
        found, bare = [], []
        for _ in range(runs):
            found.append(seconds(subprocess.run, build, check=True, capture_output=True, env=ENVIRONMENT))
            size = path.stat().st_size
            write = [sys.executable, "-c", BARE, str(path), str(size)]
            bare.append(seconds(subprocess.run, write, check=True, env=ENVIRONMENT))
        return {"build_s": summary(found), "bare_s": summary(bare), "bytes": size}


if __name__ == "__main__":
    sys.exit(main())
