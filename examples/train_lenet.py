"""Trains lenet5_modern on scikit-learn's digits and writes archspecs/lenet/lenet5_modern.safetensors.

    python examples/train_lenet.py [FILE]

The module comes from the spec. Training takes a minute on one core; the seeds are fixed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from digits import SEED, images, split, tensor
from safetensors.torch import save_file
from torch.nn import functional

import archc

EPOCHS = 40
BATCH = 64


def train(module: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    """Trains with Adam and one cycle of the learning rate; in each epoch a batch is shifted by up to two pixels at random."""
    optimiser = torch.optim.Adam(module.parameters(), lr=2e-3, weight_decay=1e-4)
    steps = EPOCHS * -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=steps)
    random = np.random.default_rng(SEED)
    module.train()
    for _ in range(EPOCHS):
        for batch in np.array_split(random.permutation(len(x)), -(-len(x) // BATCH)):
            down, right = (int(n) for n in random.integers(-2, 3, 2))
            moved = torch.roll(x[batch], (down, right), (2, 3))
            found = module(moved)
            logits = found["logits"] if isinstance(found, dict) else found
            loss = functional.cross_entropy(logits, y[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()


def main() -> None:
    """Trains the net, prints its accuracy on the digits held out, and writes its weights."""
    target = (
        Path(sys.argv[1])
        if len(sys.argv) > 1
        else Path(__file__).parent.parent / "archspecs/lenet/lenet5_modern.safetensors"
    )
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    pictures, answers = images()
    x, y = torch.from_numpy(tensor(pictures)), torch.from_numpy(answers)
    learn, held_out = split(len(pictures))
    module = archc.load("lenet5_modern").to_torch()
    train(module, x[learn], y[learn])
    module.eval()
    with torch.no_grad():
        right = (module(x[held_out]).argmax(1) == y[held_out]).float().mean().item()
    save_file({name: value.contiguous() for name, value in module.state_dict().items()}, target)
    print(f"{right:.2%} of {len(held_out)} held-out digits; {target.name}, {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
