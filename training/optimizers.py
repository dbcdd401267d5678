"""The optimizer of a recipe: torch.optim's, with its own names of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .recipe.recipe import OptimizerRules

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


def make_optimizer(module: nn.Module, rules: OptimizerRules) -> Optimizer:
    """The optimizer of all parameters of `module` that are trained.

    Without `decay_norms` parameters of rank 0 and 1 are not decayed: the weights of norms, and all biases.
    """
    import torch

    classes = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW,
               "rmsprop": torch.optim.RMSprop}  # fmt: skip
    trained = [each for each in module.parameters() if each.requires_grad]
    groups = [{"params": trained}]
    if not rules.decay_norms:
        vectors = [each for each in trained if each.ndim <= 1]
        groups = [{"params": [each for each in trained if each.ndim > 1]}]
        groups += [{"params": vectors, "weight_decay": 0.0}] if vectors else []  # type: ignore[dict-item]
    optimizer: Optimizer = classes[rules.name](groups, **rules.values)
    return optimizer


def set_learning_rate(optimizer: Optimizer, lr: float) -> None:
    """Sets the learning rate of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = lr
