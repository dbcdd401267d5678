"""Repeated runs on a GPU with inputs that stay in its memory: a run of the shapes of the one before copies into the same place.

onnxruntime's plain `run` takes a piece of the GPU's memory for each input each time. (A CUDA graph needs addresses that stay, too.)
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from .devices import DeviceChoice, find_device


def binds(session: Any, choice: DeviceChoice) -> bool:
    """Whether runs on this device are bound: its memory is its own, and all that the model takes and gives are arrays of numbers."""
    ports = [*session.get_inputs(), *session.get_outputs()]
    has_memory = bool(find_device(choice.device).memory)
    return has_memory and all(port.type.startswith("tensor(") and "string" not in port.type for port in ports)


class BoundRuns:
    """A session on a device, run as `onnxruntime.InferenceSession.run` is. Several threads may call it: they wait for each other."""

    def __init__(self, session: Any, choice: DeviceChoice) -> None:
        self.session = session
        self.memory = find_device(choice.device).memory or "cpu"
        self.index = int(choice.settings.get("index", 0))
        self.lock = threading.Lock()
        self.bound: Any = None
        self.values: dict[str, Any] = {}
        self.fits: Any = None

    def run(self, names: Sequence[str], arrays: Mapping[str, Any]) -> list[Any]:
        """The outputs `names` as arrays in the host's memory. Raises what onnxruntime raises."""
        if any(array.size == 0 for array in arrays.values()):
            return list(self.session.run([*names], dict(arrays)))
        with self.lock:
            try:
                self.bind(names, arrays)
                self.session.run_with_iobinding(self.bound)
                return list(self.bound.copy_outputs_to_cpu())
            except BaseException:
                # what is bound may be half of the old and half of the new, and must not keep memory after there was none
                self.forget()
                raise

    def bind(self, names: Sequence[str], arrays: Mapping[str, Any]) -> None:
        """Copies the arrays to the device: to where those before are, if they were of these shapes."""
        import numpy as np
        import onnxruntime

        wanted = [(name, array.shape, array.dtype) for name, array in arrays.items()], [*names]
        if self.fits == wanted:
            for name, array in arrays.items():
                self.values[name].update_inplace(np.ascontiguousarray(array))
            return
        # the memory of the inputs before is free for these
        self.forget()
        self.bound = self.session.io_binding()
        for name, array in arrays.items():
            value = onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), self.memory, self.index)
            self.values[name] = value
            self.bound.bind_ortvalue_input(name, value)
        for name in names:
            # a shape may depend on the data, so onnxruntime takes the memory of an output
            self.bound.bind_output(name, self.memory, self.index)
        self.fits = wanted

    def forget(self) -> None:
        """Gives the memory of the inputs back."""
        self.bound, self.values, self.fits = None, {}, None
