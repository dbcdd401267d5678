"""The optimizer of a recipe: torch.optim's, with its own names of numbers.

An optimizer is a class with all that is special about it: its fields with their defaults, torch's class, what it keeps of a parameter, and what is
wrong with a recipe of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..compiler.diagnostics import Diagnostic
from ..compiler.frontend.located_yaml import Entry, Located
from ..compiler.frontend.schema import with_synonyms
from ..compiler.ops.fields import Schema
from .recipe.choice import RecipeChoice, field
from .recipe.field_rules import below_one_rule, from_zero_rule, positive_rule, share_rule, switch_rule
from .recipe.recipe import OptimizerRules
from .recipe.tree import find, holds, is_refused, is_sound_mapping, number

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

# the field that every optimizer needs
LEARNING_RATE = ("lr",)
# a group's share of the learning rate; torch keeps what else stands in a group
LR_FACTOR = "lr_factor"
# the one number that torch keeps of a parameter; all else is as large as the parameter
STEP_COUNT = "step"

# these say which groups the parameters are in, and are none of torch's arguments
GROUP_RULES: Schema = {
    "decay_norms": with_synonyms(
        switch_rule("whether norms and biases are decayed, too", True), "norm_decay", "bias_decay", "decay_bias"
    ),
    "bias_lr_factor": with_synonyms(
        positive_rule("what the learning rate of biases is multiplied by (Caffe's nets have 2)", default=1.0, most=1000),
        "bias_lr", "bias_lr_mult", "lr_mult",
    ),
}  # fmt: skip


def weight_decay_field(default: float) -> Any:
    """The field of the weight decay."""
    what = "the share of the weights that a step takes off, times the learning rate"
    return field(from_zero_rule(what, default=default), "wd", "decay", "l2")


def momentum_field() -> Any:
    """The field of the momentum."""
    return field(below_one_rule("how much of the last step goes on", default=0.0), "mom")


def eps_field() -> Any:
    """The field of what keeps a divisor from 0."""
    return field(positive_rule("added to the divisor", default=1e-8), "epsilon")


@dataclass(frozen=True)
class RecipeOptimizer(RecipeChoice):
    """An optimizer; its fields are the arguments of torch.optim's class `torch_name`."""

    needs_a_field = True
    needs: ClassVar[tuple[tuple[Any, ...], ...]] = ((LEARNING_RATE, 0.001),)
    torch_name: ClassVar[str]

    lr: float = field(
        positive_rule("the learning rate, before the schedule"), "learning_rate", "lr0", "base_lr", "max_lr"
    )

    @property
    def kept(self) -> tuple[str, ...]:
        """What torch.optim keeps of a parameter after its first step, by name."""
        raise NotImplementedError

    @classmethod
    def field_rules(cls) -> Schema:
        return super().field_rules() | GROUP_RULES

    @classmethod
    def rule(cls) -> Schema:
        # that `lr` is missing is reported by find_missing: a recipe that extends another may leave it out
        return {key: value for key, value in super().rule().items() if key != "required"}

    @classmethod
    def find_missing(cls, entry: Entry) -> Iterator[Diagnostic]:
        if not holds(entry.value, "lr") and is_sound_mapping(entry.value):
            usual = next(example for fields, example, *_ in cls.needs if fields == LEARNING_RATE)
            message, help = f"`{cls.name}` needs `lr`, its learning rate", f"write `{cls.name}: {{lr: {usual}}}`"
            yield Diagnostic("missing-key", entry.key.span, message, help=help)


@dataclass(frozen=True)
class SGD(RecipeOptimizer):
    """Stochastic gradient descent with momentum.

    Source: Sutskever et al. 2013 for the momentum, in torch's form.
    """

    name = "sgd"
    torch_name = "SGD"
    needs = ((LEARNING_RATE, 0.1), (("momentum",), 0.9, "nesterov"))

    momentum: float = momentum_field()
    dampening: float = field(share_rule("how much of the gradient is left out of the momentum", default=0.0))
    weight_decay: float = weight_decay_field(0.0)
    nesterov: bool = field(switch_rule("Nesterov's momentum", False))

    @property
    def kept(self) -> tuple[str, ...]:
        return ("momentum_buffer",) if self.momentum else ()

    @classmethod
    def find_conflicts(cls, fields: Located, root: Located) -> Iterator[Diagnostic]:
        """Nesterov's momentum without one, or with a dampening, which torch refuses."""
        nesterov = find(fields, "nesterov")
        if nesterov is None or nesterov.value is not True:
            return
        if not number(fields, "momentum") and not is_refused(fields, "momentum"):
            help = "write `momentum: 0.9` beside it"
            yield Diagnostic("keys-conflict", nesterov.span, "`nesterov` needs a `momentum` over 0", help=help)
        elif number(fields, "dampening"):
            message = "`nesterov` goes with no `dampening`"
            yield Diagnostic("keys-conflict", nesterov.span, message, help="leave `dampening` out")


