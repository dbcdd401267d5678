"""How long archc's Session takes to open, to run for the first time, at a batch that is new to it, and then: by cuDNN's search.

A session of another net is opened and run before, so that none of them pays for the libraries of CUDA.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from archc.runtime import Session, UntrainedWarning

from .case import Case
from .device import Device, open_device
from .plan import SMALL_NET, Task
from .rows import NEEDS_CARD, Row, failed, measured, planned, unmeasured

SEARCHES = ("heuristic", "exhaustive", "default")
RUNS = 5


def measure(task: Task) -> Iterator[Row]:
    """A row for each net and search."""
    device = open_device(task.device)
    cases = [(net, search) for net in task.settings["nets"] for search in SEARCHES]
    yield from (planned(f"{net}, {search}", net=net, search=search) for net, search in cases)
    batch = task.settings["batch"]
    for net in dict.fromkeys([SMALL_NET, *task.settings["nets"]]):
        path = Case(net, 1, "fp32", device, task.models).build()
        if net == SMALL_NET:
            time_session(path, device, SEARCHES[0], batch)
        for search in SEARCHES if net in task.settings["nets"] else ():
            if task.ends < time.monotonic():
                return
            yield time_case(path, net, device, search, batch)


def time_case(path: Path, net: str, device: Device, search: str, batch: int) -> Row:
    """One row."""
    what, facts = f"{net}, {search}", {"net": net, "search": search, "batch": batch, "precision": "fp32"}
    if search != SEARCHES[0] and not device.is_card:
        return unmeasured(what, NEEDS_CARD, "cuDNN's search", **facts)
    try:
        return measured(what, **facts, **time_session(path, device, search, batch))
    except Exception as error:
        return failed(what, error, **facts)


def time_session(path: Path, device: Device, search: str, batch: int) -> dict[str, float]:
    """The ms of opening, of the first run of one image, of warming up for a batch, and of a run of that batch behind it."""
    import numpy as np

    options = {"search": search} if device.is_card else {}
    began = time.perf_counter()
    with warnings.catch_warnings(action="ignore", category=UntrainedWarning):
        session = Session(path, device=device.name, options=options, cache=False)
    marks = [time.perf_counter()]
    for rows in (1, batch):
        session.warm_up(rows=rows)
        marks.append(time.perf_counter())
    (port,) = session.inputs.values()
    sizes = [size for size in port.shape[1:] if isinstance(size, int)]
    array = np.zeros((batch, *sizes), np.float32)
    times = []
    for _ in range(RUNS):
        at = time.perf_counter()
        session.run(array)
        times.append(time.perf_counter() - at)
    names = ("open_ms", "first_run_ms", "warm_up_ms")
    found = [end - start for start, end in zip([began, *marks], marks, strict=False)]
    return {**{name: 1e3 * each for name, each in zip(names, found, strict=True)}, "run_ms": 1e3 * median(times)}
