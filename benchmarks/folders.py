"""How near `archc run FOLDER -o results` comes to the bound that decoding and the model give together, on all cores.

    python benchmarks/folders.py [--photos 400] [--rounds 5] --json benchmarks/results/folders.json

Three processes are measured in turn, round by round, each on the same photos and all cores: decoding alone, the model alone (onnxruntime with a
thread a core, batches of ready arrays), and the pipeline. Where both share the cores fully, the bound is 1 / (1/d + 1/m). On a machine with other work the
cores that a process gets change by the second, so the rates count processor time: pictures per second that each of this machine's cores worked
for it. The wall clock stands beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import write_results
from photos import MAKE_PHOTOS, archc, make

MODELS = ("squeezenet1_1", "googlenet")
SIZES = ((640, 480), (4000, 3000))
MEASURE = """
import json, os, sys, time
from archc.runtime.batch import Predictor, PredictOptions
from archc.runtime.batch.pipeline import map_in_order
from archc.runtime.batch.predictor import iterate_batches
from archc.runtime.batch.run import run_pictures
from archc.runtime.cores import count_cores
from archc.runtime.sources import each_picture, find_images
what, model, folder, batch = *sys.argv[1:4], int(sys.argv[4])
cores = count_cores()
options = PredictOptions(device="cpu", threads=cores)
predictor = Predictor(model, options)
session = predictor.session
paths = [*find_images([folder])]

def decode(chunk):
    return [session.prepare(each) for each in each_picture(chunk["path"])]

def clock():
    used = os.times()
    return time.perf_counter(), used.user + used.system

first = decode({"path": paths[:batch]})
predictor({"path": paths[:batch]})
if what == "model":
    import numpy as np
    from archc.runtime import Session
    session = Session(model, device="cpu", threads=cores)
    arrays = {name: np.stack([each[name] for each in first]) for name in first[0]}
    output = [session.logits_output]
    session.run(arrays, output)
    began = clock()
    for _ in range(0, len(paths), batch):
        session.run(arrays, output)
elif what == "decode":
    began = clock()
    for _ in map_in_order(decode, iterate_batches(iter(paths), batch), cores):
        pass
else:
    began = clock()
    run_pictures(predictor, paths, what, batch=batch)
ended = clock()
print(json.dumps({"pictures": -(-len(paths) // batch) * batch if what == "model" else len(paths), "wall_s": ended[0] - began[0], "cpu_s": ended[1] - began[1]}))
"""
PACKAGES = ("archc-onnx", "numpy", "pillow", "onnxruntime-gpu", "onnxruntime")


def main() -> int:
    """Measures, prints a line for each model and size of photos, and writes them to `--json`."""
    parser = argparse.ArgumentParser(description="Measures archc run on a folder against decoding and the model.")
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--large", type=int, default=48, help="how many photos of 12 megapixels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    options = parser.parse_args()
    # the folder changes
    target = options.json and options.json.resolve()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for size, count in zip(SIZES, (options.photos, options.large), strict=True):
            where = f"{size[0]}x{size[1]}"
            os.mkdir(where)
            make(MAKE_PHOTOS, count, *size, where=where)
        for model in MODELS:
            archc("build", model, "--export", "onnx", "--proof", "none", "-o", f"{model}.onnx")
            for size in SIZES:
                rows.append(measure_row(model, f"{size[0]}x{size[1]}", options.batch, options.rounds))
                print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    if target:
        write_results(target, rows, PACKAGES)
    return 0


def measure_row(model: str, folder: str, batch: int, rounds: int) -> dict[str, Any]:
    """One model on one folder: medians over the rounds, in which the three take turns."""
    found: dict[str, list[dict[str, float]]] = {"decode": [], "model": [], "run": []}
    for at in range(rounds):
        for what, kept in found.items():
            kept.append(
                measure(f"{model}-{folder}-{at}.jsonl" if what == "run" else what, f"{model}.onnx", folder, batch)
            )
    cores = os.cpu_count() or 1
    cost = {what: statistics.median(each["cpu_s"] / each["pictures"] for each in kept) for what, kept in found.items()}
    wall = {what: statistics.median(each["pictures"] / each["wall_s"] for each in kept) for what, kept in found.items()}
    shares = [
        (d["cpu_s"] / d["pictures"] + m["cpu_s"] / m["pictures"]) / (r["cpu_s"] / r["pictures"])
        for d, m, r in zip(*found.values(), strict=True)
    ]
    busy = statistics.median(each["cpu_s"] / each["wall_s"] / cores for each in found["run"])
    return {
        "model": model, "photos": folder, "batch": batch, "cores": cores, "rounds": rounds,
        "decode_per_s": round(cores / cost["decode"], 2), "model_per_s": round(cores / cost["model"], 2),
        "bound_per_s": round(cores / (cost["decode"] + cost["model"]), 2), "run_per_s": round(cores / cost["run"], 2),
        "of_bound": round(statistics.median(shares), 4), "decode_wall_per_s": round(wall["decode"], 2),
        "model_wall_per_s": round(wall["model"], 2), "bound_wall_per_s": round(1 / (1 / wall["decode"] + 1 / wall["model"]), 2),
        "run_wall_per_s": round(wall["run"], 2), "run_cores_busy": round(busy, 3),
    }  # fmt: skip


def measure(what: str, model: str, folder: str, batch: int) -> dict[str, float]:
    """What one process says of its own time."""
    words = [sys.executable, "-c", MEASURE, what, model, folder, str(batch)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    sys.exit(main())
