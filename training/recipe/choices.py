"""The rules of what a recipe chooses by name: the steps of `augment`."""

from __future__ import annotations

from ...compiler.frontend.schema import with_synonyms
from ...compiler.ops.fields import Schema
from .field_rules import (
    MOST_PIXELS,
    between_rule,
    choice_rule,
    count_rule,
    from_zero_rule,
    number_rule,
    range_rule,
    share_rule,
    size_rule,
    word_rule,
)

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")


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
