"""How a photo becomes the input, held against the input: what the runtime would refuse of a built model is told at check.

The numbers here are the runtime's own (runtime/preprocess.py), which knows nothing of the compiler; a test holds both together.
"""

from __future__ import annotations

from typing import Any

from ..diagnostics import Collector, Diagnostic
from ..ops.fields import is_number, quote_value
from .compose import Document
from .header import Preprocessing

# pixels of a photo's shorter side
MAX_SIDE = 2**14
# what float32 holds
LARGEST = 1e38
# in float32 a smaller one is 0, or gives infinity
SMALLEST_STD = 1e-30


def check_input_order(document: Document, diagnostics: Collector) -> None:
    """Warns of an input whose sizes look like a photo's with the channels last: a width of 3, or a square of width 1 or 4."""
    for entry in document.input.values():
        channels, height, width = (size.value for size in entry.value.value)
        if min(channels, height) >= 16 and (width == 3 or (width in (1, 4) and channels == height)):
            message = f"the input has {channels} channels and width {width}: channels come first"
            help = f"did you mean [{width}, {channels}, {height}]?"
            diagnostics.warn("channels-last", entry.value.span, message, help)


def check_preprocessing(document: Document, diagnostics: Collector) -> None:
    """`preprocess` fits the input: statistics its channels, and the crop its size; its numbers are such as pixels need."""
    stated = document.header.preprocess
    if stated is None:
        return
    channels, height, width = (size.value for size in next(iter(document.input.values())).value.value)
    crop = (stated.crop, stated.crop) if isinstance(stated.crop, int) else stated.crop
    if crop is not None and tuple(crop) != (height, width):
        message = f"`crop` gives {crop[0]}×{crop[1]} pixels, the input is {height}×{width}"
        help = f"write crop: {height}" if height == width else f"write crop: [{height}, {width}]"
        diagnostics.add(Diagnostic("preprocess-mismatch", stated.spans["crop"], message, help=help))
    for key in ("mean", "std"):
        numbers = getattr(stated, key)
        if numbers is not None and len(numbers) not in (1, channels):
            message = f"`{key}` has {len(numbers)} numbers for {channels} channels"
            diagnostics.add(Diagnostic("preprocess-channels", stated.spans[key], message))
    check_numbers(stated, diagnostics)


def check_numbers(stated: Preprocessing, diagnostics: Collector) -> None:
    """Reports a side, a mean, a deviation or a factor that no pixels can have."""
    if stated.resize is not None and stated.resize > MAX_SIDE:
        message = f"`resize` is at most {MAX_SIDE} pixels, not {stated.resize}"
        diagnostics.error("out-of-range", stated.spans["resize"], message)
    given: dict[str, tuple[Any, ...]] = {key: getattr(stated, key) or () for key in ("mean", "std")}
    given["scale"] = () if stated.scale is None else (stated.scale,)
    for key, numbers in given.items():
        wrong = next((n for n in numbers if not is_number(n) or not abs(n) < LARGEST), None)
        small = next((n for n in numbers if key == "std" and n < SMALLEST_STD), None)
        if wrong is not None:
            message = f"`{key}` wants numbers below {LARGEST:g}, not {quote_value(wrong)}"
            diagnostics.error("out-of-range", stated.spans[key], message, "pixels are float32")
        elif small is not None:
            message = f"`std` is at least {SMALLEST_STD:g}, not {quote_value(small)}: pixels are divided by it"
            diagnostics.error("out-of-range", stated.spans[key], message, "pixels are float32")
