"""How an image becomes a model's input, as the model's metadata state it."""

from __future__ import annotations

from typing import Any, NamedTuple

from .faults import RuntimeFault

MAX_SIDE = 2**14
# these words and COLORS are the language's
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
COLORS = ("rgb", "bgr", "grey")


class Preprocess(NamedTuple):
    """How an image becomes a model's input.

    size           of the input: (channels, height, width)
    resize         to how many pixels the shorter side is brought first; None stretches the image to `crop`
    crop           (height, width) of the middle that is cut out, in pixels
    mean           what is subtracted from the scaled pixels: one number for each channel, or one for all
    std            what they are divided by then, likewise
    scale          what the pixels, 0 to 255, are multiplied by before that
    interpolation  how it is resized: "nearest", "bilinear", "bicubic" or "lanczos"
    color          "rgb", "bgr" or "grey"
    stated         whether the model's metadata had any of this
    raw            the input is uint8 and the model takes pixels as they are: without `scale`, `mean` and `std`
    """

    size: tuple[int, int, int]
    resize: int | None
    crop: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float
    interpolation: str
    color: str
    stated: bool
    raw: bool = False

    @classmethod
    def parse(cls, given: dict[str, Any], size: tuple[int, int, int], raw: bool = False) -> Preprocess:
        """From a model's metadata; with none, an image is stretched to the input's size, and its pixels are divided by 255, unless the
        input takes them `raw`.

        Raises RuntimeFault where the metadata are wrong, or do not fit the input's `size`.
        """
        crop = parse_crop(given.get("crop")) or size[1:]
        if crop != size[1:]:
            raise RuntimeFault(
                "preprocess-mismatch", f"the model crops to {crop[0]}×{crop[1]}, but its input is {size[1]}×{size[2]}"
            )
        color = given.get("color", "grey" if size[0] == 1 else "rgb")
        resize, scale = given.get("resize"), given.get("scale", 1 / 255)
        interpolation = given.get("interpolation", "bilinear")
        if resize is not None and not (is_integer(resize) and 0 < resize <= MAX_SIDE):
            raise RuntimeFault("preprocess-mismatch", f"the model resizes to {resize!r}; a side in pixels was expected")
        if interpolation not in INTERPOLATIONS or color not in COLORS or not is_finite_number(scale):
            raise RuntimeFault(
                "model-damaged", f"the model's preprocessing is unknown: {interpolation!r}, {color!r}, scale {scale!r}"
            )
        mean = parse_channels("mean", given.get("mean", [0.0]), size[0])
        std = parse_channels("std", given.get("std", [1.0]), size[0])
        # in float32 a smaller one is 0, or gives infinity
        if min(map(abs, std)) < 1e-30:
            raise RuntimeFault("model-damaged", "the model's preprocessing divides by a `std` of 0")
        return cls(size, resize, crop, mean, std, scale, interpolation, color, bool(given), raw)


def is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_finite_number(value: Any) -> bool:
    # what float32 holds
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e38


def parse_crop(crop: Any) -> tuple[int, int] | None:
    """A crop as (height, width), from one number or two; None for None. Raises RuntimeFault for anything else."""
    if crop is None:
        return None
    both = [crop, crop] if is_integer(crop) else crop
    if not (isinstance(both, (list, tuple)) and len(both) == 2 and all(is_integer(side) and side > 0 for side in both)):
        raise RuntimeFault("preprocess-mismatch", f"the model crops to {crop!r}; a size in pixels was expected")
    return both[0], both[1]


def parse_channels(name: str, given: Any, count: int) -> tuple[float, ...]:
    """The `mean` or `std` of metadata: one number, or one for each channel. Raises RuntimeFault for anything else."""
    if not (isinstance(given, (list, tuple)) and len(given) in (1, count) and all(is_finite_number(v) for v in given)):
        raise RuntimeFault("preprocess-channels", f"the model's `{name}` is {given!r}, its input has {count} channels")
    return tuple(float(v) for v in given)
