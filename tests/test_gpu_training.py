"""`archc train` on a GPU: skipped where there is none (tests/gpu.py says how to rehearse it)."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from archc.compiler.diagnostics import Failure
from archc.compiler.driver import check
from archc.training import train
from archc.training.data import TrainingData
from archc.training.data.pictures import ArrayPictures
from archc.training.memory import measure_step
from archc.training.recipe.recipe import Recipe

from .gpu import DEVICE, needs_gpu, only_on_a_card
from .program import Run, program
from .test_training_resume import ONE_CYCLE, PLATEAU, SPEC, outcome
from .training_kills import Trainer

ROOT = Path(__file__).parent.parent
pytestmark = [pytest.mark.slow, needs_gpu(torch.cuda.is_available()), pytest.mark.usefixtures("without_report")]
DIGITS_SPEC = """archspec: 1
name: digits
extends: zoo:lenet5_modern
params: {classes: 10}
input: {image: [1, 32, 32]}
preprocess: {resize: 32, crop: 32, mean: [0.5], std: [0.5]}
labels: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
"""
DIGITS_RECIPE = """recipe: 1
epochs: 8
batch: 64
optimizer: {sgd: {lr: 0.05, momentum: 0.9}}
data: {format: idx, train: train, val: t10k, workers: 2}
log: {every: 1}
"""
FORMS = {
    "fp32": "",
    "fp16, whose gradients are scaled": "precision: fp16\n",
    "bf16": "precision: bf16\n",
    "channels last": "channels_last: true\nprecision: bf16\n",
    "compiled": "compile: true\n",
    "fp16, accumulated, clipped and averaged": "precision: fp16\naccumulate: 2\nclip: 1.0\nema: 0.9\n",
}
# few channels are many numbers in a wide net
WIDE = """archspec: 1
name: wide
input: {image: [1, 32, 32]}
graph:
  - {name: first, conv: {out: 2048, kernel: 1}}
  - {repeat: {i: 6}, steps: [batch_norm, relu]}
  - global_avg_pool
  - {name: fc, linear: 3}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], digits: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    Path("digits.yaml").write_text(DIGITS_SPEC, "utf-8")
    Path("recipe.yaml").write_text(DIGITS_RECIPE, "utf-8")
    return program(capsys)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    writer = [sys.executable, str(ROOT / "examples/write_digits.py")]
    for form in ("idx", "imagefolder"):
        subprocess.run([*writer, str(folder / form), "--form", form, "--side", "32"], check=True)
    return folder / "idx"


def losses(run: Path) -> list[float]:
    """The loss of each step."""
    with open(run / "metrics.csv", encoding="utf-8", newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file) if row["split"] == "train"]


@pytest.mark.parametrize("form", FORMS)
def test_a_net_learns(form: str, run: Run, digits: Path) -> None:
    if DEVICE == "cpu" and "fp16" in form:
        pytest.skip("half floats are trained on a GPU")
    Path("recipe.yaml").write_text(DIGITS_RECIPE + FORMS[form], "utf-8")
    ran = run("train", "digits.yaml", "recipe.yaml", "--data", str(digits), "-o", "run", "--device", DEVICE)
    assert ran.code == 0, ran.err
    assert json.loads(Path("run/run.json").read_text("utf-8"))["world_size"] == 1
    built = run("build", "run/spec.yaml", "--weights", "run/best.safetensors", "-o", "digits.onnx")
    assert built.code == 0, built.err
    told = run("eval", "digits.onnx", str(digits.parent / "imagefolder/val"), "--device", "cpu", "--format", "json")
    assert told.code == 0 and json.loads(told.out)["top1"] > 0.93, told.out + told.err


@only_on_a_card
def test_it_learns_as_on_the_cpu(run: Run, digits: Path) -> None:
    for device in ("cpu", DEVICE):
        ran = run("train", "digits.yaml", "recipe.yaml", "--data", str(digits), "-o", device, "--device", device,
                  "--epochs", "1")  # fmt: skip
        assert ran.code == 0, ran.err
    ours, theirs = losses(Path(DEVICE)), losses(Path("cpu"))
    assert len(ours) == 22
    # TF32 in convolutions, as torch has it by itself; steps add up
    np.testing.assert_allclose(ours, theirs, rtol=2e-2)


