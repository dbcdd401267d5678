"""A part of the zoo on the device, as zoo_on_device.py measures it: whether it answers as torch does, and where its nodes run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import islice

import zoo_on_device

from .plan import Task
from .rows import FAILED, Row, planned

# processes at once: each holds a net on the card, and one on the processor
JOBS = 8


def measure(task: Task) -> Iterator[Row]:
    """A row for each net of this part; one that does not agree, or has a node elsewhere than on the device, has failed."""
    names = zoo_on_device.list_nets(task.settings["nets"])
    names = [*islice(names, task.settings["at"], None, task.settings["slices"])]
    yield from (planned(name, net=name) for name in names)
    jobs = 1 if task.rehearsal else min(JOBS, max(1, (os.cpu_count() or 1) // 2))
    for found in zoo_on_device.compare_nets(names, task.device, {}, jobs):
        name = found["net"]
        if "error" in found:
            yield {"what": name, "status": FAILED, "reason": found.pop("error"), **found}
        else:
            good = found["agrees"] and not found["elsewhere"]
            reason = {} if good else {"reason": "it does not agree with torch, or has nodes elsewhere"}
            yield {"what": name, "status": "measured" if good else FAILED, **reason, **found}
        if time.monotonic() > task.ends:
            return
