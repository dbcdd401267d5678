"""NVIDIA's counters (NVML), by the package nvidia-ml-py, where it and a driver are here."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from ..pip import install_command


class Gpus(NamedTuple):
    """The GPUs of this machine, as NVML numbers them: its module, and their handles. `why_none` says why there are none."""

    nvml: Any
    handles: tuple[Any, ...]
    why_none: str = ""

    def joules(self) -> float:
        """What the first one has used since its driver was loaded. Raises NVML's errors."""
        return float(self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handles[0])) * 1e-3

    def used_bytes(self) -> int:
        """The memory in use on all of them, by whomever: a process may see them in another order. Raises NVML's errors."""
        return sum(int(self.nvml.nvmlDeviceGetMemoryInfo(each).used) for each in self.handles)


@cache
def find_gpus() -> Gpus:
    """The GPUs of this machine; they are looked for once."""
    try:
        import pynvml

        pynvml.nvmlInit()
        handles = tuple(pynvml.nvmlDeviceGetHandleByIndex(at) for at in range(pynvml.nvmlDeviceGetCount()))
    except ImportError:
        return Gpus(None, (), f"the package nvidia-ml-py is not here: {install_command('nvidia-ml-py')}")
    # NVML's own errors share no root that can be named without the package
    except Exception as error:
        return Gpus(None, (), f"NVML does not answer: {error}")
    return Gpus(pynvml, handles, "" if handles else "NVML finds no GPU")


def read_used_bytes() -> int | None:
    """The memory in use on all GPUs; None where that is not known."""
    gpus = find_gpus()
    try:
        return gpus.used_bytes() if gpus.handles else None
    # as above
    except Exception:
        return None
