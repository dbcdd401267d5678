"""Which kinds of 8 bits to write: error and speed of each on this CPU, against float32; it is why archc's weights take 7 bits.

    python benchmarks/int8_kinds.py [--nets googlenet resnet50] [--rounds 15] --json benchmarks/results/int8_kinds.json

All are made by onnxruntime.quantization of the same ranges (minmax) of the same photos, and measured on those that are held out. One thread,
one image at a time, all kinds in turn in each round; the ratio is the median of those within a round. None has the corrected biases that a
build of archc's adds, so all err by more than that. `overflow` is onnxruntime's own
switch `session.x64quantprecision`, which computes full weights without VNNI rightly and slower.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
from machine import write_results
from onnxruntime.quantization import QDQQuantizer, QuantType
from precision import PACKAGES, make_photos, paired_ratio

import archc
from archc.build.precision.calibration import open_calibration
from archc.build.precision.int8 import QUANTIZED
from archc.build.precision.ranges import find_ranges, quiet

UNSIGNED, SIGNED = QuantType.QUInt8, QuantType.QInt8
# activations, weights, weights in 7 bits, activations around 0, and the switch for full weights without VNNI
KINDS: dict[str, tuple[Any, Any, bool, bool, bool]] = {
    "u8 s7 (archc)": (UNSIGNED, SIGNED, True, False, False),
    "u8 s8": (UNSIGNED, SIGNED, False, False, False),
    "u8 s8, overflow": (UNSIGNED, SIGNED, False, False, True),
    "u8 u8": (UNSIGNED, UNSIGNED, False, False, False),
    "s8 s8": (SIGNED, SIGNED, False, True, False),
}


def main() -> int:
    """Measures each net, prints a line for each kind, and writes all of it to `--json`."""
    parser = argparse.ArgumentParser(description="Error and speed of kinds of 8 bits, against float32.")
    parser.add_argument("--nets", nargs="+", default=("googlenet", "resnet50"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for net in options.nets:
        with TemporaryDirectory() as folder:
            found = measure_net(net, options.rounds, Path(folder))
        rows += found
        for row in found:
            print(" ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    if options.json:
        write_results(options.json, rows, PACKAGES)
    return 0


def measure_net(name: str, rounds: int, folder: Path) -> list[dict[str, Any]]:
    """A row for each kind of one net."""
    make_photos(folder / "photos")
    net, plain = archc.load(name), folder / "fp32.onnx"
    net.export_onnx(plain, proof="none")
    calibration = open_calibration(folder / "photos", net.graph, net.checked.header.preprocess.to_dict(), None)
    proto, ranges = find_ranges(plain, calibration.calibrating(), "minmax", QUANTIZED)
    sessions = {"fp32": open_session(plain.read_bytes(), False)}
    for kind, (activations, weights, reduced, symmetric, switch) in KINDS.items():
        with quiet():
            copy = onnx.ModelProto.FromString(proto.SerializeToString())
            quantizer = QDQQuantizer(copy, True, reduced, weights, activations, ranges.tensors, [], [], list(QUANTIZED),
                                     {"ActivationSymmetric": symmetric})  # fmt: skip
            quantizer.quantize_model()
            quantizer.model.topological_sort()
        sessions[kind] = open_session(quantizer.model.model.SerializeToString(), switch)
    feeds = [array[None] for feed in calibration.held_out for array in next(iter(feed.values()))]
    answers = {kind: np.concatenate([run(session, feed) for feed in feeds]) for kind, session in sessions.items()}
    times: dict[str, list[float]] = {kind: [] for kind in sessions}
    for round_ in range(rounds + 1):
        for kind, session in sessions.items():
            began = time.perf_counter()
            run(session, feeds[0])
            if round_:  # the first warms up
                times[kind].append(1e3 * (time.perf_counter() - began))
    size = float(np.linalg.norm(answers["fp32"]))
    return [
        {"net": name, "kind": kind, "relative_l2": round(float(np.linalg.norm(found - answers["fp32"])) / size, 4),
         "latency_ms": round(statistics.median(times[kind]), 2), "latency_ratio": round(paired_ratio(times[kind], times["fp32"]), 3)}
        for kind, found in answers.items()
    ]  # fmt: skip


def open_session(model: bytes, switch: bool) -> Any:
    """A session on the CPU with one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    options.add_session_config_entry("session.x64quantprecision", str(int(switch)))
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(session: Any, image: Any) -> Any:
    return session.run(None, {session.get_inputs()[0].name: image})[-1]


if __name__ == "__main__":
    sys.exit(main())
