"""What a proof costs: whole processes of `archc build`, with each extent of the proof, or of two checkouts side by side.

    python benchmarks/proof.py [--rounds 5] [--nets NAME ...] [--against CHECKOUT] [--json benchmarks/results/proof.json]

Processes take turns, so that a busy machine slows all alike; quoted are medians, and the median of the ratios to a build without a
proof. `--against` is the folder of another checkout, which is run with the same interpreter. A net is what `archc build` takes;
`unet.yaml` is a U-Net of 256 × 256 pixels in benchmarks/. Needs Linux or macOS.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from machine import write_results
from processes import Starter, measure_in_turn, median_ratio, medians

HERE = Path(__file__).parent
NETS = (str(HERE / "unet.yaml"), "googlenet", "resnet50", "resnet152", "lenet5_modern")
PACKAGES = ("archc-onnx", "torch", "onnxruntime", "onnxruntime-gpu")


def main() -> None:
    """Measures, prints a row for each net and extent, and writes the rows to `--json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="*", default=NETS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    options = parser.parse_args()
    cases = {extent: (HERE.parent, extent) for extent in ("none", "fast", "full")}
    if options.against:
        cases = {"against": (options.against.resolve(), "fast"), "fast": (HERE.parent, "fast")}
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, Starter() as start:
        for net in options.nets:
            net = str(Path(net).resolve()) if net.endswith(".yaml") else net
            for row in measure(start, cases, net, options.rounds, f"{folder}/net.onnx"):
                rows.append(row)
                print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
            if options.json:
                write_results(options.json, rows, PACKAGES)


def measure(start: Starter, cases: Mapping[str, tuple[Path, str]], net: str, rounds: int,
            output: str) -> list[dict[str, Any]]:  # fmt: skip
    """A row for each case, by its name: a checkout and an extent of the proof. Ratios are to the first."""
    build = [sys.executable, "-m", "archc", "build", net, "-o", output, "--proof"]
    contenders = {name: ["env", f"PYTHONPATH={root}", *build, extent] for name, (root, extent) in cases.items()}
    runs = measure_in_turn(start, contenders, rounds)
    first = next(iter(runs.values()))
    rows = []
    for name, found in runs.items():
        seconds, cpu_s, peak_mb = medians(found)
        rows.append(
            {"net": Path(net).stem, "proof": name, "seconds": round(seconds, 2), "cpu_s": round(cpu_s, 2), "peak_mb": round(peak_mb),
             "seconds_ratio": round(median_ratio(found, first, "seconds"), 2), "peak_ratio": round(median_ratio(found, first, "peak_mb"), 2)}
        )  # fmt: skip
    return rows


if __name__ == "__main__":
    main()
