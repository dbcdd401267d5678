"""LeNet-5 learns to read: `archc train lenet5_modern` with its own recipe on scikit-learn's digits, and the built file reads those held out."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GOAL = 0.985


@pytest.mark.slow
def test_lenet_reads_the_digits_held_out(tmp_path: Path) -> None:
    """The last weights, and not only the best ones: those are chosen by the pictures that they are judged by."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}

    def run(*command: str) -> str:
        done = subprocess.run([sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stderr[-3000:]}"
        return done.stdout

    run(str(ROOT / "examples/write_digits.py"), "digits")
    run(
        "-m",
        "archc",
        "train",
        "lenet5_modern",
        "--data",
        "digits",
        "-o",
        "run",
        "--epochs",
        "30",
        "--set",
        "data.workers=0",
    )
    with open(tmp_path / "run/metrics.csv", encoding="utf-8", newline="") as file:
        last = [row for row in csv.DictReader(file) if row["split"] == "val"][-1]
    assert float(last["top1"]) >= GOAL
    run("-m", "archc", "build", "run/spec.yaml", "--weights", "run/best.safetensors", "-o", "lenet.onnx")
    found = json.loads(run("-m", "archc", "eval", "lenet.onnx", "digits/val", "--format", "json"))
    assert found["pictures"] == 450 and found["top1"] >= GOAL, found
