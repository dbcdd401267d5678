"""The rules of what a recipe chooses by name: an optimizer, a schedule, and the steps of `augment`."""

from __future__ import annotations

from ...compiler.frontend.schema import with_synonyms
from ...compiler.ops.fields import Schema
from .field_rules import (
    MOST,
    MOST_PIXELS,
    below_one_rule,
    between_rule,
    choice_rule,
    count_rule,
    from_zero_rule,
    number_rule,
    positive_rule,
    range_rule,
    share_rule,
    size_rule,
    switch_rule,
    word_rule,
)

METRICS = ("top1", "top5", "loss")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")


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
AUGMENT_WORDS = {
    "random_resized_crop": ("RandomResizedCrop", "RandomSizedCrop"),
    "scale_jitter": ("ScaleJitter", "RandomShortestSize", "RandomScale", "SmallestMaxSize"),
    "center_crop": ("CenterCrop", "centre_crop"),
    "random_crop": ("RandomCrop", "crop"),
    "flip": ("RandomHorizontalFlip", "HorizontalFlip", "hflip", "fliplr", "horizontal_flip", "random_flip"),
    "color_jitter": ("ColorJitter", "colour_jitter", "jitter"),
    "pca_lighting": ("lighting", "FancyPCA", "pca", "pca_jitter", "PCAJitter"),
    "rand_augment": ("RandAugment", "randaug"),
    "trivial_augment": ("TrivialAugmentWide", "TrivialAugment", "trivialaug"),
    "random_erasing": ("RandomErasing", "erasing", "cutout", "CoarseDropout"),
    "mixup": ("MixUp",),
    "cutmix": ("CutMix",),
}


def augment_rules() -> Schema:
    """The steps of `augment` by name, with the words of torchvision, albumentations and timm."""
    interpolation = word_rule("how pixels are resized", INTERPOLATIONS, "bilinear")
    own_size = "pixels of the result; null: the net's input"
    p = with_synonyms(share_rule("the share of the pictures that it changes"), "prob", "probability")
    strength = from_zero_rule("drawn from 1 - it up to 1 + it", 100, default=0.0)
    alpha = between_rule("of the beta distribution of the shares of the two pictures", 0.001, 1000)
    rules = {
        "random_resized_crop": choice_rule("random_resized_crop", "a part of the picture, resized (Inception's)", {
            "size": size_rule(own_size),
            "scale": range_rule("the part's area as a share of the picture's", [0.08, 1.0], 0.0001, 1),
            "ratio": range_rule("the part's width to its height", [0.75, 1.3333], 0.001, 1000),
            "interpolation": interpolation,
        }, bare="size"),
        "scale_jitter": choice_rule("scale_jitter", "the shorter side gets a length drawn between two (VGG's)", {
            "min": count_rule("the shortest, pixels", most=MOST_PIXELS),
            "max": count_rule("the longest, pixels", most=MOST_PIXELS),
            "interpolation": interpolation,
        }, needs=("min", "max")),
        "center_crop": choice_rule("center_crop", "the middle of the picture", {"size": size_rule(own_size)}, bare="size"),
        "random_crop": choice_rule("random_crop", "a window of the picture", {
            "size": size_rule(own_size),
            "padding": count_rule("pixels that are added on each side first", 0, 1024, default=0),
            "fill": with_synonyms({
                "type": ["integer", "string"], "description": "what these pixels are: a shade, 0 is black, or the picture mirrored at its edge",
                "minimum": 0, "maximum": 255, "pattern": "^reflect$", "x-words": ["reflect"], "default": 0,
                "x-wants": "a shade from 0 to 255, or `reflect`",
            }, "padding_mode", "fill_value", "mode"),
        }, bare="size"),
        "flip": choice_rule("flip", "left and right change places", {"p": p | {"default": 0.5}}, bare="p"),
        "color_jitter": choice_rule("color_jitter", "other colours", {
            "brightness": strength,
            "contrast": strength,
            "saturation": strength,
            "hue": number_rule("drawn from -it up to it, as a share of the circle", "a number from 0 to 0.5", minimum=0, maximum=0.5,
                               default=0.0),
        }, minProperties=1) | {"type": ["object"]},
        "pca_lighting": choice_rule("pca_lighting", "other light along the colours' principal components (AlexNet's)", {
            "std": with_synonyms(from_zero_rule("the deviation of the draws", 100, default=0.1), "alpha", "alphastd"),
        }, bare="std"),
        "rand_augment": choice_rule("rand_augment", "operations drawn at one magnitude (Cubuk et al. 2020)", {
            "ops": with_synonyms(count_rule("operations for a picture", most=16, default=2), "num_ops", "n"),
            "magnitude": with_synonyms(count_rule("of 0 to 30", 0, default=9) | {"maximum": 30, "x-wants": "an integer from 0 to 30"}, "m"),
        }),
        "trivial_augment": choice_rule("trivial_augment", "one operation at a magnitude drawn (Müller and Hutter 2021)", {}),
        "random_erasing": choice_rule("random_erasing", "a rectangle without a picture (Zhong et al. 2020)", {
            "p": p | {"default": 0.25},
            "scale": range_rule("the rectangle's area as a share of the picture's", [0.02, 0.33], 0.0001, 1),
            "ratio": range_rule("its height to its width", [0.3, 3.3], 0.001, 1000),
        }, bare="p"),
        "mixup": choice_rule("mixup", "two pictures and their classes are mixed (Zhang et al. 2018)", {
            "alpha": alpha | {"default": 0.2},
        }, bare="alpha"),
        "cutmix": choice_rule("cutmix", "a part of another picture, with its share of the class (Yun et al. 2019)", {
            "alpha": alpha | {"default": 1.0},
        }, bare="alpha"),
    }  # fmt: skip
    return {name: with_synonyms(rule, *AUGMENT_WORDS[name]) for name, rule in rules.items()}
