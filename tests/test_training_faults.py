"""What goes wrong in `archc train`: one message that says what, where and what to do, with its exit code; and what of the run stays."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

SPEC = """\
archspec: 1
name: tiny
params: {classes: 3}
input: {image: [3, 8, 8]}
preprocess: {resize: 8, crop: 8, mean: [0.5], std: [0.5]}
graph:
  - {name: conv1, conv: {out: 4, kernel: 3}}
  - relu
  - global_avg_pool
  - {name: fc, linear: $classes}
"""
RECIPE = """\
recipe: 1
name: tiny
data: {workers: 0}
epochs: 2
batch: 6
optimizer: {sgd: {lr: 0.1}}
log: {every: 1}
"""
CLASSES = ("ant", "bee", "cat")


def write_run(folder: Path) -> None:
    """A spec, a recipe and 24 pictures of three classes."""
    (folder / "tiny.yaml").write_text(SPEC, "utf-8")
    (folder / "tiny.recipe.yaml").write_text(RECIPE, "utf-8")
    random = np.random.default_rng(0)
    for part, count in (("train", 6), ("val", 2)):
        for label, name in enumerate(CLASSES):
            place = folder / "photos" / part / name
            place.mkdir(parents=True)
            for at in range(count):
                pixels = random.integers(0, 80, (8, 8, 3)) + 80 * label
                Image.fromarray(pixels.astype(np.uint8)).save(place / f"{at}.png")


class Ended(NamedTuple):
    code: int
    out: str
    err: str


def archc(folder: Path, *arguments: str, program: Sequence[str] = ("-m", "archc"), **environment: str) -> Ended:
    """archc in a process of its own, in the folder; whatever happens, there is no traceback."""
    around = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **environment}
    done = subprocess.run([sys.executable, *program, *arguments], cwd=folder, env=around, capture_output=True, text=True, check=False, timeout=300)  # fmt: skip
    # torchrun tells with a traceback of its own that a process ended
    assert "torch.distributed.run" in program or "Traceback" not in done.stdout + done.stderr, done.stderr[-3000:]
    return Ended(done.returncode, done.stdout, done.stderr)


def train(folder: Path, *arguments: str, **environment: str) -> Ended:
    return archc(folder, "train", "tiny.yaml", "tiny.recipe.yaml", "--data", "photos", "-o", "run", *arguments, **environment)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_run(tmp_path)
    return tmp_path


def spoil(*names: str) -> Callable[[Path], None]:
    """Cuts pictures off in the middle of their header."""

    def cut(folder: Path) -> None:
        for name in names:
            path = folder / "photos/train" / name
            path.write_bytes(path.read_bytes()[:20])

    return cut


def empty_class(folder: Path) -> None:
    (folder / "photos/train/dog").mkdir()


def no_pictures(folder: Path) -> None:
    for name in CLASSES:
        shutil.rmtree(folder / "photos/train" / name)


def odd_class(folder: Path) -> None:
    shutil.move(folder / "photos/val/cat", folder / "photos/val/cow")


def odd_word(folder: Path) -> None:
    """The same pictures by lists; one word of the validation's is no class."""
    for part in ("train", "val"):
        files = sorted((folder / "photos" / part).glob("*/*.png"))
        rows = [f"{file.relative_to(folder / 'photos')},{file.parent.name}\n" for file in files]
        text = "path,class\n" + "".join(rows)
        (folder / f"photos/{part}.csv").write_text(
            text.replace(",cat\n", ",cow\n", 1) if part == "val" else text, "utf-8"
        )


def fixed_classes(folder: Path) -> None:
    text = SPEC.replace("params: {classes: 3}\n", "").replace("$classes", "5")
    (folder / "tiny.yaml").write_text(text, "utf-8")


CSV = ("--set", "data.format=csv", "--set", "data.train=train.csv", "--set", "data.val=val.csv")


class Fault(NamedTuple):
    """`arrange` changes the folder; the run ends with `code`, and says `diagnostic` and all of the words."""

    arrange: Callable[[Path], None]
    arguments: Sequence[str]
    code: int
    diagnostic: str
    words: Sequence[str]


