"""docs/howto/train.md, followed to the letter: its recipe is written, its commands run, and the int8 file knows the photos."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import archc

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/howto/train.md").read_text("utf-8")
PICTURES = {"train": 40, "val": 10}


def write_photos(folder: Path, pictures: Mapping[str, int]) -> None:
    """Crops of three photos of scikit-image as JPEG files, those to train on and to validate from halves of their own."""
    from skimage import data

    random = np.random.default_rng(0)
    for label, pixels in (("cat", data.chelsea()), ("coffee", data.coffee()), ("rocket", data.rocket())):
        photo = Image.fromarray(pixels)
        for part, count in pictures.items():
            place = folder / part / label
            place.mkdir(parents=True)
            for at in range(count):
                side = int(random.integers(photo.height // 2, photo.height * 3 // 4))
                left = int(random.integers(0, photo.width - side))
                top = int(random.integers(0, photo.height - side))
                crop = photo.crop((left, top, left + side, top + side))
                crop.resize((96, 96)).save(place / f"{at:02}.jpg", quality=92)


def write_recipes(folder: Path) -> None:
    """The recipes of the page, as the files that it calls them."""
    for recipe in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S):
        (folder / recipe.partition("\n")[0].removeprefix("# ")).write_text(recipe, "utf-8")


def read_commands() -> list[list[list[str]]]:
    """The commands of the page, block by block."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
    return [[shlex.split(line) for line in block.splitlines()] for block in blocks]


def run(folder: Path, command: list[str]) -> str:
    """Runs a command of the page, which must do what it promises; gives what it answers."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.slow
def test_from_trained_weights(tmp_path: Path) -> None:
    """To the letter but for the pictures, of which there are six, and the epochs: the checkpoint is taken, and what is frozen stays."""
    write_photos(tmp_path / "photos", {"train": 2, "val": 1})
    write_recipes(tmp_path)
    given = archc.load("resnet18").to_torch(seed=3).state_dict()
    torch.save(given, tmp_path / "resnet18.pth")
    init, train = read_commands()[1]
    run(tmp_path, init)
    run(tmp_path, [*train, "--epochs", "1", "--set", "batch=6"])
    kept = load_file(tmp_path / "tuned/best.safetensors")
    steps = {name: name.partition(".")[0] for name in kept}
    changed = {step for name, step in steps.items() if step != "fc" and not torch.equal(kept[name], given[name])}
    assert changed == {"layer2", "layer3", "layer4"}
    assert kept["fc.weight"].shape == (3, 512) and "lr: 0.01" in (tmp_path / "tuned/recipe.yaml").read_text("utf-8")


@pytest.mark.slow
def test_the_four_commands(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", PICTURES)
    write_recipes(tmp_path)
    commands, _, with_split = read_commands()
    assert [command[:2] for command in commands] == [["archc", word] for word in ("init", "train", "build", "eval")]
    assert [command[1] for command in with_split] == ["train", "build", "eval"]
    for command in [*commands[:3], *with_split]:
        run(tmp_path, command)
    found = json.loads(run(tmp_path, [*commands[3], "--format", "json"]))
    assert found["top1"] >= 0.8, found
    assert {"report.html", "metrics.csv", "recipe.yaml", "run.json"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }
    assert len((tmp_path / "split/val.csv").read_text("utf-8").splitlines()) == 1 + 3 * PICTURES["train"] // 5
