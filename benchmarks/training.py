"""What `archc train` costs over a plain torch loop: pictures a second, seconds until the end of a run of one step, and memory.

    python benchmarks/training.py [--rounds 7] [--steps 120] [--json benchmarks/results/training.json]
    python benchmarks/training.py --device cuda --nets resnet50 --side 224 --batch 256 --precision bf16 --workers 12

The plain loop trains the same module (`Net.to_torch`) on the batches of the same loader, with torch's SGD, and writes its loss as often. Each run is a
process of its own; the two take turns. Pictures a second are the median of what each measures over every 20 steps without the first 20, at batch 64, on
digits read from an idx file, which the loader enlarges to `--side`. On a GPU the plain loop is as torch's own examples have it: pinned batches, autocast
for bf16, channels last where `--channels-last` says so for both. The start is a run of one step from the command to its end: archc's has written a checkpoint, the best weights and the report then,
the plain loop's its weights. Memory is the peak of resident memory of the longer run.

The loader alone is held against torchvision's reference (ImageFolder, RandomResizedCrop, RandomHorizontalFlip and DataLoader, with as many workers) on
JPEG photos of 500 × 375.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from machine import write_results
from processes import Starter, median_ratio, medians

ROOT = Path(__file__).parent.parent
EVERY, BATCH = 20, 64
NETS = ("lenet5_modern", "resnet20_cifar_optA")
SPEC = """\
archspec: 1
name: small
extends: zoo:{net}
params: {{classes: 10}}
input: {{image: [1, {side}, {side}]}}
preprocess: {{resize: {side}, crop: {side}, mean: [0.5], std: [0.5]}}
labels: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
"""
RECIPE = f"""\
recipe: 1
name: measured
data: {{{{format: idx, train: train, val: null, workers: {{workers}}}}}}
steps: 1
batch: {{batch}}
precision: {{precision}}
channels_last: {{channels_last}}
optimizer: {{{{sgd: {{{{lr: 0.01, momentum: 0.9}}}}}}}}
checkpoint: {{{{every: {{{{steps: 1000000}}}}}}}}
log: {{{{every: {EVERY}}}}}
"""
PLAIN = """
import json, sys, time
spec, recipe, data, out, device, steps, every = *sys.argv[1:6], *map(int, sys.argv[6:])
from pathlib import Path
import torch
import archc
from archc.training.data import open_data
from archc.training.data.loader import TrainingLoader
from archc.training.recipe.read import read_recipe
from archc.runtime.preprocess import Preprocess
from safetensors.torch import save_file
rules = read_recipe(Path(recipe))
net = archc.load(spec)
how = Preprocess.parse(net.checked.header.preprocess.to_dict(), next(iter(net.inputs.values())))
pictures = open_data(rules.data, Path(data), None, None).train
loader = TrainingLoader(pictures, how, rules.augment, rules.batch, seed=0, rank=0, world_size=1, workers=rules.data.workers, broken=0, pin=device == "cuda")
module = net.to_torch().train().to(device)
layout = torch.channels_last if rules.channels_last else torch.preserve_format
module = module.to(memory_format=layout)
optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)
rates, done, epoch, log = [], 0, 0, open(out + ".log", "w")
began, losses = time.perf_counter(), 0.0
while done < steps:
    for batch in loader.epoch(epoch):
        images = batch.images.to(device, non_blocking=True).to(memory_format=layout)
        targets = batch.targets.to(device, non_blocking=True)
        with torch.autocast(device, torch.bfloat16, enabled=rules.precision == "bf16"):
            loss = module.loss(module(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += loss.detach()
        done += 1
        if done % every == 0:
            print(float(losses) / every, file=log, flush=True)
            now = time.perf_counter()
            rates.append(every * rules.batch / (now - began))
            began, losses = now, 0.0
        if done == steps:
            break
    epoch += 1
save_file(module.state_dict(), out + ".safetensors")
Path(out).write_text(json.dumps(rates))
"""
LOADER = """
import json, sys, time
which, folder, out = sys.argv[1:]
from pathlib import Path
import torch
torch.set_num_threads(1)
from archc.training.augment.torchvision import import_transforms
import_transforms()
def batches():
    if which == "archc":
        from archc.training.data import open_data
        from archc.training.data.loader import TrainingLoader
        from archc.training.recipe.read import read_recipe
        from archc.runtime.preprocess import Preprocess
        import archc
        rules = read_recipe(Path(folder, "photos.yaml"))
        net = archc.load("resnet18")
        how = Preprocess.parse(net.checked.header.preprocess.to_dict(), (3, 224, 224))
        pictures = open_data(rules.data, Path(folder), None, None).train
        loader = TrainingLoader(pictures, how, rules.augment, rules.batch, seed=0, rank=0, world_size=1, workers=2, broken=0)
        return (batch.images for batch in loader.epoch(0))
    from torchvision import datasets, transforms
    steps = transforms.Compose([transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), transforms.PILToTensor(),
        transforms.ConvertImageDtype(torch.float), transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])
    pictures = datasets.ImageFolder(Path(folder, "train"), steps)
    return (images for images, _ in torch.utils.data.DataLoader(pictures, 32, shuffle=True, num_workers=2, drop_last=True))
count, began = 0, None
for images in batches():
    if began is None:
        began = time.perf_counter()  # workers are there
    else:
        count += len(images)
Path(out).write_text(json.dumps([count / (time.perf_counter() - began)]))
"""
PHOTOS_RECIPE = """\
recipe: 1
name: photos
data: {format: imagefolder, train: train, val: null, workers: 2}
epochs: 1
batch: 32
optimizer: {sgd: {lr: 0.1}}
augment: [random_resized_crop: {size: 224}, flip: 0.5]
"""


def archc_command(folder: Path, steps: int, device: str) -> list[str]:
    run = folder / "run"
    return [sys.executable, "-m", "archc", "train", str(folder / "small.yaml"), str(folder / "measured.yaml"), "--data", str(folder),
            "-o", str(run), "--set", f"steps={steps}", "--device", device]  # fmt: skip


def plain_command(folder: Path, steps: int, device: str) -> list[str]:
    paths = (folder / "small.yaml", folder / "measured.yaml", folder, folder / "plain.json")
    return [sys.executable, "-c", PLAIN, *map(str, paths), device, str(steps), str(EVERY)]


def archc_rate(folder: Path) -> float:
    """The median of what RUN/metrics.csv says, without its first row, in which the workers start."""
    with open(folder / "run/metrics.csv", encoding="utf-8", newline="") as file:
        rates = [float(row["images_per_second"]) for row in csv.DictReader(file) if row["split"] == "train"]
    return statistics.median(rates[1:])


def json_rate(path: Path) -> float:
    return float(
        statistics.median(json.loads(path.read_text("utf-8"))[-1000:][1:] or json.loads(path.read_text("utf-8")))
    )


def measure_net(start: Starter, net: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """A net's row. Its figures are medians, and ratios and differences the medians of each round's."""
    rounds, steps, device = options.rounds, options.steps, options.device
    (folder / "small.yaml").write_text(SPEC.format(net=net, side=options.side), "utf-8")
    (folder / "measured.yaml").write_text(RECIPE.format(**vars(options)), "utf-8")
    runs: dict[str, list[Any]] = {name: [] for name in ("archc", "plain", "archc_1", "plain_1")}
    rates: dict[str, list[float]] = {"archc": [], "plain": []}
    for turn in range(-1, rounds):
        for who in ("archc", "plain") if turn % 2 else ("plain", "archc"):
            command = archc_command if who == "archc" else plain_command
            for count, name in ((1, f"{who}_1"), (steps, who)):
                shutil.rmtree(folder / "run", ignore_errors=True)
                done = start.run(command(folder, count, device))
                if turn >= 0:
                    runs[name].append(done)
            if turn >= 0:
                rates[who].append(archc_rate(folder) if who == "archc" else json_rate(folder / "plain.json"))
    pairs = list(zip(rates["archc"], rates["plain"], strict=True))
    row = {
        "net": net,
        "what": "training",
        "device": device,
        "precision": options.precision,
        "side": options.side,
        "batch": options.batch,
        "archc_rate": statistics.median(rates["archc"]),
        "plain_rate": statistics.median(rates["plain"]),
        "rate_ratio": statistics.median(ours / plain for ours, plain in pairs),
        "archc_start_s": medians(runs["archc_1"]).seconds,
        "plain_start_s": medians(runs["plain_1"]).seconds,
        "start_over_s": over(runs["archc_1"], runs["plain_1"], "seconds"),
        "archc_peak_mb": medians(runs["archc"]).peak_mb,
        "plain_peak_mb": medians(runs["plain"]).peak_mb,
        "memory_over_mb": over(runs["archc"], runs["plain"], "peak_mb"),
        "run_ratio": median_ratio(runs["archc"], runs["plain"], "seconds"),
    }
    print(f"{net}: {row['archc_rate']:.0f} pictures/s, {row['rate_ratio']:.3f} of plain; start {row['start_over_s']:+.2f} s; "
          f"memory {row['memory_over_mb']:+.0f} MB", flush=True)  # fmt: skip
    return row


def over(ours: Sequence[Any], plain: Sequence[Any], figure: str) -> float:
    """The median of how much more of a figure ours took, round by round."""
    return statistics.median(getattr(a, figure) - getattr(b, figure) for a, b in zip(ours, plain, strict=True))


def write_photos(folder: Path, count: int = 640) -> None:
    """JPEG photos of 500 × 375 in two classes, crops of those in scikit-image."""
    import numpy as np
    from PIL import Image
    from skimage import data

    random = np.random.default_rng(0)
    for label, photo in (("astronaut", data.astronaut()), ("coffee", data.coffee())):
        place = folder / "train" / label
        place.mkdir(parents=True)
        image = Image.fromarray(photo)
        for at in range(count // 2):
            side = int(random.integers(200, min(image.size)))
            left, top = (int(random.integers(0, extent - side + 1)) for extent in image.size)
            image.crop((left, top, left + side, top + side)).resize((500, 375)).save(place / f"{at:04}.jpg", quality=90)
    (folder / "photos.yaml").write_text(PHOTOS_RECIPE, "utf-8")


def measure_loader(start: Starter, rounds: int, folder: Path) -> dict[str, Any]:
    """The loaders' row."""
    write_photos(folder)
    rates: dict[str, list[float]] = {"archc": [], "torchvision": []}
    for turn in range(-1, rounds):
        for who in list(rates)[:: -1 if turn % 2 else 1]:
            out = folder / f"{who}.json"
            start.run([sys.executable, "-c", LOADER, who, str(folder), str(out)])
            if turn >= 0:
                rates[who] += json.loads(out.read_text("utf-8"))
    row = {
        "what": "loader",
        "archc_rate": statistics.median(rates["archc"]),
        "plain_rate": statistics.median(rates["torchvision"]),
        "rate_ratio": statistics.median(a / b for a, b in zip(*rates.values(), strict=True)),
    }
    print(f"loader: {row['archc_rate']:.0f} pictures/s, {row['rate_ratio']:.3f} of torchvision's", flush=True)
    return row


def repeat_digits(folder: Path, count: int) -> None:
    """Makes the digits of training so many, over and over the same: epochs are as long as those of a real set."""
    for path, header in ((folder / "train-images-idx3-ubyte.gz", 16), (folder / "train-labels-idx1-ubyte.gz", 8)):
        data = gzip.decompress(path.read_bytes())
        size = (len(data) - header) // int.from_bytes(data[4:8], "big")
        pictures = data[header:] * (-(-count * size // (len(data) - header)))
        path.write_bytes(
            gzip.compress(data[:4] + count.to_bytes(4, "big") + data[8:header] + pictures[: count * size], 1)
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Times archc train beside a plain torch loop.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--nets", nargs="*", default=list(NETS))
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--channels-last", default="false", choices=("false", "true"))
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pictures", type=int, default=0, help="repeat the digits until they are so many")
    parser.add_argument("--no-loader", action="store_true", help="leave the loaders' row out")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    with Starter() as start, tempfile.TemporaryDirectory() as made:
        digits = Path(made, "digits")
        subprocess.run([sys.executable, str(ROOT / "examples/write_digits.py"), str(digits), "--form", "idx", "--side", "32"], check=True)  # fmt: skip
        if options.pictures:
            repeat_digits(digits, options.pictures)
        rows += [measure_net(start, net, options, digits) for net in options.nets]
        if not options.no_loader:
            rows.append(measure_loader(start, options.rounds, Path(made, "photos")))
    if options.json:
        write_results(options.json, rows, ("torch", "torchvision", "lightning-fabric", "numpy", "pillow"))


if __name__ == "__main__":
    main()
