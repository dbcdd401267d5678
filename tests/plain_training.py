"""The textbook's training loop in plain torch, which `archc train` is held against, and the nets, pictures and recipes of both.

What the plain loop shares with archc is what the comparison is not about: the order of the pictures and the seed of each step, both functions of
the recipe's seed, and how a picture becomes an input, which tests/test_peers.py holds against torchvision's transforms.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

import archc
from archc.runtime.images import Preprocess, prepare, read_image
from archc.training.data.order import EpochOrder
from archc.training.seeds import step_seed

from .peers import timm_net, torchvision_net

ROOT = Path(__file__).parent.parent
CLASSES, A_CLASS, BATCH, STEPS, SEED = 4, 25, 4, 50, 11
LR, MOMENTUM, DECAY = 0.003, 0.9, 1e-4
HEAD_SHARES = {"googlenet": 0.3, "inception_v3": 0.4}

RECIPE = f"""\
recipe: 1
name: proof
data: {{format: imagefolder, train: train, val: null, workers: 0}}
steps: {STEPS}
batch: {BATCH}
optimizer: {{sgd: {{lr: {LR}, momentum: {MOMENTUM}, weight_decay: {DECAY}}}}}
checkpoint: {{every: {{steps: 1000}}}}
seed: {SEED}
log: {{every: 1}}
"""
SPEC = """\
archspec: 1
name: small
extends: {base}
params: {{classes: {classes}{params}}}
input: {{image: [{channels}, {side}, {side}]}}
preprocess: {{resize: {side}, crop: {side}}}
labels: ["0", "1", "2", "3"]
"""


class Proof(NamedTuple):
    """A net that is trained by both. `twin` makes the other library's net of so many classes; None where there is none, and the
    module that archc makes is trained by the plain loop.

    `side` is that of the pictures; `lr` the learning rate; `narrow` gives the two large layers of VGG so many numbers; `params` are the spec's.
    """

    net: str
    side: int
    twin: Callable[..., nn.Module] | None = None
    channels: int = 3
    narrow: int | None = None
    params: str = ""
    lr: float = LR
    steps: int = STEPS


def write_pictures(folder: Path, side: int) -> None:
    """Digits of four classes, upscaled, as an imagefolder whose pictures fill whole batches."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for label in range(CLASSES):
        place = folder / "train" / str(label)
        place.mkdir(parents=True)
        for at, picture in enumerate(digits.images[digits.target == label][:A_CLASS]):
            grey = Image.fromarray(np.rint(picture * (255 / 16)).astype(np.uint8))
            grey.resize((side, side), Image.Resampling.BILINEAR).save(place / f"{at:03}.png")


def write_spec(folder: Path, proof: Proof) -> Path:
    """The net for small pictures and few classes, as a user would write it over the bundled one."""
    base = f"zoo:{proof.net}"
    if proof.narrow:
        for name in ("vgg.yaml", f"{proof.net}.yaml"):
            text = (ROOT / "archspecs/vgg" / name).read_text("utf-8")
            text = text.replace("linear: 4096", f"linear: {proof.narrow}")
            (folder / name).write_text(text.partition("\nexpect:")[0] + "\n", "utf-8")
        base = f"{proof.net}.yaml"
    path = folder / "small.yaml"
    params = f", {proof.params}" if proof.params else ""
    text = SPEC.format(base=base, classes=CLASSES, params=params, channels=proof.channels, side=proof.side)
    path.write_text(text, "utf-8")
    return path


def make_twin(proof: Proof, spec: Path) -> nn.Module:
    """The net that the plain loop trains."""
    torch.manual_seed(SEED)
    if proof.twin is None:
        return archc.load(spec).to_torch(seed=SEED)
    twin = proof.twin(num_classes=CLASSES)
    if proof.narrow:
        wide = 512 * 7 * 7
        twin.classifier[0] = nn.Linear(wide, proof.narrow)
        twin.classifier[3] = nn.Linear(proof.narrow, proof.narrow)
        twin.classifier[6] = nn.Linear(proof.narrow, CLASSES)
    return twin


