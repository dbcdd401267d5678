"""The rules of what a recipe chooses by name: an optimizer and a schedule."""

from __future__ import annotations

from ...compiler.frontend.schema import with_synonyms
from ...compiler.ops.fields import Schema
from .field_rules import (
    MOST,
    below_one_rule,
    between_rule,
    choice_rule,
    count_rule,
    from_zero_rule,
    number_rule,
    positive_rule,
    share_rule,
    switch_rule,
    word_rule,
)

METRICS = ("top1", "top5", "loss")


def optimizer_rules() -> Schema:
    """The optimizers by name; their fields are torch.optim's."""
    lr = with_synonyms(
        positive_rule("the learning rate, before the schedule"), "learning_rate", "lr0", "base_lr", "max_lr"
    )
    decay_norms = with_synonyms(
        switch_rule("whether norms and biases are decayed, too", True), "norm_decay", "bias_decay", "decay_bias"
    )

    def weight_decay(default: float) -> Schema:
        return with_synonyms(
            from_zero_rule("the share of the weights that a step takes off, times the learning rate", default=default),
            "wd",
            "decay",
            "l2",
        )

    def momentum() -> Schema:
        return with_synonyms(below_one_rule("how much of the last step goes on", default=0.0), "mom")

    def eps() -> Schema:
        return with_synonyms(positive_rule("added to the divisor", default=1e-8), "epsilon")

    one = {"type": "number", "minimum": 0, "exclusiveMaximum": 1, "x-wants": "a number of at least 0 and under 1"}
    betas = {"type": "array", "description": "the decays of the means of the gradient and of its square", "items": one, "minItems": 2,
             "maxItems": 2, "default": [0.9, 0.999], "x-wants": "2 numbers of at least 0 and under 1"}  # fmt: skip
    amsgrad = switch_rule("divide by the largest mean so far", False)
    bias_lr_factor = with_synonyms(
        positive_rule("what the learning rate of biases is multiplied by (Caffe's nets have 2)", default=1.0, most=1000),
        "bias_lr", "bias_lr_mult", "lr_mult",
    )  # fmt: skip
    last = {"decay_norms": decay_norms, "bias_lr_factor": bias_lr_factor}
    fields = {
        "sgd": {
            "lr": lr,
            "momentum": momentum(),
            "dampening": share_rule("how much of the gradient is left out of the momentum", default=0.0),
            "weight_decay": weight_decay(0.0),
            "nesterov": switch_rule("Nesterov's momentum", False),
            **last,
        },
        "adam": {"lr": lr, "betas": betas, "eps": eps(), "weight_decay": weight_decay(0.0), "amsgrad": amsgrad, **last},
        "adamw": {
            "lr": lr,
            "betas": betas,
            "eps": eps(),
            "weight_decay": weight_decay(0.01),
            "amsgrad": amsgrad,
            **last,
        },
        "rmsprop": {
            "lr": lr,
            "alpha": below_one_rule("the decay of the mean of the gradient's square", default=0.99),
            "eps": eps(),
            "momentum": momentum(),
            "centered": switch_rule("divide by the gradient's deviation, not by its size", False),
            "weight_decay": weight_decay(0.0),
            **last,
        },
    }
    docs = {
        "sgd": "stochastic gradient descent with momentum",
        "adam": "Adam (Kingma and Ba 2015); weight decay is added to the gradient",
        "adamw": "Adam with weight decay beside the gradient (Loshchilov and Hutter 2019)",
        "rmsprop": "RMSProp (Tieleman and Hinton 2012)",
    }
    # `lr` is missed in checks.py: a recipe that extends another may leave it out
    only = {"type": ["object"], "minProperties": 1}
    return {name: choice_rule(name, docs[name], each) | only for name, each in fields.items()}


def schedule_rules() -> Schema:
    """The schedules of the learning rate by name."""
    min_lr = with_synonyms(from_zero_rule("the lowest learning rate", default=0.0), "eta_min", "end_lr")

    words = ("gamma", "decay_rate", "decay")
    share = number_rule(
        "what the learning rate is multiplied by", "a number over 0 and at most 1", exclusiveMinimum=0, maximum=1
    )

    def factor(default: float) -> Schema:
        return with_synonyms(share | {"default": default}, *words)

    factors = share | {
        "type": ["number", "array"], "description": "what the learning rate is multiplied by; a list has one for each time",
        "items": {key: value for key, value in share.items() if key != "description"}, "minItems": 1, "default": 0.1,
        "x-wants": "a number over 0 and at most 1, or a list of them",
    }  # fmt: skip

    when = {"type": "number", "exclusiveMinimum": 0, "x-wants": "epochs: a number over 0"}
    at = {"type": ["array", "null"], "description": "after which epochs it is multiplied", "items": when, "minItems": 1, "default": None,
          "x-wants": "a list of epochs"}  # fmt: skip
    step = {"type": "integer", "minimum": 1, "x-wants": "an integer of at least 1"}
    at_steps = at | {
        "description": "after which optimizer steps, instead of `at`",
        "items": step,
        "x-wants": "a list of steps",
    }
    waits = count_rule("epochs without progress that it waits", 0, default=10)
    return {
        "constant": choice_rule("constant", "the same learning rate at every step", {}),
        "plateau": choice_rule("plateau", "lower where the metric makes no progress", {
            "metric": with_synonyms(word_rule("what is looked at, on the validation pictures", METRICS, "top1"), "monitor"),
            "factor": factor(0.1),
            "patience": waits,
            "min_lr": min_lr,
        }),
        "steps": choice_rule("steps", "lower at the given times", {
            "at": with_synonyms(at, "milestones", "epochs"), "at_steps": at_steps, "factor": with_synonyms(factors, *words),
        }) | {"type": ["object"], "x-instead": {"array": "steps: {at: VALUE}"}},
        "cosine": choice_rule("cosine", "half a cosine down to `min_lr`", {"min_lr": min_lr}),
        "exponential": choice_rule("exponential", "lower every so many epochs", {
            "factor": factor(0.94), "every": with_synonyms(between_rule("epochs from one to the next", 0.001, MOST, default=1.0), "decay_epochs"),
        }),
        "polynomial": choice_rule("polynomial", "down to `min_lr` by a power of what is left of the run", {
            "power": between_rule("1 is a straight line", 0.001, 1000, default=1.0), "min_lr": min_lr,
        }),
        "one_cycle": choice_rule("one_cycle", "up and down again by cosines (Smith and Topin 2018)", {
            "peak": with_synonyms(share_rule("the share of the run after which the learning rate is `lr`", default=0.3), "pct_start"),
            "start_factor": with_synonyms(between_rule("it starts at lr / start_factor", 0.001, MOST, default=25.0), "div_factor"),
            "end_factor": with_synonyms(between_rule("it ends at lr / (start_factor · end_factor)", 0.001, 1_000_000_000, default=1e4),
                                        "final_div_factor"),
        }),
    }  # fmt: skip


SCHEDULE_WORDS = {
    "plateau": ("ReduceLROnPlateau", "on_plateau"),
    "steps": ("StepLR", "MultiStepLR", "step", "multistep"),
    "cosine": ("CosineAnnealingLR", "cosine_annealing", "cosineannealing"),
    "exponential": ("ExponentialLR",),
    "polynomial": ("PolynomialLR", "poly", "linear", "LinearLR"),
    "one_cycle": ("OneCycleLR",),
    "constant": ("ConstantLR", "none", "fixed"),
}
