"""The best weights of a run, back in its net."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def load_best(network: nn.Module, path: Path) -> nn.Module:
    """The same module with the weights of best.safetensors; the run is over, and its own lie in the checkpoint."""
    from safetensors.torch import load_file

    device = str(next((each.device for each in network.parameters()), "cpu"))
    network.load_state_dict(load_file(path, device=device))
    return network