def test_a_rehearsal_names_the_device(run: Run, digits: Path) -> None:
    ran = run("train", "digits.yaml", "recipe.yaml", "--data", str(digits), "--device", DEVICE, "--dry-run")
    assert ran.code == 0 and DEVICE in ran.out + ran.err, ran.out + ran.err


def test_one_batch_is_learned_by_heart(run: Run, digits: Path) -> None:
    ran = run("train", "digits.yaml", "recipe.yaml", "--data", str(digits), "--device", DEVICE, "--overfit-batch")
    assert ran.code == 0, ran.out + ran.err


@pytest.fixture(scope="module")
def trainer() -> Iterator[Trainer]:
    with Trainer(DEVICE) as found:
        yield found


HALF_FLOATS = ONE_CYCLE + "precision: fp16\n"


@pytest.mark.parametrize("recipe", [PLATEAU, ONE_CYCLE, HALF_FLOATS], ids=["plateau", "one cycle", "fp16"])
def test_a_killed_run_gives_the_same_bytes(recipe: str, tmp_path: Path, trainer: Trainer) -> None:
    if DEVICE == "cpu" and recipe == HALF_FLOATS:
        pytest.skip("half floats are trained on a GPU")
    spec, rules = tmp_path / "small.yaml", tmp_path / "recipe.yaml"
    spec.write_text(SPEC, "utf-8")
    rules.write_text(recipe, "utf-8")
    assert trainer.train(spec, rules, tmp_path / "whole") == [0]
    for step in (2, 5, 11):
        assert trainer.train(spec, rules, tmp_path / "killed", how="SIGKILL", at=step) == [-9]
    assert trainer.train(spec, rules, tmp_path / "killed") == [0]
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "whole")


def wide_recipe(batch: int) -> Recipe:
    return Recipe("wide", batch, steps=2)


def wide_data(count: int) -> TrainingData:
    return TrainingData(
        ArrayPictures(np.zeros((count, 32, 32), np.uint8), np.arange(count) % 3, 3, "a"), None, ("x", "y", "z"), ""
    )


@only_on_a_card
def test_a_batch_that_does_not_fit_is_told_with_one_that_does(tmp_path: Path) -> None:
    """One that certainly does not is refused beforehand; one that may is tried. What is said to fit is trained with."""
    spec = tmp_path / "wide.yaml"
    spec.write_text(WIDE, "utf-8")
    graph = check(str(spec)).graph
    assert graph is not None
    free, _ = torch.cuda.mem_get_info()
    memory = measure_step(graph, wide_recipe(1))
    largest = next(batch for batch in range(1, 10**6) if memory.least(batch) > free)
    for name, batch in {"refused": 2 * largest, "tried": largest - 1}.items():
        with pytest.raises(Failure, match="batch") as failure:
            train(spec, wide_recipe(batch), data=wide_data(2 * batch), output=tmp_path / name, device=DEVICE)
        found = re.search(r"batch=(\d+)", failure.value.help or "")
        assert failure.value.code == "batch-too-large" and found, failure.value
        torch.cuda.empty_cache()
        fits = int(found[1])
        assert fits < batch
        result = train(
            spec, wide_recipe(fits), data=wide_data(2 * fits), output=tmp_path / f"{name}-fits", device=DEVICE
        )
        assert result.reason == "finished"
        torch.cuda.empty_cache()


@only_on_a_card
def test_more_processes_than_cards(run: Run, digits: Path) -> None:
    count = torch.cuda.device_count() + 1
    line = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        f"--nproc-per-node={count}",
        "-m",
        "archc",
        "train",
        "digits.yaml",
        "recipe.yaml",
    ]
    ran = subprocess.run([*line, "--data", str(digits), "-o", "run"], capture_output=True, text=True, check=False)
    assert ran.returncode and "device-unavailable" in ran.stderr and f"{count} processes" in ran.stderr, ran.stderr
    line[3] = "--nproc-per-node=1"
    ran = subprocess.run([*line, "--data", str(digits), "-o", "run"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
