"""The profile of an open model: the time of each step, beside what the machine can do at most."""

from __future__ import annotations

from dataclasses import dataclass

from ..faults import RuntimeFault
from ..inputs import random_inputs
from ..session import Session
from .attribute import StepTime, attribute_kernels
from .ceilings import Ceilings, measure_ceilings


@dataclass(frozen=True, slots=True)
class Profile:
    """The time of a run of `batch` images, the median of `runs`.

    `steps` are the kernels in the order in which they ran, told by the nodes of the file. `run_seconds` is a whole run: what it has
    over the sum of the steps is onnxruntime's own time between kernels, and that of its profiler.
    """

    model: str
    device: str
    batch: int
    threads: int | None
    runs: int
    run_seconds: float
    steps: tuple[StepTime, ...]
    ceilings: Ceilings

    @property
    def kernel_seconds(self) -> float:
        """The time of all kernels together."""
        return sum(step.seconds for step in self.steps)


def profile_session(session: Session, batch: int = 1, runs: int = 10, warm_up: int = 2) -> Profile:
    """Profiles a model on `batch` images of random numbers at once, on the CPU.

    Raises RuntimeFault `wrong-input` where an input has an open size beside the batch's, `device-unavailable` on another device:
    there onnxruntime sees when kernels are launched, and not how long they run.
    """
    if session.device != "cpu":
        raise RuntimeFault("device-unavailable", f"a profile on {session.device} would be of the launches of kernels, not of the kernels",
                           "profile on the device cpu; for a GPU use its own profiler (nsys, ncu)", 2)  # fmt: skip
    arrays = random_inputs(session.inputs, session.fixed_batch or batch, session.name)
    names = session.known_outputs(None)
    with session.translate_errors(arrays, names):
        recording = session.session.record(names, arrays, runs, warm_up)
    steps = attribute_kernels(recording.kernels, session.artifact.graph)
    size = session.fixed_batch or batch
    return Profile(session.name, session.device, size, session.threads, runs, recording.run_seconds, tuple(steps),
                   measure_ceilings(session.threads))  # fmt: skip
