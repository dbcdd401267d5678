"""archc against torch's own exporter, side by side in one run: build time, peak memory, and latency of the results.

    python benchmarks/against_torch.py [--runs 5] [--nets googlenet resnet50] [--json FILE]

Needs torchvision beside archc (`pip install --no-deps torchvision`; nothing of it is compiled). Whole processes are
measured, from the same .safetensors to an .onnx on disk, the two in turn, so that a drift of the machine meets both;
quoted are medians and the ratio. Latency is onnxruntime on one thread at batch 1, again in turn.
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
from importlib.metadata import version
from pathlib import Path

SHIM = """
import torch
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import torchvision.models as models
make = getattr(models, NET)
net = make(weights=None, **({"aux_logits": True, "init_weights": False} if NET == "googlenet" else {}))
"""
SAVE = SHIM + "from safetensors.torch import save_file; torch.manual_seed(0); save_file(net.state_dict(), OUT)"
EXPORT = SHIM + (
    "from safetensors.torch import load_file\nnet.load_state_dict(load_file(WEIGHTS)); net.eval()\n"
    "torch.onnx.export(net, (torch.zeros(1, 3, 224, 224),), OUT, dynamo=True, external_data=False, verbose=False,\n"
    "                  dynamic_shapes=({0: torch.export.Dim('N')},))"
)


def python_command(text: str, **names: str) -> list[str]:
    """The command that runs a script in Python, with the texts `names` as its variables."""
    return [sys.executable, "-c", "\n".join(f"{k} = {v!r}" for k, v in names.items()) + "\n" + text]


def measure_process(command: list[str]) -> tuple[float, float]:
    """(seconds, peak memory in MB) of a whole process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[:3]} failed:\n{errors.decode()[-2000:]}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


LATENCY = """
import json, time
import numpy as np
from archc.runtime.inference import create_cpu_session
sessions = [create_cpu_session(path) for path in PATHS.split("|")]
x = np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)
times = [[], []]
for turn in range(60):
    for session, seen in zip(sessions, times):
        began = time.perf_counter()
        session.run(None, {session.get_inputs()[0].name: x})
        seen.append(time.perf_counter() - began)
print(json.dumps([seen[10:] for seen in times]))
"""


def measure_latencies(*paths: str) -> list[list[float]]:
    """Seconds of single runs of each model, in turn. In a process of its own: a small parent keeps peak memory honest,
    because Linux counts what a child held before it became another program."""
    done = subprocess.run(python_command(LATENCY, PATHS="|".join(paths)), check=True, capture_output=True, text=True)
    found: list[list[float]] = json.loads(done.stdout)
    return found


def compare(net: str, runs: int, folder: Path) -> dict[str, float | str]:
    """A row for one net: medians of time, peak memory and latency of both exporters, and the ratios."""
    weights, ours, theirs = (str(folder / f"{net}{end}") for end in (".safetensors", "_archc.onnx", "_torch.onnx"))
    subprocess.run(python_command(SAVE, NET=net, OUT=weights), check=True)
    command = [
        sys.executable,
        "-m",
        "archc",
        "build",
        net,
        "--export",
        "onnx",
        "--weights",
        weights,
        "--no-verify",
        "-o",
        ours,
    ]
    export = python_command(EXPORT, NET=net, WEIGHTS=weights, OUT=theirs)
    measure_process(command)
    pairs = [(measure_process(command), measure_process(export)) for _ in range(runs)]
    a, b = zip(*pairs, strict=True)
    mine, peer = measure_latencies(ours, theirs)
    median = statistics.median
    return {
        "net": net,
        "archc_s": median(t for t, _ in a),
        "torch_s": median(t for t, _ in b),
        "times_faster": median(y / x for (x, _), (y, _) in pairs),
        "archc_mb": median(m for _, m in a),
        "torch_mb": median(m for _, m in b),
        "memory_share": median(m for _, m in a) / median(m for _, m in b),
        "archc_latency_ms": 1000 * median(mine),
        "torch_latency_ms": 1000 * median(peer),
        "latency_ratio": median(mine) / median(peer),
    }


def main() -> None:
    """Compares the nets, prints a row for each, and writes them to `--json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--nets", nargs="+", default=["googlenet", "resnet50"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    machine = (
        f"{platform.machine()}, {os.cpu_count()} cores, torch {version('torch')}, Python {platform.python_version()}"
    )
    with tempfile.TemporaryDirectory() as folder:
        results = [compare(net, options.runs, Path(folder)) for net in options.nets]
    for row in results:
        print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}))
    if options.json:
        options.json.write_text(
            json.dumps({"machine": machine, "runs": options.runs, "results": results}, indent=1) + "\n"
        )
    print(machine)


if __name__ == "__main__":
    main()
