"""Numbers to run a model on where its answer does not matter, but its time does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .faults import RuntimeFault
from .ports import Port, list_ports


def random_inputs(ports: Mapping[str, Port], rows: int, model: str) -> dict[str, Any]:
    """Arrays of `rows` rows for each input, by name: standard normal numbers, or 0 to 255 where an input takes whole ones.

    The same for the same ports. Raises RuntimeFault `wrong-input` where an input has an open size beside the batch's, or no numbers.
    """
    import numpy as np

    chance, arrays = np.random.default_rng(0), {}
    for name, port in ports.items():
        if not port.shape or not port.has_one_size or not port.is_tensor or port.dtype == "object":
            raise RuntimeFault("wrong-input", f"the input `{name}` of {model} has an open size, or is of no numbers: {list_ports(ports)}",
                               "build it with fixed sizes")  # fmt: skip
        shape = (rows, *(size for size in port.shape[1:] if isinstance(size, int)))
        numbers = chance.standard_normal(shape, np.float32)
        whole = np.dtype(port.dtype).kind != "f"
        arrays[name] = (abs(numbers) * 80).clip(0, 255).astype(port.dtype) if whole else numbers.astype(port.dtype)
    return arrays
