"""The device as a value: what differs between a card and the processor stands here, and nowhere else."""

from __future__ import annotations

import gc
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

QUERY = ("name", "driver_version", "clocks.sm", "clocks.mem", "clocks.max.sm", "clocks.max.mem", "power.limit")


class Device(NamedTuple):
    """A device by the name that torch, onnxruntime and archc have for it.

    `synchronise` waits until it has done what it was told. `used_bytes` is the memory of it that is taken, by whomever; on the processor
    that of this process. `release` gives back what nobody uses. `backend` is torch.compile's: on the processor a rehearsal spares the
    compiler.
    """

    name: str
    synchronise: Callable[[], None]
    used_bytes: Callable[[], int]
    release: Callable[[], None]
    backend: str

    @property
    def is_card(self) -> bool:
        return self.name != "cpu"


def open_device(name: str) -> Device:
    """The device `cpu` or `cuda`."""
    import torch

    if name == "cpu":
        return Device("cpu", lambda: None, resident_bytes, collect, "eager")

    def used_bytes() -> int:
        free, total = torch.cuda.mem_get_info()
        return total - free

    def release() -> None:
        collect()
        torch.cuda.empty_cache()

    return Device(name, torch.cuda.synchronize, used_bytes, release, "inductor")


def collect() -> None:
    gc.collect()


def resident_bytes() -> int:
    """The memory of this process; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:
        return 0


def describe_card(name: str) -> dict[str, Any]:
    """The card's name, driver, clocks and the libraries that torch has for it; on the processor nothing."""
    if name == "cpu":
        return {}
    import torch

    return {
        "gpu": torch.cuda.get_device_name(),
        "gpu_bytes": torch.cuda.get_device_properties(0).total_memory,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        **query_card(),
    }


def query_card() -> dict[str, str]:
    """What nvidia-smi says of the first card, clocks in MHz; nothing where it is not here."""
    line = ["nvidia-smi", f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader,nounits", "--id=0"]
    try:
        said = subprocess.run(line, capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return {}
    values = [each.strip() for each in said.strip().split(",")]
    names = [each.replace(".", "_") for each in QUERY]
    return dict(zip(names, values, strict=True)) if len(values) == len(QUERY) else {}
