"""Which picture comes when: a permutation of all, another in each epoch, dealt to the processes.

The last step is filled up with pictures from the beginning of the order, so that every batch of it is whole and every process has equally many. To leave the
rest out instead would lose pictures, and a short batch would count more for each picture and disturb batch norm. So an epoch has as many steps as in the papers, which round up:
391 of 128 pictures for CIFAR's 50,000.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from ..augment.draws import Purpose, open_draws

if TYPE_CHECKING:
    import numpy as np


class BatchPlan(NamedTuple):
    """One batch of one process: its number in the epoch, and the places of its pictures in the epoch's order, with the pictures there."""

    epoch: int
    number: int
    places: Any
    pictures: Any


class EpochOrder:
    """The order of `pictures` in each epoch, in batches of `batch` for the process `rank` of `world_size`; a step takes `accumulate` of them.

    A step of all processes has the same pictures whatever `world_size` and `accumulate` are, if the global batch is: process r takes
    every `world_size`-th from the r-th on.
    """

    def __init__(
        self, pictures: int, batch: int, seed: int, rank: int = 0, world_size: int = 1, accumulate: int = 1
    ) -> None:
        self.pictures, self.batch, self.seed, self.rank, self.world_size = pictures, batch, seed, rank, world_size
        self.accumulate = accumulate

    @property
    def batches(self) -> int:
        """How many batches each process has in an epoch: those of whole steps."""
        return self.steps * self.accumulate

    @property
    def steps(self) -> int:
        """How many steps an epoch has."""
        return -(-self.pictures // (self.batch * self.world_size * self.accumulate))

    def permute(self, epoch: int) -> np.ndarray[Any, np.dtype[np.int32]]:
        """All pictures in the order of an epoch, int32 (n,)."""
        import numpy as np

        order: np.ndarray[Any, np.dtype[np.int32]] = open_draws(Purpose.ORDER, self.seed, epoch).permutation(
            np.arange(self.pictures, dtype=np.int32)
        )
        return order

    def plan(self, epoch: int, start_batch: int = 0) -> Iterator[BatchPlan]:
        """The batches of an epoch from `start_batch` on."""
        import numpy as np

        order, together = self.permute(epoch), self.batch * self.world_size
        for number in range(start_batch, self.batches):
            places = np.arange(number * together + self.rank, (number + 1) * together, self.world_size)
            places %= self.pictures
            yield BatchPlan(epoch, number, places, order[places])
