"""What changes while a net is trained: its weights, the optimizer's state, and the average of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .average import make_average
from .freezing import freeze
from .optimizers import make_optimizer
from .recipe.recipe import Recipe

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor, nn
    from torch.optim import Optimizer
    from torch.optim.swa_utils import AveragedModel

    from ..compiler.backends.torch.network import Network

MODEL, EMA, OPTIMIZER = "model.", "ema.", "optimizer."


@dataclass(frozen=True)
class Learner:
    """A net in training. `network` is the net itself, `wrapped` what is called in training: compiled, and in step with other processes.

    `average` follows the weights, where the recipe has an ema.
    """

    fabric: Fabric
    network: Network
    wrapped: nn.Module
    optimizer: Optimizer
    average: AveragedModel | None

    @property
    def evaluated(self) -> nn.Module:
        """The net that is validated and kept: the average where there is one."""
        if self.average is None:
            return self.network
        averaged: nn.Module = self.average.module
        return averaged

    @property
    def scaler(self) -> Any:
        """The scaling of fp16's gradients; None in another precision."""
        return getattr(self.fabric.strategy.precision, "scaler", None)

    def is_finite(self) -> bool:
        """Whether all weights are finite numbers. A look at each of them; where a GPU has them, one wait for it."""
        import torch

        return bool(torch.stack([each.detach().isfinite().all() for each in self.network.parameters()]).all())

    def tensors(self) -> dict[str, Tensor]:
        """All that a checkpoint keeps, by name: `model.*`, `ema.*`, and `optimizer.<i>.<key>` of the i-th trained parameter."""
        found = {MODEL + name: value for name, value in self.network.state_dict().items()}
        if self.average is not None:
            found |= {EMA + name: value for name, value in self.average.module.state_dict().items()}
        state = self.optimizer.state_dict()["state"]
        return found | {
            f"{OPTIMIZER}{i}.{key}": value
            for i, each in state.items()
            for key, value in each.items()
            if value is not None
        }

    def restore(self, tensors: Mapping[str, Tensor], step: int, scaler: Mapping[str, Any] | None) -> None:
        """Puts back what `tensors` kept after `step` steps. Raises RuntimeError, as torch does, where a tensor is missing or has another shape."""
        self.network.load_state_dict(inside(tensors, MODEL))
        if self.average is not None:
            self.average.module.load_state_dict(inside(tensors, EMA))
            # the first step makes the average equal to the weights
            self.average.n_averaged.fill_(step)
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in inside(tensors, OPTIMIZER).items():
            i, _, key = name.partition(".")
            states.setdefault(int(i), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": states, "param_groups": groups})
        if scaler and self.scaler is not None:
            self.scaler.load_state_dict(dict(scaler))


def inside(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def make_learner(network: Network, recipe: Recipe, fabric: Fabric) -> Learner:
    """The net with its optimizer on the device of this process. Raises Failure where the recipe freezes what there is not."""
    import torch

    freeze(network, recipe.freeze)
    if recipe.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.to(fabric.device)
    average = make_average(network, recipe.ema)
    optimizer = make_optimizer(network, recipe.optimizer)
    called: nn.Module = torch.compile(network) if recipe.compile else network  # type: ignore[assignment]
    wrapped, optimizer = fabric.setup(called, optimizer)
    return Learner(fabric, network, wrapped, optimizer, average)
