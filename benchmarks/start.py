"""How long a session takes to be there, and until its first answer: archc from its cache, archc without, plain onnxruntime on torch's export.

    python benchmarks/start.py [--runs 9] [--nets googlenet resnet152] [--json benchmarks/results/start.json]

Needs torchvision beside archc (`pip install --no-deps torchvision`). Each figure is of a process of its own, taken inside it when all
is imported: from the model's path to the session, and on to its first answer at batch 1, on one thread. The ways take turns, so that a
drift of the machine meets all; quoted are medians, and the median of the ratios of each turn. Files are in the system's cache.

The ways: `torch` is onnxruntime's InferenceSession on torch's export, `plain` the same on archc's file, `cold` archc's Session without
the cache, `first` with it and nothing in it (it writes the entry), `warm` with the entry. `cpu_ms` is processor time of all threads,
which a busy machine changes less.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from build import EXPORT, SAVE
from machine import write_results

WAYS = ("torch", "plain", "cold", "first", "warm")
MEASURE = """
import json, time, warnings
warnings.simplefilter("ignore")
import numpy as np, onnxruntime
from archc.runtime.session import Session
x = np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)
began, used = time.perf_counter(), time.process_time()
if WAY in ("torch", "plain"):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(PATH, options, providers=["CPUExecutionProvider"])
    there, cpu = time.perf_counter(), time.process_time()
    answer = session.run(None, {session.get_inputs()[0].name: x})[0]
    state = ""
else:
    session = Session(PATH, device="cpu", threads=1, cache=WAY != "cold")
    there, cpu = time.perf_counter(), time.process_time()
    answer = next(iter(session.run(x).values()))
    state = session.cache.state
answered = time.perf_counter()
print(json.dumps({"start_ms": 1000 * (there - began), "cpu_ms": 1000 * (cpu - used), "answer_ms": 1000 * (answered - began),
                  "state": state, "mean": float(abs(answer).mean())}))
"""


def python_command(text: str, **names: str) -> list[str]:
    """The command that runs a script in Python, with the texts `names` as its variables."""
    return [sys.executable, "-c", "\n".join(f"{name} = {value!r}" for name, value in names.items()) + "\n" + text]


def measure(way: str, path: Path, cache: Path) -> dict[str, Any]:
    """One start in a process of its own."""
    if way == "first":
        shutil.rmtree(cache, ignore_errors=True)
    command = python_command(MEASURE, WAY=way, PATH=str(path))
    environment = {**os.environ, "ARCHC_CACHE": str(cache)}
    environment.pop("ARCHC_CACHE_SIZE", None)
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    wanted = {"cold": "none", "first": "written", "warm": "hit"}.get(way, "")
    assert found["state"] == wanted, f"{way}: the cache was {found['state']}"
    return found


def compare(net: str, runs: int, folder: Path) -> list[dict[str, Any]]:
    """A row for each way of a net."""
    weights, ours, theirs = (folder / f"{net}{end}" for end in (".safetensors", "_archc.onnx", "_torch.onnx"))
    subprocess.run([sys.executable, "-c", SAVE, net, str(weights), ""], check=True)
    command = [sys.executable, "-m", "archc", "build", net, "--export", "onnx", "--weights", str(weights)]
    subprocess.run([*command, "--proof", "none", "-o", str(ours)], check=True, capture_output=True)
    subprocess.run([sys.executable, "-c", EXPORT, net, str(weights), str(theirs)], check=True, capture_output=True)  # fmt: skip
    turns: list[dict[str, dict[str, Any]]] = []
    for _ in range(runs + 1):
        turns.append({way: measure(way, theirs if way == "torch" else ours, folder / "cache") for way in WAYS})
    rows = []
    # the first turn brings the files into the system's cache
    for way in WAYS:
        row: dict[str, Any] = {"net": net, "way": way}
        for key in ("start_ms", "cpu_ms", "answer_ms"):
            row[key] = round(statistics.median(turn[way][key] for turn in turns[1:]), 1)
            ratio = statistics.median(turn[way][key] / turn["torch"][key] for turn in turns[1:])
            row[key.replace("_ms", "_ratio")] = round(ratio, 3)
        rows.append(row)
    return rows


def main() -> None:
    """Compares the nets, prints a row for each way, and writes them to `--json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--nets", nargs="+", default=["googlenet", "resnet50", "resnet152", "vgg16", "densenet121"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    packages = ("archc-onnx", "onnxruntime-gpu", "torch", "numpy")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for net in options.nets:
            for row in compare(net, options.runs, Path(folder)):
                print(json.dumps(row), flush=True)
                rows.append(row)
            # what is done is kept, whenever it is ended
            if options.json:
                write_results(options.json, rows, packages)


if __name__ == "__main__":
    main()
