"""What a proof costs: whole processes of `archc build`, with each extent of the proof, or of two checkouts side by side.

    python -m benchmarks.proof [--pairs N] [--against CHECKOUT] [NET ...]

Runs are interleaved, so that a busy machine slows all alike; medians are printed. `--against` is the folder of another checkout,
which is run with the same interpreter. A NET is what `archc build` takes; without any they are those of docs/proof.md.
Needs Linux or macOS.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from .machine import describe_machine

HERE = Path(__file__).parent
NETS = (str(HERE / "unet.yaml"), "googlenet", "resnet50", "resnet152", "lenet5_modern")


def run(root: Path, net: str, extent: str, output: str) -> tuple[float, float, float]:
    """Seconds on the clock and of the CPU, and MB of memory, of one build."""
    command = [sys.executable, "-m", "archc", "build", net, "-o", output, "--proof", extent]
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{net} does not build in {root}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / unit


def measure(cases: Mapping[str, tuple[Path, str]], net: str, pairs: int) -> dict[str, list[float]]:
    """The medians of each case, by its name: a checkout and an extent of the proof."""
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in cases}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(pairs):
            for name in list(cases)[:: 1 if number % 2 else -1]:
                root, extent = cases[name]
                found[name].append(run(root, net, extent, f"{folder}/net.onnx"))
    return {name: [median(column) for column in zip(*rows, strict=True)] for name, rows in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("nets", nargs="*", default=NETS)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--against", type=Path)
    given = parser.parse_args()
    cases = {extent: (HERE.parent, extent) for extent in ("none", "fast", "full")}
    if given.against:
        cases = {"against": (given.against.resolve(), "fast"), "fast": (HERE.parent, "fast")}
    print(describe_machine())
    for net in given.nets:
        net = str(Path(net).resolve()) if net.endswith(".yaml") else net
        for name, (wall, cpu, memory) in measure(cases, net, given.pairs).items():
            print(f"{Path(net).stem:16} {name:8} {wall:6.2f} s  {cpu:6.2f} s of CPU  {memory:5.0f} MB", flush=True)


if __name__ == "__main__":
    main()
