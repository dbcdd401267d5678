"""How fast pictures for training are made, beside torchvision's reference: its ImageFolder, transforms.v2 on Pillow images, and torch's DataLoader.

    python benchmarks/training_loader.py [--pictures 512] [--rounds 5] --json benchmarks/results/training_loader.json

The pictures are JPEGs of scikit-image's photos, as large as ImageNet's are (500×375) and as cameras make them (4000×3000). Each loader is a process
of its own with the same workers, batches and steps; the two take turns, round by round, and the first batch, with which the workers start, is not counted but in
`start`: the time from the libraries' import to that batch. Rates are by the wall clock; the ratio is the median over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import write_results

SIZES = ((500, 375), (4000, 3000))
PLAIN = {"random_resized_crop": {"size": 224}, "flip": {"p": 0.5}}
STEPS: dict[str, dict[str, dict[str, Any]]] = {
    "crop, flip": PLAIN,
    "crop, flip, colours": PLAIN | {"color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4}},
    "crop, flip, trivial": PLAIN | {"trivial_augment": {}},
}
MAKE = """
import sys
from pathlib import Path
import skimage.data
from PIL import Image
count, width, height = map(int, sys.argv[1:])
photos = [Image.fromarray(getattr(skimage.data, name)()) for name in ("astronaut", "coffee", "chelsea")]
for at in range(count):
    folder = Path("train") / f"class{at % 2}"
    folder.mkdir(parents=True, exist_ok=True)
    photo = photos[at % 3]
    left, top = at % 7 * 4, at % 5 * 4
    part = photo.crop((left, top, photo.width - 24 + left, photo.height - 16 + top))
    part.resize((width, height), Image.Resampling.BICUBIC).save(folder / f"{at:04}.jpg", quality=90)
"""
MEASURE = """
import json, sys, time
what, folder, workers, batch, steps = *sys.argv[1:3], int(sys.argv[3]), int(sys.argv[4]), json.loads(sys.argv[5])
import torch
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
began = time.perf_counter()
if what == "archc":
    from archc.runtime.preprocess import Preprocess
    from archc.training.data import open_data
    from archc.training.data.loader import TrainingLoader
    from archc.training.recipe.recipe import Augmentation, DataRules
    pictures = open_data(DataRules(val=None), folder, None, None).train
    how = Preprocess.parse({"resize": 256, "crop": 224, "mean": MEAN, "std": STD}, (3, 224, 224))
    loader = TrainingLoader(pictures, how, [Augmentation(*step) for step in steps.items()], batch, 0, workers=workers)
    epoch = loader.epoch
else:
    from archc.training.augment.torchvision import import_transforms
    v2 = import_transforms()
    from torchvision.datasets import ImageFolder
    known = {"random_resized_crop": lambda size: v2.RandomResizedCrop(size, antialias=True), "flip": v2.RandomHorizontalFlip,
             "color_jitter": v2.ColorJitter, "trivial_augment": v2.TrivialAugmentWide}
    change = v2.Compose([*(known[name](**values) for name, values in steps.items()), v2.PILToTensor(),
                         v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD), v2.ToPureTensor()])
    loader = torch.utils.data.DataLoader(ImageFolder(folder + "/train", change), batch, shuffle=True, num_workers=workers,
                                         persistent_workers=workers > 0)
    epoch = lambda number: iter(loader)
batches = epoch(0)
next(batches)
started = time.perf_counter()
for _ in batches:
    pass
count, again = 0, time.perf_counter()
for images, *_ in epoch(1):
    count += len(images)
print(json.dumps({"start_s": started - began, "per_s": count / (time.perf_counter() - again)}))
"""


def main() -> int:
    """Measures, prints a line for each size and list of steps, and writes them to `--json`."""
    parser = argparse.ArgumentParser(description="Measures archc's loader of training pictures beside torchvision's.")
    parser.add_argument("--pictures", type=int, default=512)
    parser.add_argument("--large", type=int, default=48, help="how many pictures of 12 megapixels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    options = parser.parse_args()
    # the folder changes
    target = options.json and options.json.resolve()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for (width, height), count in zip(SIZES, (options.pictures, options.large), strict=True):
            place = Path(folder, f"{width}×{height}")
            place.mkdir()
            subprocess.run([sys.executable, "-c", MAKE, str(count), str(width), str(height)], check=True, cwd=place)
            for name in STEPS:
                rows.append(measure_row(name, place, options.workers, options.batch, options.rounds))
                print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    if target:
        write_results(target, rows, ("archc-onnx", "torch", "torchvision", "numpy", "pillow"))
    return 0


def measure_row(name: str, folder: Path, workers: int, batch: int, rounds: int) -> dict[str, Any]:
    """One list of steps on the pictures of one size: medians over the rounds, in which the two take turns."""
    found: dict[str, list[dict[str, float]]] = {"archc": [], "reference": []}
    for _ in range(rounds):
        for what, kept in found.items():
            kept.append(measure(what, folder, workers, batch, STEPS[name]))
    ours, theirs = found.values()
    return {
        "pictures": folder.name, "steps": name, "workers": workers, "batch": batch, "rounds": rounds,
        "archc_per_s": round(statistics.median(each["per_s"] for each in ours), 1),
        "reference_per_s": round(statistics.median(each["per_s"] for each in theirs), 1),
        "ratio": round(statistics.median(a["per_s"] / b["per_s"] for a, b in zip(ours, theirs, strict=True)), 3),
        "archc_start_s": round(statistics.median(each["start_s"] for each in ours), 2),
        "reference_start_s": round(statistics.median(each["start_s"] for each in theirs), 2),
    }  # fmt: skip


def measure(what: str, folder: Path, workers: int, batch: int, steps: dict[str, Any]) -> dict[str, float]:
    """What one process says of its own loader."""
    words = [sys.executable, "-c", MEASURE, what, str(folder), str(workers), str(batch), json.dumps(steps)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    sys.exit(main())
