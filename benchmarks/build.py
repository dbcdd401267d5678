"""What a build costs, whole processes side by side: archc against torch's own exporter, against a bare copy, and alone for 3 GB.

    python benchmarks/build.py [--rounds 3] [--nets googlenet …] [--json benchmarks/results/build.json]

From the same .safetensors to one .onnx on disk, `archc build --proof none` against `torch.onnx.export(dynamo=True)` of the torchvision
net, in turn; quoted are medians of time and of peak memory, and the medians of the ratios. VGG-16, of 528 MB, is measured against a copy
of its checkpoint, too: read, written, hashed by SHA-256 in a second thread, and forced to disk. A net of 3 GB, `large`, is made here (46 layers
of 4096 × 4096), and written a tensor at a time. Needs torchvision and onnxscript beside archc (`pip install --no-deps torchvision onnxscript onnx_ir`), and 8 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from machine import write_results
from processes import Run, Starter, measure_in_turn, median_ratio, medians

NETS = ("googlenet", "resnet50", "densenet121", "inception_v3", "vgg16", "resnet152")
PACKAGES = ("torch", "torchvision", "onnxscript", "onnx", "numpy")
# torchvision imports against a CPU torch only if these operators are there; the nets use neither
PEER = """
import sys, torch
net, weights, output = sys.argv[1:]
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import torchvision.models as models
heads = {"aux_logits": True, "init_weights": False} if net in ("googlenet", "inception_v3") else {}
module = getattr(models, net)(weights=None, **heads)
"""
SAVE = PEER + "from safetensors.torch import save_file; torch.manual_seed(0); save_file(module.state_dict(), weights)"
EXPORT = PEER + (
    "from safetensors.torch import load_file\n"
    "module.load_state_dict(load_file(weights)); module.eval()\n"
    "side = 299 if net == 'inception_v3' else 224\n"
    "torch.onnx.export(module, (torch.zeros(1, 3, side, side),), output, dynamo=True, external_data=False, verbose=False,\n"
    "                  dynamic_shapes=({0: torch.export.Dim('N')},))"
)
COPY = """
import hashlib, os, queue, sys, threading
digest, waiting = hashlib.sha256(), queue.Queue(4)
def hash_waiting():
    while (block := waiting.get()) is not None:
        digest.update(block)
thread = threading.Thread(target=hash_waiting)
thread.start()
with open(sys.argv[1], "rb", 0) as source, open(sys.argv[2], "wb", 0) as target:
    while block := source.read(2**20):
        waiting.put(block)
        target.write(block)
    waiting.put(None)
    thread.join()
    os.fsync(target.fileno())
print(digest.hexdigest())
"""
# 46 layers of 4096 × 4096 in float32
LAYERS, WIDTH = 46, 4096
LARGE = f"""archspec: 1
name: large
input: {{image: [{WIDTH}, 2, 2]}}
graph:
  - global_avg_pool
""" + "".join(f"  - {{name: fc{i}, linear: {WIDTH}}}\n" for i in range(LAYERS))  # fmt: skip


def main() -> None:
    """Measures, prints a row for each net, and writes all that are there to `--json` after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nets", nargs="*", default=NETS, help="`large` is the one of 3 GB; the default is all")
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    options = parser.parse_args()
    nets = options.nets if options.nets is not NETS else [*NETS, "large"]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, Starter() as start:
        for net in nets:
            # before the first is measured, Python compiles what both import
            warm_up = int(not rows)
            rows.append(measure_large(start, options.rounds, Path(folder)) if net == "large"
                        else compare(start, net, options.rounds, Path(folder), warm_up))  # fmt: skip
            print(json.dumps(rows[-1]), flush=True)
            if options.json:
                write_results(options.json, rows, PACKAGES)


def build_command(spec: str, weights: Path, output: Path) -> list[str]:
    """`archc build` without a proof, as the exporter has none."""
    given = ["--weights", str(weights), "--proof", "none", "-o", str(output)]
    return [sys.executable, "-m", "archc", "build", spec, "--export", "onnx", *given]


def compare(start: Starter, net: str, rounds: int, folder: Path, warm_up: int) -> dict[str, Any]:
    """The row of a net: both exporters, and for VGG-16 a bare copy of its checkpoint."""
    weights, ours, theirs, copy = (folder / f"{net}{end}" for end in (".safetensors", ".onnx", "_torch.onnx", ".copy"))
    start.run([sys.executable, "-c", SAVE, net, str(weights), ""])
    contenders = {
        "archc": build_command(net, weights, ours),
        "torch": [sys.executable, "-c", EXPORT, net, str(weights), str(theirs)],
    }
    if net == "vgg16":
        contenders["copy"] = [sys.executable, "-S", "-c", COPY, str(weights), str(copy)]
    runs = measure_in_turn(start, contenders, rounds, warm_up)
    row = {"net": net, "bytes": ours.stat().st_size}
    for name, found in runs.items():
        row |= figures(name, found)
    row["times_faster"] = round(median_ratio(runs["torch"], runs["archc"], "seconds"), 1)
    row["times_less_cpu"] = round(median_ratio(runs["torch"], runs["archc"], "cpu_s"), 1)
    row["times_less_memory"] = round(median_ratio(runs["torch"], runs["archc"], "peak_mb"), 1)
    if "copy" in runs:
        row["times_a_copy"] = round(median_ratio(runs["archc"], runs["copy"], "seconds"), 2)
    for path in (weights, ours, theirs, copy):
        path.unlink(missing_ok=True)
    return row


def figures(name: str, runs: Sequence[Run]) -> dict[str, Any]:
    """The medians of one contender, by keys that begin with its name."""
    found = medians(runs)
    return {f"{name}_s": round(found.seconds, 3), f"{name}_cpu_s": round(found.cpu_s, 3), f"{name}_peak_mb": round(found.peak_mb, 1)}  # fmt: skip


def measure_large(start: Starter, rounds: int, folder: Path) -> dict[str, Any]:
    """The row of the net of 3 GB, which archc alone builds, and of a bare copy of its checkpoint."""
    spec, weights = folder / "large.yaml", folder / "large.safetensors"
    spec.write_text(LARGE, "utf-8")
    write_large(weights)
    copy = [sys.executable, "-S", "-c", COPY, str(weights), str(folder / "large.copy")]
    contenders = {"archc": build_command(str(spec), weights, folder / "large.onnx"), "copy": copy}
    runs = measure_in_turn(start, contenders, rounds, warm_up=0)
    row = {"net": "large", "bytes": weights.stat().st_size}
    row |= figures("archc", runs["archc"]) | figures("copy", runs["copy"])
    row["times_a_copy"] = round(median_ratio(runs["archc"], runs["copy"], "seconds"), 2)
    return row


def write_large(path: Path) -> None:
    """Writes the checkpoint of that net, a layer at a time: all layers have the same random numbers."""
    import numpy as np

    header: dict[str, Any] = {}
    end = 0
    for i in range(LAYERS):
        for name, shape in ((f"fc{i}.weight", (WIDTH, WIDTH)), (f"fc{i}.bias", (WIDTH,))):
            begin, end = end, end + 4 * int(np.prod(shape))
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": (begin, end)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    numbers = np.random.default_rng(0).standard_normal((WIDTH, WIDTH), dtype=np.float32) / WIDTH**0.5
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _ in range(LAYERS):
            file.write(numbers.data)
            file.write(numbers[0].data)


if __name__ == "__main__":
    main()