FAULTS = {
    "an empty class folder": Fault(empty_class, (), 1, "empty-class", ("dog", "photos/train", "--data")),
    "no pictures": Fault(no_pictures, (), 2, "no-pictures", ("photos", "train")),
    "a folder that is not there": Fault(
        lambda _: None, ("--set", "data.train=trian"), 2, "no-pictures", ("photos", "trian")
    ),
    "a folder that is no class": Fault(odd_class, (), 1, "classes-unmatched", ("cow",)),
    "a word that is no class": Fault(odd_word, CSV, 1, "classes-unmatched", ("cow", "val.csv")),
    "another number of classes": Fault(fixed_classes, (), 1, "class-count", ("5", "3")),
    "broken pictures over the limit": Fault(
        spoil("ant/1.png", "bee/2.png"),
        ("--set", "data.broken=1"),
        1,
        "broken-pictures",
        ("2 pictures", "ant/1.png", "broken.csv", "--resume"),
    ),
    "a loss that is no number": Fault(
        lambda _: None, ("--set", "optimizer.sgd.lr=1e6"), 1, "diverged", ("step", "optimizer.sgd.lr")
    ),
    "no such device": Fault(lambda _: None, ("--device", "cuda"), 3, "device-unavailable", ("cuda",)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_once(name: str, folder: Path) -> None:
    fault = FAULTS[name]
    fault.arrange(folder)
    done = train(folder, *fault.arguments)
    assert done.code == fault.code, done
    assert f"error[{fault.diagnostic}]" in done.err and done.err.count("error[") == 1, done.err
    assert not [word for word in fault.words if word not in done.err], done.err
    # what failed on its way by what it was given has a report of the way
    page = folder / "run/report.html"
    assert page.exists() == (fault.diagnostic in ("diverged", "broken-pictures"))
    assert not page.exists() or f"ended before its time: {fault.diagnostic}: " in page.read_text("utf-8")


@pytest.mark.slow
def test_a_broken_picture_is_skipped_and_named(folder: Path) -> None:
    spoil("ant/1.png")(folder)
    done = train(folder)
    assert done.code == 0, done.err
    assert "1 picture" in done.out + done.err and "ant/1.png" in done.out + done.err
    assert "ant/1.png" in (folder / "run/broken.csv").read_text("utf-8")


@pytest.mark.slow
def test_a_run_goes_on_with_its_own_spec_recipe_and_processes_only(folder: Path) -> None:
    """Each refusal names its file and leaves the run as it was; put back, the run goes on."""
    assert train(folder).code == 0
    run = folder / "run"
    before = {path: path.read_bytes() for path in run.rglob("*.safetensors")}
    longer = ("train", "--resume", "run", "--epochs", "3")
    for path, old, new, diagnostic in (
        (next(iter(sorted((run / "spec").glob("*.yaml")))), "out: 4", "out: 5", "checkpoint-other-spec"),
        (run / "recipe.yaml", "batch: 6", "batch: 3", "checkpoint-other-recipe"),
    ):
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")
        done = archc(folder, *longer)
        assert done.code == 1 and f"error[{diagnostic}]" in done.err, done
        path.write_text(text, "utf-8")
    two = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "archc")
    done = archc(folder, *longer, program=two)
    assert done.code == 1 and done.err.count("error[checkpoint-world-size]") == 1, done.err
    assert {path: path.read_bytes() for path in run.rglob("*.safetensors")} == before
    done = archc(folder, *longer)
    assert done.code == 0, done.err


# the disk is full once the first checkpoint is there: no file may grow over that size, but for what is written in small pieces
FULL = """
import resource, signal, sys, threading, time
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def fill():
    while not list(Path("run/checkpoints").glob("*.safetensors")):
        time.sleep(0.001)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, -1))
threading.Thread(target=fill, daemon=True).start()
from archc.__main__ import main
sys.argv[0] = "archc"
sys.exit(main())
"""


@pytest.mark.slow
def test_a_full_disk_leaves_the_last_checkpoint(folder: Path) -> None:
    """The run ends with the environment's code; what is there is whole, and goes on where there is room."""
    arguments = ("train", "tiny.yaml", "tiny.recipe.yaml", "--data", "photos", "-o", "run", "--epochs", "5",
                 "--set", "checkpoint.every.epochs=20", "--set", "checkpoint.keep=3", "--set", "log.every=1000")  # fmt: skip
    wide = SPEC.replace("out: 4", "out: 400")
    (folder / "tiny.yaml").write_text(wide, "utf-8")
    done = archc(folder, *arguments, program=("-c", FULL))
    assert done.code == 3, done
    assert done.err.count("error[") == 1 and ("disk-full" in done.err or "cannot-write" in done.err), done.err
    assert not (folder / "run/report.html").exists()
    kept = sorted((folder / "run/checkpoints").iterdir())
    assert kept and all(path.suffix == ".safetensors" for path in kept), kept
    from safetensors import safe_open

    for path in kept:
        with safe_open(path, "numpy") as file:
            assert len(file.keys()) >= 4
    done = archc(folder, "train", "--resume", "run")
    assert done.code == 0, done.err


@pytest.mark.slow
def test_a_missing_extra_says_what_to_install(folder: Path) -> None:
    hidden = folder / "hidden"
    hidden.mkdir()
    text = "raise ModuleNotFoundError(\"No module named 'lightning_fabric'\", name='lightning_fabric')\n"
    (hidden / "lightning_fabric.py").write_text(text, "utf-8")
    done = train(folder, PYTHONPATH=str(hidden))
    assert done.code == 3 and "error[package-missing]" in done.err, done
    assert "lightning" in done.err and "train" in done.err
    assert not (folder / "run").exists()


@pytest.mark.slow
def test_a_batch_that_does_not_fit_names_the_largest_that_does(folder: Path) -> None:
    done = train(folder, "--dry-run", "--set", "batch=16000000", "--set", "data.broken=0")
    assert done.code == 3 and done.err.count("error[batch-too-large]") == 1, done
    [largest] = re.findall(r"--set batch=(\d+)", done.err)
    assert 0 < int(largest) < 16_000_000
    done = train(folder, "--dry-run", "--set", "batch=18")
    assert done.code == 0, done.err
