"""The steps that a recipe's `augment` may list, as data: their fields with types, ranges and defaults. The recipe's schema is made of it.

Numbers of pictures are in pixels, probabilities and shares from 0 to 1. Nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

INTERPOLATION_WORDS = ("nearest", "bilinear", "bicubic", "lanczos")
# what a value is: `size` is one number of pixels or [height, width]; `range` is [low, high], both in the field's range; `shade` an integer or a word
ValueKind = Literal["integer", "number", "size", "range", "word", "shade"]


class StepField(NamedTuple):
    """One value of a step. `default` None with `optional` means that the spec's `preprocess` decides."""

    kind: ValueKind
    doc: str
    default: Any = None
    optional: bool = True
    low: float | None = None
    high: float | None = None
    # whether `low` itself is too small
    above: bool = False
    words: tuple[str, ...] = ()


class AugmentStep(NamedTuple):
    """What a step does, and its fields. `short` is the field that a bare value stands for: `flip: 0.5`.

    `works_on` is what it changes: the `frame` (which part of the picture, and how large), its `pixels`, the `input` behind
    normalisation, or the whole `batch`. A step without required fields may stand as its name alone.
    """

    works_on: Literal["frame", "pixels", "input", "batch"]
    doc: str
    fields: Mapping[str, StepField]
    short: str | None = None


SIDE_LIMIT = 2**14
SIZE = StepField("size", "what comes out, in pixels; the input's size if it is left out", low=1, high=SIDE_LIMIT)
PROBABILITY = StepField("number", "how often it happens", 0.5, low=0, high=1)
STRENGTH_DOC = "the factor is drawn between 1 - {0} and 1 + {0}, and at least 0"
INTERPOLATION = StepField("word", "how pixels are made", "bilinear", words=INTERPOLATION_WORDS)

STEPS: Mapping[str, AugmentStep] = {
    "random_resized_crop": AugmentStep(
        "frame",
        "a part of the picture of random area and shape, resized (GoogLeNet's; Szegedy et al. 2014, section 6)",
        {
            "size": SIZE,
            "scale": StepField("range", "the part's share of the area", (0.08, 1.0), low=0, high=1, above=True),
            "ratio": StepField("range", "its width over its height", (0.75, 1.3333), low=0, high=100, above=True),
            "interpolation": INTERPOLATION,
        },
    ),
    "scale_jitter": AugmentStep(
        "frame",
        "the shorter side gets a random length (VGG's; Simonyan and Zisserman 2014, section 3.1)",
        {
            "min": StepField("integer", "the shortest", optional=False, low=1, high=SIDE_LIMIT),
            "max": StepField("integer", "the longest", optional=False, low=1, high=SIDE_LIMIT),
            "interpolation": INTERPOLATION,
        },
    ),
    "center_crop": AugmentStep("frame", "the middle, of a fixed size", {"size": SIZE}, "size"),
    "random_crop": AugmentStep(
        "frame",
        "a part of a fixed size at a random place",
        {
            "size": SIZE,
            "padding": StepField("integer", "pixels put around first, a side", 0, low=0, high=SIDE_LIMIT),
            "fill": StepField(
                "shade", "what they are; `reflect` mirrors the picture", 0, low=0, high=255, words=("reflect",)
            ),
        },
        "size",
    ),
    "flip": AugmentStep("frame", "mirrored left to right", {"p": PROBABILITY}, "p"),
    "color_jitter": AugmentStep(
        "pixels",
        "brightness, contrast, saturation and hue change, in random order",
        {
            "brightness": StepField("number", STRENGTH_DOC.format("brightness"), 0.0, low=0, high=10),
            "contrast": StepField("number", STRENGTH_DOC.format("contrast"), 0.0, low=0, high=10),
            "saturation": StepField("number", STRENGTH_DOC.format("saturation"), 0.0, low=0, high=10),
            "hue": StepField("number", "turned by up to so much of the circle, either way", 0.0, low=0, high=0.5),
        },
    ),
    "pca_lighting": AugmentStep(
        "pixels",
        "light along the main directions of ImageNet's colours (AlexNet's; Krizhevsky et al. 2012, section 4.1)",
        {"std": StepField("number", "the standard deviation of each direction's factor", 0.1, low=0, high=10)},
        "std",
    ),
    "rand_augment": AugmentStep(
        "pixels",
        "some random operations of one strength (Cubuk et al. 2019, arXiv:1909.13719)",
        {
            "ops": StepField("integer", "how many", 2, low=1, high=16),
            "magnitude": StepField("integer", "how strong, of 0 to 30", 9, low=0, high=30),
        },
    ),
    "trivial_augment": AugmentStep(
        "pixels", "one random operation of a random strength (Müller and Hutter 2021, arXiv:2103.10158)", {}
    ),
    "random_erasing": AugmentStep(
        "input",
        "a rectangle becomes 0, behind normalisation (Zhong et al. 2017, arXiv:1708.04896)",
        {
            "p": PROBABILITY._replace(default=0.25),
            "scale": StepField("range", "its share of the area", (0.02, 0.33), low=0, high=1, above=True),
            "ratio": StepField("range", "its height over its width", (0.3, 3.3), low=0, high=100, above=True),
        },
        "p",
    ),
    "mixup": AugmentStep(
        "batch",
        "two pictures and their targets are mixed (Zhang et al. 2017, arXiv:1710.09412)",
        {"alpha": StepField("number", "of the Beta distribution of shares", 0.2, low=0, high=100, above=True)},
        "alpha",
    ),
    "cutmix": AugmentStep(
        "batch",
        "a rectangle comes from another picture, its target by its area (Yun et al. 2019, arXiv:1905.04899)",
        {"alpha": StepField("number", "of the Beta distribution of shares", 1.0, low=0, high=100, above=True)},
        "alpha",
    ),
}
# these start from the whole picture, and not from one that is resized as the spec's `preprocess` says
OPENING_STEPS = ("random_resized_crop", "scale_jitter")
SIZE_STEPS = (*OPENING_STEPS, "center_crop", "random_crop")


def fill_values(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A step's values with the defaults of what is left out."""
    return {field: values.get(field, rule.default) for field, rule in STEPS[name].fields.items()}


def find_conflict(names: Sequence[str]) -> str:
    """Why these steps cannot stand together, in words; empty where they can."""
    twice = next((name for name in (*SIZE_STEPS, "mixup", "cutmix") if names.count(name) > 1), None)
    if twice:
        return f"`{twice}` stands twice"
    if "center_crop" in names and "random_crop" in names[: names.index("center_crop")]:
        return "`random_crop` stands before `center_crop`, which would take the middle of what it drew"
    sizes = [name for name in names if name in SIZE_STEPS]
    late = next((name for name in sizes[1:] if name in OPENING_STEPS), None)
    if late:
        return f"`{late}` starts from the whole picture, so `{sizes[0]}` cannot stand before it"
    return ""