def torchvision_twin(name: str) -> Callable[..., nn.Module]:
    return lambda **how: torchvision_net(name, **how)


def timm_twin(name: str) -> Callable[..., nn.Module]:
    return lambda **how: timm_net(name, **how)


def plain_batches(folder: Path, spec: Path, steps: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The batches of a run: pictures sorted by class and name, in the order of each epoch."""
    checked = archc.load(spec).checked
    size = next(iter(archc.load(spec).inputs.values()))
    how = Preprocess.parse(checked.header.preprocess.to_dict(), size)
    files = sorted((folder / "train").glob("*/*.png"))
    images = torch.from_numpy(np.stack([prepare(read_image(str(file)), how) for file in files]))
    targets = torch.tensor([int(file.parent.name) for file in files])
    epochs = -(-steps * BATCH // len(files))
    order = np.concatenate([EpochOrder(len(files), BATCH, SEED).permute(epoch) for epoch in range(epochs)])
    for step in range(steps):
        chosen = torch.from_numpy(order[step * BATCH : (step + 1) * BATCH])
        yield images[chosen], targets[chosen]


def plain_loss(outputs: Any, targets: torch.Tensor, share: float) -> torch.Tensor:
    """torchvision's nets with heads give a named tuple in training: logits and then the heads."""
    if isinstance(outputs, tuple):
        main, *heads = (functional.cross_entropy(each, targets) for each in outputs)
        return main + share * sum(heads)
    return functional.cross_entropy(outputs, targets)


def plain_losses(
    net: nn.Module,
    batches: Iterator[tuple[torch.Tensor, torch.Tensor]],
    share: float = 0.0,
    *,
    own: bool = False,
    lr: float = LR,
) -> list[float]:
    """The textbook's loop: forward, loss, backward, step. `own` is a module of archc's, which adds up the losses of its heads itself."""
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=MOMENTUM, weight_decay=DECAY)
    net.train()
    found = []
    for step, (images, targets) in enumerate(batches):
        torch.manual_seed(step_seed(SEED, step, 0))
        optimizer.zero_grad()
        loss = net.loss(net(images), targets) if own else plain_loss(net(images), targets, share)  # type: ignore[operator]
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


def archc_losses(folder: Path, spec: Path, weights: Path, steps: int, lr: float) -> list[float]:
    """The loss of each step of `archc train`, from metrics.csv."""
    recipe, run = folder / "proof.recipe.yaml", folder / "run"
    recipe.write_text(RECIPE, "utf-8")
    arguments = ["train", spec, recipe, "--data", folder, "-o", run, "--weights", weights, "--set", f"steps={steps}",
                 "--set", f"optimizer.lr={lr}"]  # fmt: skip
    done = run_archc([str(each) for each in arguments])
    assert done.returncode == 0, done.stderr[-3000:]
    with open(run / "metrics.csv", encoding="utf-8", newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file) if row["split"] == "train"]


def run_archc(arguments: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """archc in a process of its own, on the CPU and one thread."""
    around = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **environment}
    return subprocess.run([sys.executable, "-m", "archc", *arguments], env=around, capture_output=True, text=True, check=False)  # fmt: skip


def compare(proof: Proof, folder: Path) -> tuple[list[float], list[float]]:
    """The losses of archc's run and of the plain loop, from the same weights."""
    write_pictures(folder, proof.side)
    spec = write_spec(folder, proof)
    twin = make_twin(proof, spec)
    weights = folder / "start.safetensors"
    save_file({name: tensor.contiguous().clone() for name, tensor in twin.state_dict().items()}, weights)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        plain = plain_losses(twin, plain_batches(folder, spec, proof.steps), HEAD_SHARES.get(proof.net, 0.0), own=proof.twin is None, lr=proof.lr)  # fmt: skip
    finally:
        torch.set_num_threads(threads)
    return archc_losses(folder, spec, weights, proof.steps, proof.lr), plain