@dataclass(frozen=True)
class Adam(RecipeOptimizer):
    """Means of the gradient and of its square. Source: Kingma and Ba 2015."""

    name = "adam"
    doc = "Adam (Kingma and Ba 2015); weight decay is added to the gradient"
    torch_name = "Adam"

    betas: tuple[float, float] = field(
        {"type": "array", "description": "the decays of the means of the gradient and of its square",
         "items": {"type": "number", "minimum": 0, "exclusiveMaximum": 1, "x-wants": "a number of at least 0 and under 1"}, "minItems": 2,
         "maxItems": 2, "default": [0.9, 0.999], "x-wants": "2 numbers of at least 0 and under 1"}
    )  # fmt: skip
    eps: float = eps_field()
    weight_decay: float = weight_decay_field(0.0)
    amsgrad: bool = field(switch_rule("divide by the largest mean so far", False))

    @property
    def kept(self) -> tuple[str, ...]:
        largest = ("max_exp_avg_sq",) if self.amsgrad else ()
        return (STEP_COUNT, "exp_avg", "exp_avg_sq", *largest)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam whose weight decay does not go through its means. Source: Loshchilov and Hutter 2019."""

    name = "adamw"
    doc = "Adam with weight decay beside the gradient (Loshchilov and Hutter 2019)"
    torch_name = "AdamW"

    weight_decay: float = weight_decay_field(0.01)


@dataclass(frozen=True)
class RMSprop(RecipeOptimizer):
    """A mean of the gradient's square. Source: Tieleman and Hinton 2012, lecture 6.5 of Neural Networks for Machine Learning."""

    name = "rmsprop"
    doc = "RMSProp (Tieleman and Hinton 2012)"
    torch_name = "RMSprop"

    alpha: float = field(below_one_rule("the decay of the mean of the gradient's square", default=0.99))
    eps: float = eps_field()
    momentum: float = momentum_field()
    centered: bool = field(switch_rule("divide by the gradient's deviation, not by its size", False))
    weight_decay: float = weight_decay_field(0.0)

    @property
    def kept(self) -> tuple[str, ...]:
        buffer = ("momentum_buffer",) if self.momentum else ()
        mean = ("grad_avg",) if self.centered else ()
        return (STEP_COUNT, "square_avg", *buffer, *mean)


OPTIMIZERS: Mapping[str, type[RecipeOptimizer]] = {each.name: each for each in (SGD, Adam, AdamW, RMSprop)}


def choose_optimizer(rules: OptimizerRules) -> RecipeOptimizer:
    """The optimizer of a recipe, with the defaults of what its values leave out."""
    return OPTIMIZERS[rules.name](**rules.values)


def state_names(rules: OptimizerRules) -> frozenset[str]:
    """What torch.optim keeps for a parameter after its first step, by name."""
    return frozenset(choose_optimizer(rules).kept)


def count_state(rules: OptimizerRules) -> int:
    """How many numbers torch.optim keeps for each that is trained."""
    return len(state_names(rules) - {STEP_COUNT})


def make_optimizer(module: nn.Module, rules: OptimizerRules) -> Optimizer:
    """The optimizer of all parameters of `module` that are trained.

    Without `decay_norms` parameters of rank 0 and 1 are not decayed: the weights of norms, and all biases. Parameters called `bias`, those of
    norms among them, learn `bias_lr_factor` times as fast.
    """
    import torch

    chosen = choose_optimizer(rules)
    groups = list(parameter_groups(module, rules))
    optimizer: Optimizer = getattr(torch.optim, chosen.torch_name)(groups, **asdict(chosen))
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
