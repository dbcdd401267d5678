"""What a run takes of memory, beside what `archc cost --memory` counts: onnxruntime on the CPU, one thread.

    python benchmarks/memory.py [--nets googlenet resnet50] [--batch 8] [--rounds 3] --json benchmarks/results/memory.json

Each net is built from seeded weights and run once in a process of its own, for each way in each round. The process reads its resident memory
when the session and the images are there, sets its peak (VmHWM) back, runs, and reads the peak; the difference is the run's. Counted is what the values need at once but
for the images, which were there before. `written` runs the file's nodes without optimisations and without an arena; it works in place, so the
count in place is what it is held against. Beyond that it takes buffers of the convolutions' algorithm, and keeps some that are free for later
values of their size. `usual` is a session as anyone opens it: fused nodes need less, layouts of its own and the arena need more. Ratios are to
the count in place. Medians of the rounds; needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from machine import write_results

import archc
from archc.compiler.analysis.inference_memory import inference_peak
from archc.compiler.backends.onnx.opsets import OPSET
from archc.compiler.driver import run_passes

NETS = ("squeezenet1_1", "googlenet", "densenet121", "resnet50", "inception_v3", "vgg16")
WAYS = ("written", "usual")
PACKAGES = ("onnxruntime", "onnxruntime-gpu")
# each block goes back to the system when it is freed
PLAIN_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
CHILD = """
import json, sys
import numpy, onnxruntime
path, way, shape = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.log_severity_level = 1, 4
if way == "written":
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
images = numpy.ones(shape, numpy.float32)
def kilobytes(name):
    lines = dict(line.split(":") for line in open("/proc/self/status"))
    return int(lines[name].split()[0])
open("/proc/self/clear_refs", "w").write("5")
before = kilobytes("VmRSS")
session.run(None, {session.get_inputs()[0].name: images})
print(kilobytes("VmHWM") - before)
"""


def main() -> int:
    """Measures each net, prints a line for each, and writes all of it to `--json`."""
    parser = argparse.ArgumentParser(description="The memory of a run, counted and measured.")
    parser.add_argument("--nets", nargs="+", default=NETS)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    options = parser.parse_args()
    rows = []
    for net in options.nets:
        with TemporaryDirectory() as folder:
            rows.append(measure_net(net, options.batch, options.rounds, Path(folder, "net.onnx")))
        print(json.dumps(rows[-1], ensure_ascii=False), flush=True)
        if options.json:
            write_results(options.json, rows, PACKAGES)
    return 0


def measure_net(name: str, batch: int, rounds: int, path: Path) -> dict[str, Any]:
    """The row of a net: what is counted, and what processes take, in MB (10**6 bytes)."""
    net = archc.load(name)
    net.export_onnx(path, proof="none")
    graph = run_passes(net.graph)
    (image,) = graph.inputs
    own = 4 * batch * image.type.elements
    counted, in_place = ((inference_peak(graph, OPSET, batch, each).bytes - own) / 1e6 for each in (False, True))
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            taken[way].append(run_once(path, way, (batch, *image.type.sizes)))
    written, usual = (median(taken[way]) for way in WAYS)
    return {"net": name, "batch": batch, "counted_mb": round(counted, 1), "in_place_mb": round(in_place, 1), "written_mb": round(written, 1),
            "usual_mb": round(usual, 1), "written_ratio": round(written / in_place, 2), "usual_ratio": round(usual / in_place, 2)}  # fmt: skip


def run_once(path: Path, way: str, shape: tuple[int, ...]) -> float:
    """The MB that a run takes in a process of its own."""
    command = [sys.executable, "-c", CHILD, str(path), way, json.dumps(shape)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **PLAIN_MALLOC})
    return int(done.stdout) * 1024 / 1e6


if __name__ == "__main__":
    sys.exit(main())
