"""Where each step's random numbers come from. The generator is seeded anew at each step, so no state of it is saved."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def step_seed(seed: int, step: int, rank: int) -> int:
    """The seed of torch's generator for the step `step` of the process `rank`: 63 bits that have nothing to do with those of any other."""
    digest = hashlib.blake2b(f"{seed} {step} {rank}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def seed_generators(seed: int, device: torch.device) -> None:
    """Seeds torch's generator on the CPU and that on `device`. torch.manual_seed would also keep a call, with a traceback, for each kind of device
    that is not in use: a millisecond a step, and memory that is never given back."""
    import torch

    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
