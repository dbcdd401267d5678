"""Counters of energy: the processor's (RAPL, Linux) and an NVIDIA GPU's (NVML), where there are such and they may be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..devices import find_device
from .nvml import find_gpus

POWERCAP = Path("/sys/class/powercap")


class Counter(NamedTuple):
    """A counter by what it counts, `cpu` or `gpu`: `read` gives joules that only grow, until they begin again at `wraps_at`."""

    name: str
    read: Callable[[], float]
    wraps_at: float


def find_counters(device: str) -> tuple[list[Counter], str]:
    """The counters for a run on `device`, and where there are none, why."""
    return gpu_counters() if find_device(device).is_nvidia else processor_counters()


def processor_counters(folder: Path = POWERCAP) -> tuple[list[Counter], str]:
    """A counter for each processor package."""
    packages = [path for path in sorted(folder.glob("intel-rapl:*")) if path.name.count(":") == 1]
    if not packages:
        return [], "this machine shows no counter of its processor's energy (RAPL)"
    try:
        return [rapl_counter(path) for path in packages], ""
    except (OSError, ValueError) as error:
        return [], f"the counter of the processor's energy cannot be read: {error}"


def rapl_counter(path: Path) -> Counter:
    """The counter of one package, in joules. Raises OSError where it may not be read: it is root's on most systems."""

    def read() -> float:
        return int((path / "energy_uj").read_text()) * 1e-6

    read()
    return Counter("cpu", read, int((path / "max_energy_range_uj").read_text()) * 1e-6)


def gpu_counters() -> tuple[list[Counter], str]:
    """The counter of the first GPU."""
    gpus = find_gpus()
    if not gpus.handles:
        return [], gpus.why_none
    try:
        gpus.joules()
    # NVML's own errors share no root that can be named without the package
    except Exception as error:
        return [], f"the GPU's counter of energy cannot be read: {error}"
    return [Counter("gpu", gpus.joules, float("inf"))], ""


def measure_joules(counters: list[Counter], work: Callable[[], object]) -> float:
    """The energy of all counters while `work` runs."""
    before = [counter.read() for counter in counters]
    work()
    used = [counter.read() - start for counter, start in zip(counters, before, strict=True)]
    return sum(each if each >= 0 else each + counter.wraps_at for each, counter in zip(used, counters, strict=True))
