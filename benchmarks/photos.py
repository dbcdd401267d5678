"""How much memory `archc run` takes for many large photos: GoogLeNet on 500 photos of 12 megapixels, as whole processes.

    python benchmarks/photos.py [--photos 500] [--json benchmarks/results/photos.json]

A process's peak counts from what its parent held when it was spawned. So this module imports nothing heavy, and has children make
the photos and the model; the peak is then the run's own. Beside the photos, pictures that are large once they are decoded are run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import write_results

MAKE_PHOTOS = """
import os, sys
import numpy as np
from PIL import Image
count, width, height = map(int, sys.argv[1:])
y, x = np.mgrid[0:height, 0:width].astype(np.float32)
for kind in range(min(count, 5)):
    rng = np.random.default_rng(kind)
    waves = [128 + 90 * np.sin(x / rng.uniform(20, 400) + y / rng.uniform(20, 400)) for _ in range(3)]
    pixels = np.stack([w + rng.normal(0, 6, w.shape).astype(np.float32) for w in waves], 2)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(f"{kind}.jpg", quality=90)
for at in range(5, count):
    os.link(f"{at % 5}.jpg", f"{at}.jpg")
"""
MAKE_LARGE = """
import sys
import numpy as np
from PIL import Image
mode, width, height = sys.argv[1], *map(int, sys.argv[2:])
color = 700 if mode == "I;16" else 0
Image.new(mode, (width, height), color).save("large.png")
"""


def main() -> int:
    """Measures, prints a line for each run, and writes them to `--json`."""
    parser = argparse.ArgumentParser(description="Measures the peak memory of archc run.")
    parser.add_argument("--photos", type=int, default=500)
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    options = parser.parse_args()
    target = options.json and options.json.resolve()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        archc("build", "googlenet", "--export", "onnx", "--proof", "none", "-o", "googlenet.onnx")
        os.mkdir("photos")
        make(MAKE_PHOTOS, options.photos, 4000, 3000, where="photos")
        rows.append({"pictures": f"{options.photos} photos of 12 megapixels"} | measure("photos"))
        for mode in ("RGB", "RGBA", "I;16"):
            make(MAKE_LARGE, mode, 10_000, 8_900)
            rows.append({"pictures": f"a PNG of 89 megapixels, {mode}"} | measure("large.png"))
        make(MAKE_LARGE, "RGB", 15_000, 11_800)
        rows.append({"pictures": "a PNG of 177 megapixels, refused"} | measure("large.png"))
    for row in rows:
        print(f"{row['pictures']:45} {row['peak_mb']:6.0f} MB {row['seconds']:7.1f} s  rc {row['code']}")
    if target:
        write_results(target, rows, ("archc-onnx", "numpy", "pillow", "onnxruntime", "onnxruntime-gpu"))
    return 0


def archc(*arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "archc", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def make(script: str, *arguments: object, where: str = ".") -> None:
    """Runs a script of this module in a process of its own, in the folder `where`."""
    subprocess.run([sys.executable, "-c", script, *map(str, arguments)], check=True, cwd=where)


def measure(picture: str) -> dict[str, Any]:
    """The peak memory, the time and the exit code of `archc run` on a picture or a folder."""
    command = [sys.executable, "-m", "archc", "run", "googlenet.onnx", picture, "--device", "cpu", "--format", "json"]
    began = time.perf_counter()
    with open(os.devnull, "w") as null:
        child = subprocess.Popen(command, stdout=null, stderr=null)
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    return {"peak_mb": round(usage.ru_maxrss * 1024 / 1e6, 1), "seconds": round(seconds, 1), "code": child.returncode}


if __name__ == "__main__":
    sys.exit(main())
