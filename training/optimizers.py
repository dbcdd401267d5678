"""The optimizer of a recipe: torch.optim's, with its own names of numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .recipe.recipe import OptimizerRules

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

# a group's share of the learning rate; torch keeps what else stands in a group
LR_FACTOR = "lr_factor"


def make_optimizer(module: nn.Module, rules: OptimizerRules) -> Optimizer:
    """The optimizer of all parameters of `module` that are trained.

    Without `decay_norms` parameters of rank 0 and 1 are not decayed: the weights of norms, and all biases. Parameters called `bias`, those of
    norms among them, learn `bias_lr_factor` times as fast.
    """
    import torch

    classes = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW,
               "rmsprop": torch.optim.RMSprop}  # fmt: skip
    optimizer: Optimizer = classes[rules.name](list(parameter_groups(module, rules)), **rules.values)
    return optimizer


def parameter_groups(module: nn.Module, rules: OptimizerRules) -> Iterator[dict[str, Any]]:
    """The trained parameters, those together that are treated alike; the first of the net has the first group."""
    found: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, each in module.named_parameters():
        if each.requires_grad:
            faster = rules.bias_lr_factor != 1 and name.rpartition(".")[2] == "bias"
            found.setdefault((not rules.decay_norms and each.ndim <= 1, faster), []).append(each)
    for (is_plain, faster), parameters in found.items():
        plain = {"weight_decay": 0.0} if is_plain else {}
        rate = {"lr": rules.values["lr"] * rules.bias_lr_factor, LR_FACTOR: rules.bias_lr_factor} if faster else {}
        yield {"params": parameters, **plain, **rate}


def set_learning_rate(optimizer: Optimizer, lr: float) -> None:
    """Sets the learning rate of all parameters; of a group with a factor, so many times that."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get(LR_FACTOR, 1.0)
