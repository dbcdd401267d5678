"""Where each step's random numbers come from. The generator is seeded anew at each step, so no state of it is saved."""

from __future__ import annotations

import hashlib


def step_seed(seed: int, step: int, rank: int) -> int:
    """The seed of torch's generator for the step `step` of the process `rank`: 63 bits that have nothing to do with those of any other."""
    digest = hashlib.blake2b(f"{seed} {step} {rank}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
