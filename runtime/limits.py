"""What a model from elsewhere may take: time and memory that grow with its files and with what it is given, up to a cap."""

from __future__ import annotations

import os
import sys
from numbers import Integral, Real
from typing import Any, NamedTuple

from .faults import RuntimeFault

MIB = 2**20
# however large the files and the inputs are; more is what the caller says
MAX_GROWN_S = 3600
# what no limit and no memory reaches
MOST = 2**63


class WorkerLimits(NamedTuple):
    """What a model from elsewhere may take, each time that it is opened or run.

    Time and memory grow with the model's files and, in a run, with the arrays that are given: the time up to an hour, the memory up to what the
    machine has.

    seconds                for any model
    memory_bytes           for any model
    seconds_per_model_mib  seconds on top for each MiB of the model's files
    seconds_per_input_mib  seconds on top for each MiB of the arrays
    memory_per_model_byte  bytes on top for each byte of the model's files
    memory_per_input_byte  bytes on top for each byte of the arrays
    """

    seconds: float = 30
    memory_bytes: int = 512 * MIB
    seconds_per_model_mib: float = 1
    seconds_per_input_mib: float = 10
    memory_per_model_byte: int = 8
    memory_per_input_byte: int = 256

    def time(self, model_bytes: int, input_bytes: int) -> float:
        """Seconds for a model and inputs of so many bytes."""
        grown = (
            self.seconds
            + self.seconds_per_model_mib * model_bytes / MIB
            + self.seconds_per_input_mib * input_bytes / MIB
        )
        return float(min(grown, max(self.seconds, MAX_GROWN_S)))

    def memory(self, model_bytes: int, input_bytes: int) -> int:
        """Bytes for a model and inputs of so many bytes."""
        # numbers of numpy's become Python's, which have no end
        least, each, each_given = map(int, (self.memory_bytes, self.memory_per_model_byte, self.memory_per_input_byte))
        return min(least + each * model_bytes + each_given * input_bytes, max(least, machine_memory()))


def machine_memory() -> int:
    """The bytes of memory of this machine; more than any where the system does not say."""
    if sys.platform != "win32" and {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= {*os.sysconf_names}:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return found if found > 0 else MOST - 1
    return MOST - 1


def check_limits(limits: Any) -> None:
    """Raises RuntimeFault (usage) where `limits` are no WorkerLimits, or one of them is no number that limits."""
    if not isinstance(limits, WorkerLimits):
        raise RuntimeFault("usage", f"limits={limits!r}: WorkerLimits(…) are expected", exit_code=2)
    for name, value in limits._asdict().items():
        whole = name.startswith("memory")
        number = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
        grows = "_per_" in name
        if not number or not 0 <= value < MOST or (value == 0 and not grows):
            kind = f"a {'whole ' * whole}number {'from 0' if grows else 'over 0'}, under 2**63,"
            raise RuntimeFault("usage", f"limits: {name}={value!r}: {kind} is expected", exit_code=2)
