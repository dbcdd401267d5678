"""The best weights of a run, back in its net."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...compiler.diagnostics import Failure
from ..checkpoint.fit import find_misfit

if TYPE_CHECKING:
    from torch import Tensor, nn


def load_best(network: nn.Module, path: Path) -> nn.Module:
    """The same module with the weights of best.safetensors; the run is over, and its own lie in the checkpoint.

    Raises Failure `checkpoint-damaged` where they are not this net's.
    """
    device = str(next((each.device for each in network.parameters()), "cpu"))
    tensors = read_best(path, device)
    if odd := find_misfit(tensors, network.state_dict(), ""):
        raise damaged(path, odd)
    network.load_state_dict(tensors)
    return network


def check_best(network: nn.Module, path: Path) -> None:
    """Raises Failure `checkpoint-damaged` where best.safetensors is not there, or not of this net: a run that goes on may never write it again."""
    if odd := find_misfit(read_best(path), network.state_dict(), ""):
        raise damaged(path, odd)


def read_best(path: Path, device: str = "cpu") -> dict[str, Tensor]:
    """The tensors of a best.safetensors. Raises Failure `checkpoint-damaged` where it cannot be read."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path, device=device)
    except (SafetensorError, OSError, ValueError) as error:
        why = str(error).partition("\n")[0][:120] if path.exists() else "it is not there"
        raise damaged(path, why) from None


def damaged(path: Path, why: str) -> Failure:
    """What is said of best weights that are none."""
    return Failure("checkpoint-damaged", f"`{path}` has not the best weights of this net: {why}",
                   "put it back as the run wrote it, or begin a new run")  # fmt: skip
