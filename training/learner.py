"""What changes while a net is trained: its weights, the optimizer's state, and the average of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..compiler.diagnostics import Failure
from .average import make_average
from .checkpoint.fit import find_misfit, find_odd_state
from .freezing import freeze
from .optimizers import make_optimizer, state_names
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

    `average` follows the weights, where the recipe has an ema. `kept` are the names of what the optimizer keeps for a parameter.
    """

    fabric: Fabric
    network: Network
    wrapped: nn.Module
    optimizer: Optimizer
    average: AveragedModel | None
    kept: frozenset[str] = frozenset()

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
        """Puts back what `tensors` kept after `step` steps. Raises Failure `checkpoint-damaged` where they are not this net's."""
        if odd := self.find_odd(tensors):
            raise Failure("checkpoint-damaged", f"the checkpoint of step {step:,} is not of this net and optimizer: {odd}",
                          "remove it: the run goes on from the one before, if there is one")  # fmt: skip
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

    def find_odd(self, tensors: Mapping[str, Tensor]) -> str:
        """In words what in the tensors of a checkpoint does not fit; empty where all does."""
        average = self.average.module.state_dict() if self.average is not None else {}
        others = [name for name in tensors if not name.startswith((MODEL, EMA, OPTIMIZER))]
        return (
            (f"`{others[0]}` is no tensor of it" if others else "")
            or find_misfit(inside(tensors, MODEL), self.network.state_dict(), MODEL)
            or find_misfit(inside(tensors, EMA), average, EMA)
            or find_odd_state(inside(tensors, OPTIMIZER), self.optimizer, self.kept)
        )


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
    return Learner(fabric, network, wrapped, optimizer, average, state_names(recipe.optimizer))
