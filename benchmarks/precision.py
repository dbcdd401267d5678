"""What another precision than float32 costs and gives on the CPU: error, size of the file, time to open it, latency of one image.

    python benchmarks/precision.py [--nets googlenet resnet50] [--ways fp16 …] [--rounds 15] --json benchmarks/results/precision.json

Each net is built from seeded weights in each of the ways, beside the plain float32 file. All files of a net are measured in turn, one thread,
one image at a time, in each of the rounds; times are medians of the thread's own time, which what else the machine does changes
less than the clock's, and ratios the medians of those within a round. The error is the build's own report.
int8 is calibrated with crops of scikit-image's photos and, by every fifth of them, measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
from machine import write_results
from PIL import Image

NETS = ("lenet5_modern", "squeezenet1_1", "googlenet", "densenet121", "resnet50", "inception_v3", "resnet152", "vgg16")
# the flags of `archc build`; `{net}` is the net's name, `{photos}` a folder of photos
WAYS: dict[str, tuple[str, ...]] = {
    "fp16": ("--precision", "fp16"),
    "fp16, fp16 io": ("--precision", "fp16", "--io", "fp16"),
    "stored as fp16": ("--store", "fp16"),
    "uint8 input": ("--input-type", "uint8"),
    "int8": ("--precision", "int8", "--calibrate", "{photos}", "--max-error", "1"),
}
PLAIN = "fp32"
# where each crop of a photo is, across and down, and its share of the shorter side
CROPS = ((0, 0, 1), (1, 1, 0.6), (0, 1, 0.6), (1, 0, 0.6), (0.5, 0.5, 0.4))
LEAST_SECONDS = 0.1  # a small net runs several times in a round
PACKAGES = ("numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "torch")


def main() -> int:
    """Builds and measures each net, prints a line for each way, and writes all of it to `--json`."""
    parser = argparse.ArgumentParser(
        description="Error, size and speed of builds in other precisions, against float32."
    )
    parser.add_argument("--nets", nargs="+", default=NETS)
    parser.add_argument("--ways", nargs="+", default=[*WAYS], choices=[*WAYS])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for net in options.nets:
        with TemporaryDirectory() as folder:
            found = measure_net(net, options.ways, options.rounds, Path(folder))
        rows += found
        for row in found:
            print(format_row(row), flush=True)
        if options.json:
            write_results(options.json, rows, PACKAGES)
    return 0


def measure_net(net: str, ways: list[str], rounds: int, folder: Path) -> list[dict[str, Any]]:
    """A row for the float32 file of a net and for each way of `ways` that builds it."""
    rows: dict[str, dict[str, Any]] = {}
    make_photos(folder / "photos")
    for way in (PLAIN, *ways):
        path = folder / f"{way.replace(' ', '_').replace(',', '')}.onnx"
        row = rows[way] = {"net": net, "way": way} | build(net, WAYS.get(way, ()), path)
        if "failed" not in row:
            row["path"] = path
    built = {way: row.pop("path") for way, row in rows.items() if "path" in row}
    opened: dict[str, list[float]] = {way: [] for way in built}
    for _ in range(5):
        for way, path in built.items():
            opened[way].append(open_session(path)[1])
    sessions = {way: open_session(path)[0] for way, path in built.items()}
    feeds = {way: draw_image(session) for way, session in sessions.items()}
    latencies: dict[str, list[float]] = {way: [] for way in built}
    repeats = 1
    for round_ in range(rounds + 1):
        for way, session in sessions.items():
            began = time.thread_time()
            for _ in range(repeats):
                session.run(None, feeds[way])
            spent = (time.thread_time() - began) / repeats
            if round_:  # the first warms up
                latencies[way].append(1e3 * spent)
        if not round_:
            repeats = max(1, round(LEAST_SECONDS / spent))
    for way in built:
        rows[way] |= {
            "open_ms": round(1e3 * statistics.median(opened[way]), 1),
            "latency_ms": round(statistics.median(latencies[way]), 3),
            "latency_ratio": round(paired_ratio(latencies[way], latencies[PLAIN]), 3),
            "open_ratio": round(paired_ratio(opened[way], opened[PLAIN]), 3),
            "size_ratio": round(rows[way]["bytes"] / rows[PLAIN]["bytes"], 3),
        }
    return [*rows.values()]


def paired_ratio(times: list[float], plain: list[float]) -> float:
    """The median of the ratios within a round: what else the machine does changes less from one run to the next than over all of them."""
    return statistics.median(a / b for a, b in zip(times, plain, strict=True))


def build(net: str, flags: tuple[str, ...], path: Path) -> dict[str, Any]:
    """The bytes of a built file and what its report says; why it is not built where it is refused."""
    line = [sys.executable, "-m", "archc", "build", net, "-o", str(path), "--proof", "none", "--format", "json"]
    done = subprocess.run(
        [*line, *(flag.format(net=net, photos=path.parent / "photos") for flag in flags)],
        capture_output=True,
        text=True,
    )
    answer = json.loads(done.stdout)
    if done.returncode:
        return {"failed": f"{answer['error']['code']}: {answer['error']['message']}"}
    report = answer["precision"]
    facts = {"relative_l2": report["worst"], "top1_agreement": report["top1_agreement"]} if report else {}
    return {"bytes": sum(each["bytes"] for each in answer["artifacts"]), "seconds": answer["seconds"], **facts}


def make_photos(folder: Path) -> None:
    """Writes five crops of each photo of scikit-image: the whole, three corners and the middle, 256 pixels a side."""
    folder.mkdir(exist_ok=True)
    data = Path(next(iter(find_spec("skimage").submodule_search_locations)), "data")
    for path in sorted((*data.glob("*.png"), *data.glob("*.jpg"))):
        photo = Image.open(path).convert("RGB")
        side = min(photo.size)
        for at, (x, y, share) in enumerate(CROPS if side >= 256 else ()):
            crop = int(side * share)
            left, top = int((photo.width - crop) * x), int((photo.height - crop) * y)
            photo.crop((left, top, left + crop, top + crop)).resize((256, 256)).save(folder / f"{path.stem}{at}.png")


def open_session(path: Path) -> tuple[Any, float]:
    """A session on the CPU with one thread, and how many seconds of this thread it took to open."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    began = time.thread_time()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session, time.thread_time() - began


def draw_image(session: Any) -> dict[str, Any]:
    """One image of noise for each input, in the element type that it takes."""
    types = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
    draw = np.random.default_rng(0)
    return {
        each.name: draw.uniform(0, 255 if each.type == "tensor(uint8)" else 1, (1, *each.shape[1:])).astype(
            types[each.type]
        )
        for each in session.get_inputs()
    }


def format_row(row: dict[str, Any]) -> str:
    if "failed" in row:
        return f"{row['net']:16} {row['way']:16} {row['failed']}"
    error = "" if row.get("relative_l2") is None else f"error {row['relative_l2']:.2e}"
    return (f"{row['net']:16} {row['way']:16} {row['latency_ms']:9.2f} ms {row['latency_ratio']:6.3f}×  opens in {row['open_ms']:7.1f} ms {row['open_ratio']:.2f}×  "
            f"size {row['size_ratio']:.3f}×  {error}")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
