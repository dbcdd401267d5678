"""How long the zoo takes: `check` of every spec in one process, `build` of ImageNet members as whole processes.

    python benchmarks/zoo.py [--runs 3] [--nets NAME ...] [--json benchmarks/results/zoo.json]

Builds are from seeded weights, without the proof, to a file on disk. Nets of 200 MB and more are left out, because the disk decides
how long they take. In turn with each build, numpy alone makes and writes as many random bytes, for comparison on a shared machine.
Quoted are medians of the
runs, and of the ratios of each pair.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from machine import write_results

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
    parser.add_argument("--nets", nargs="*", help="only these")
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    options = parser.parse_args()
    check("resnet18")  # imports and the schema
    names = options.nets or [*zoo()]
    rows = {name: {"net": name} | time_checks(name, options.runs) for name in names}
    total = sum(row["check_ms"] for row in rows.values()) / 1e3
    slowest = sorted(rows.values(), key=lambda row: -row["check_ms"])[:5]
    print(
        f"check: {len(rows)} specs in {total:.1f} s; slowest",
        *(f"{row['net']} {row['check_ms']} ms" for row in slowest),
    )
    for name in imagenet_nets(names):
        row = rows[name]
        row |= time_build(name, options.runs)
        print(f"build: {name:32} {row['build_s']} s, {row['of_bare']} of the bare writing of {row['bytes'] / 1e6:.1f} MB", flush=True)  # fmt: skip
    if options.json:
        write_results(options.json, [*rows.values()], ("archc-onnx", "numpy"))
    return 0


def time_checks(name: str, runs: int) -> dict[str, float]:
    """The least and the median of the milliseconds of `check`."""
    times = [1e3 * time_call(check, name) for _ in range(runs)]
    return {"check_ms": round(statistics.median(times), 2), "check_least_ms": round(min(times), 2)}


def time_call(function: Callable[..., Any], *arguments: Any, **options: Any) -> float:
    began = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - began


def imagenet_nets(names: Iterable[str]) -> Iterator[str]:
    """Those of the nets that are for ImageNet and whose weights are small enough that the disk does not decide how long a build takes."""
    for name in names:
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
        build = [sys.executable, "-m", "archc", "build", name, "--export", "onnx", "--proof", "none", "-o", str(path)]
        builds, bare = [], []
        for _ in range(runs):
            builds.append(time_call(subprocess.run, build, check=True, capture_output=True, env=ENVIRONMENT))
            size = path.stat().st_size
            write = [sys.executable, "-c", WRITE_RANDOM_BYTES, str(path), str(size)]
            bare.append(time_call(subprocess.run, write, check=True, env=ENVIRONMENT))
    ratio = statistics.median(own / other for own, other in zip(builds, bare, strict=True))
    return {
        "build_s": round(statistics.median(builds), 2), "build_least_s": round(min(builds), 2),
        "bare_s": round(statistics.median(bare), 2), "of_bare": round(ratio, 2), "bytes": size,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
