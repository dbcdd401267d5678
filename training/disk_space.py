"""What a run takes of the disk, told before it begins: one that is too small is known hours before it is full."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from ..compiler.counts import count_of, format_bytes
from .memory import StepMemory
from .prepare import TrainingRequest


def checkpoint_bytes(memory: StepMemory) -> int:
    """The size of a checkpoint: the weights, their average, and the optimizer's state."""
    return memory.weights + memory.average + memory.optimizer


def run_bytes(members: Sequence[StepMemory], keep: int) -> int:
    """The most that a run takes: of each of its `members`, or of the one net, the newest `keep` checkpoints, one that is being written, and the
    best weights; of an ensemble the weights of all, and the built average, too."""
    each = sum((keep + 1) * checkpoint_bytes(memory) + memory.weights for memory in members)
    return each + (2 * sum(memory.weights for memory in members) if len(members) > 1 else 0)


def tell_space(request: TrainingRequest, members: Sequence[StepMemory]) -> None:
    """Tells what the run of an ensemble takes, and of any run where the disk has not so much."""
    needed, free = run_bytes(members, request.recipe.checkpoint.keep), free_bytes(request.output)
    if len(members) == 1 and (free is None or free >= needed):
        return
    whose = f"the {count_of(len(members), 'member')} take" if len(members) > 1 else "the run takes"
    left = f", which has {format_bytes(free)} left" if free is not None else ""
    short = ": too little; --set checkpoint.keep=1 takes less" if free is not None and free < needed else ""
    request.tell(f"note: {whose} up to {format_bytes(needed)} of the disk{left}{short}")


def free_bytes(place: Path) -> int | None:
    """What is left where a folder will be; None where the system does not tell."""
    there = next((each for each in (place, *place.absolute().parents) if each.is_dir()), None)
    try:
        return shutil.disk_usage(there).free if there else None
    except OSError:
        return None
