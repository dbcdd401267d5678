"""How long the zoo takes: `check` of every spec in one process, `build` of ImageNet members as whole processes.

    python benchmarks/zoo.py [--runs 3] [--json FILE]

Builds are from seeded weights, without the proof, to a file on disk. Nets of 200 MB and more are left out, because the disk decides
how long they take. In turn with each build, numpy alone makes and writes as many random bytes, for comparison on a shared machine.
The figures are the least and the median of the runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from machine import describe_machine

from archc.compiler.driver import check
from archc.compiler.sources import zoo

IMAGENET = 200  # pixels: smaller inputs are CIFAR's and MNIST's
WRITING = 200_000_000  # bytes from which a build is bound by the disk
# as a user has it: Python keeps the modules that it compiles
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def main() -> int:
    """Times checks and builds, prints them, and writes a row for each spec to `--json`."""
    parser = argparse.ArgumentParser(description="Times check and build over the zoo.")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    options = parser.parse_args()
    check("resnet18")  # imports and the schema
    rows: dict[str, Any] = {
        name: {"check_ms": summarize([1e3 * time_call(check, name) for _ in range(options.runs)])} for name in zoo()
    }
    for which in ("least", "median"):
        slowest = sorted(rows, key=lambda name: -rows[name]["check_ms"][which])[:5]
        total = sum(row["check_ms"][which] for row in rows.values()) / 1e3
        print(
            f"check, {which}: {len(rows)} specs in {total:.1f} s; slowest",
            *(f"{n} {rows[n]['check_ms'][which]} ms" for n in slowest),
        )
    for name in imagenet_nets():
        rows[name] |= time_build(name, options.runs)
        print(
            f"build: {name:32} {rows[name]['build_s']} bare {rows[name]['bare_s']} {rows[name]['bytes'] / 1e6:9.1f} MB",
            flush=True,
        )
    shares = [row["build_s"]["median"] / row["bare_s"]["median"] for row in rows.values() if "build_s" in row]
    print(f"build: {statistics.median(shares):.1f} times the bare writing, by the median of {len(shares)} nets")
    if options.json:
        options.json.write_text(
            json.dumps({"machine": describe_machine(), "runs": options.runs, "specs": rows}, indent=1) + "\n"
        )
    return 0


def summarize(times: list[float]) -> dict[str, float]:
    return {"least": round(min(times), 2), "median": round(statistics.median(times), 2)}


def time_call(function: Callable[..., Any], *arguments: Any, **options: Any) -> float:
    began = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - began


def imagenet_nets() -> Iterator[str]:
    """The nets for ImageNet whose weights are small enough that the disk does not decide how long a build takes."""
    for name in zoo():
        graph = check(name).graph
        if graph is None or graph.inputs[0].type.height < IMAGENET:
            continue
        if sum(param.elements * param.dtype.size_bytes for param in graph.params().values()) < WRITING:
            yield name


WRITE_RANDOM_BYTES = """
import os, sys, numpy
with open(sys.argv[1], "wb") as file:
    file.write(numpy.random.default_rng(0).standard_normal(int(sys.argv[2]) // 4, dtype=numpy.float32))
    os.fsync(file.fileno())
"""


def time_build(name: str, runs: int) -> dict[str, Any]:
    """Times whole processes of `archc build`, in turn with processes that write as many random bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        build = [sys.executable, "-m", "archc", "build", name, "--export", "onnx", "--no-verify", "-o", str(path)]
        builds, bare = [], []
        for _ in range(runs):
            builds.append(time_call(subprocess.run, build, check=True, capture_output=True, env=ENVIRONMENT))
            size = path.stat().st_size
            write = [sys.executable, "-c", WRITE_RANDOM_BYTES, str(path), str(size)]
            bare.append(time_call(subprocess.run, write, check=True, env=ENVIRONMENT))
        return {"build_s": summarize(builds), "bare_s": summarize(bare), "bytes": size}


if __name__ == "__main__":
    sys.exit(main())
