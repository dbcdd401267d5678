"""What the device does at most: bytes a second of a copy, operations a second of a product of matrices, and the bus from the host."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from .case import tf32
from .device import Device, open_device, query_card
from .plan import PRECISIONS, Task
from .rows import NEEDS_CARD, Row, measured, planned, unmeasured
from .timing import time_run

COPY = "copy on the device"
BUS = ("host to device", "host to device, pinned", "device to host", "device to host, pinned")
RUNS = 10


def name_product(precision: str) -> str:
    """The row of the products in a precision."""
    return f"product of matrices, {precision}"


def measure(task: Task) -> Iterator[Row]:
    """A row for the copy, for the product in each precision and for each way over the bus; `ceiling` is the best run's."""
    device = open_device(task.device)
    size, side, bus, seconds = (2**22, 256, 2**20, 0.05) if task.rehearsal else (2**30, 8192, 2**28, 2.0)
    names = [COPY, *map(name_product, PRECISIONS), *BUS, "clocks behind the products"]
    yield from map(planned, names)
    yield time_ceiling(COPY, make_copy(size, device), device, seconds, 2 * size, "bytes/s")
    device.release()
    for precision in PRECISIONS:
        if precision == "tf32" and not device.is_card:
            yield unmeasured(name_product(precision), NEEDS_CARD, "TF32 is arithmetic of NVIDIA's cards")
            continue
        with tf32(precision == "tf32"):
            run = multiply(side, precision, device)
            yield time_ceiling(name_product(precision), run, device, seconds, 2 * side**3, "flop/s", side=side)
    clocks = query_card() if device.is_card else {}
    yield measured(names[-1], **clocks) if clocks else unmeasured(names[-1], NEEDS_CARD, "nvidia-smi tells them")
    yield from measure_bus(bus, device, seconds)


def allocate(size: int, device: Device) -> Any:
    """A tensor of so many bytes; zeros, so that its pages are there."""
    import torch

    return torch.zeros(size, dtype=torch.uint8, device=device.name)


def make_copy(size: int, device: Device) -> Callable[[], Any]:
    """A copy of so many bytes within the device: they are read once and written once."""
    source, target = (allocate(size, device) for _ in range(2))
    return lambda: target.copy_(source)


def multiply(side: int, precision: str, device: Device) -> Callable[[], Any]:
    """A product of two square matrices, written into a third."""
    import torch

    kind = torch.float16 if precision == "fp16" else torch.float32
    # numbers as a net has them: a card that multiplies zeros takes less power, and its clock stays higher
    left, right = (torch.randn(side, side, device=device.name).to(kind) for _ in range(2))
    made = torch.empty_like(left)
    return lambda: torch.mm(left, right, out=made)


def measure_bus(size: int, device: Device, seconds: float) -> Iterator[Row]:
    """Copies between the host's memory and the device's, from memory that is pinned and that is not."""
    import torch

    if not device.is_card:
        yield from (unmeasured(name, NEEDS_CARD, "the processor has no bus between") for name in BUS)
        return
    there = allocate(size, device)
    pageable = torch.zeros(size, dtype=torch.uint8)
    pinned = torch.zeros(size, dtype=torch.uint8).pin_memory()
    for name, target, source in (
        (BUS[0], there, pageable), (BUS[1], there, pinned), (BUS[2], pageable, there), (BUS[3], pinned, there),
    ):  # fmt: skip
        yield time_ceiling(name, lambda t=target, s=source: t.copy_(s), device, seconds, size, "bytes/s")  # type: ignore[misc]


def time_ceiling(what: str, run: Callable[[], Any], device: Device, seconds: float, amount: int, unit: str, **facts: Any) -> Row:  # fmt: skip
    """The rate of the best run and of the median one; RUNS runs at least, and for `seconds` at least, after two to warm up."""
    for _ in range(2):
        time_run(run, device)
    times: list[float] = []
    ends = time.monotonic() + seconds
    while len(times) < RUNS or time.monotonic() < ends:
        times.append(time_run(run, device))
    times.sort()
    return measured(what, ceiling=amount / times[0], median=amount / times[len(times) // 2], unit=unit, amount=amount,
                    runs=len(times), **facts)  # fmt: skip
