"""Where the random numbers of the pictures come from: each is a function of the recipe's seed and of what it is for.

The generator counts (Philox): seed and purpose are its key, and epoch, picture or batch, and process its place. So no stream meets another, none needs
to be saved, and whoever makes a picture, the same numbers come.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


class Purpose(IntEnum):
    """What random numbers are for."""

    ORDER = 1
    SPLIT = 2
    PICTURE = 3
    BATCH = 4


def open_draws(purpose: Purpose, seed: int, epoch: int = 0, index: int = 0, rank: int = 0) -> np.random.Generator:
    """The random numbers for the picture, the batch or the class `index` in an epoch, in the process `rank`."""
    import numpy as np

    key = np.array([seed % 2**64, purpose], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, index, epoch, rank], np.uint64)))


@contextmanager
def seed_torch(draws: np.random.Generator) -> Iterator[None]:
    """Inside it torch's own generator goes on from a drawn seed, as torchvision's steps draw from it; behind it, from where it stood."""
    import torch

    before = torch.default_generator.get_state()
    # torch.manual_seed would seed every device, too
    torch.default_generator.manual_seed(int(draws.integers(2**63)))
    try:
        yield
    finally:
        torch.default_generator.set_state(before)
