"""docs/howto/train.md, followed to the letter: its recipe is written, its commands run, and the int8 file knows the photos."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/howto/train.md").read_text("utf-8")
PICTURES = {"train": 40, "val": 10}


def write_photos(folder: Path) -> None:
    """Crops of three photos of scikit-image as JPEG files, those to train on and to validate from halves of their own."""
    from skimage import data

    random = np.random.default_rng(0)
    for label, pixels in (("cat", data.chelsea()), ("coffee", data.coffee()), ("rocket", data.rocket())):
        photo = Image.fromarray(pixels)
        for part, count in PICTURES.items():
            place = folder / part / label
            place.mkdir(parents=True)
            for at in range(count):
                side = int(random.integers(photo.height // 2, photo.height * 3 // 4))
                left = int(random.integers(0, photo.width - side))
                top = int(random.integers(0, photo.height - side))
                crop = photo.crop((left, top, left + side, top + side))
                crop.resize((96, 96)).save(place / f"{at:02}.jpg", quality=92)


@pytest.mark.slow
def test_the_four_commands(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos")
    [recipe] = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S)
    (tmp_path / recipe.partition("\n")[0].removeprefix("# ")).write_text(recipe, "utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
    commands, with_split = ([shlex.split(line) for line in block.splitlines()] for block in blocks)
    assert [command[:2] for command in commands] == [["archc", word] for word in ("init", "train", "build", "eval")]
    assert [command[1] for command in with_split] == ["train", "build", "eval"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    for command in [*commands[:3], *with_split, [*commands[3], "--format", "json"]]:
        done = subprocess.run([sys.executable, "-m", *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stderr[-3000:]}"
    found = json.loads(done.stdout)
    assert found["top1"] >= 0.8, found
    assert {"report.html", "metrics.csv", "recipe.yaml", "run.json"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }
    assert len((tmp_path / "split/val.csv").read_text("utf-8").splitlines()) == 1 + 3 * PICTURES["train"] // 5
