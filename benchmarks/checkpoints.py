"""How long it takes to open a checkpoint, beside reading its bytes: 100 MB in 320 tensors, with an optimizer's state beside them.

    python benchmarks/checkpoints.py [--runs 20] [--json benchmarks/results/checkpoints.json]

`open` is all that is done before a build knows what it takes: the zip's directory, the pickle, and the state dicts in it. `all` also
reads every tensor, with its checksum. The three take turns; quoted are medians of the
runs, and of the ratios to `read`, which reads the bytes. The file is in the page cache.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from machine import write_results

from archc.compiler.weights.formats import open_checkpoint

TENSORS, SIDE = 320, 280  # of float32: 100 MB in all


def main() -> None:
    """Measures, prints the medians, and writes them to `--json`."""
    parser = argparse.ArgumentParser(description="Times opening a checkpoint against reading its bytes.")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pth"
        write_checkpoint(path)
        ways: dict[str, Callable[[Path], Any]] = {"read": Path.read_bytes, "open": open_checkpoint, "all": read_all}
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(options.runs + 1):
            for way, run in ways.items():
                begin = time.perf_counter()
                run(path)
                times[way].append(time.perf_counter() - begin)
        size = path.stat().st_size
    rows = [
        {"way": way, "bytes": size, "ms": round(statistics.median(each[1:]) * 1000, 1),
         "ratio": round(statistics.median(own / read for own, read in zip(each[1:], times["read"][1:], strict=True)), 2)}
        for way, each in times.items()
    ]  # fmt: skip
    for row in rows:
        print(f"{row['way']:5} {row['ms']:8.1f} ms, {row['ratio']} of reading")
    if options.json:
        write_results(options.json, rows, ("torch",))


def write_checkpoint(path: Path) -> None:
    """A training script's file: the weights, and an optimizer's state of small tensors for each."""
    torch.manual_seed(0)
    weights = {f"layer{i}.conv.weight": torch.randn(SIDE, SIDE) for i in range(TENSORS)}
    states = {i: {"step": torch.tensor(3.0), "momentum_buffer": torch.zeros(4)} for i in range(TENSORS)}
    torch.save({"epoch": 3, "model": weights, "optimizer": {"state": states, "param_groups": [{"lr": 0.1}]}}, path)


def read_all(path: Path) -> None:
    """Opens the file and reads every tensor of the model."""
    found = next(each for each in open_checkpoint(path).state_dicts if each.key == "model")
    for name in found.source.names():
        found.source.get(name)


if __name__ == "__main__":
    main()
