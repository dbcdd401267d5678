"""One training picture: decoded, cut, changed at random, and normalised as the runtime does.

Pillow decodes, cuts and resizes, as at inference; torchvision's functions change the pixels, uint8 (C, H, W). The step that starts from the whole picture
is done while it is decoded, wherever it stands in the list, so that of a large JPEG only as many pixels are decoded as it needs. A picture of 16 bits has 8 behind it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...compiler.diagnostics import Failure
from ...runtime.faults import PictureFault
from ...runtime.images import (
    MAX_PIXELS,
    channel_image,
    decoding,
    normalize,
    open_image,
    pixel_values,
    read_input,
    resize_and_crop,
    shorter_side,
)  # fmt: skip
from ...runtime.pixels import rotate_by_exif
from ...runtime.preprocess import Preprocess
from ..recipe.recipe import Augmentation
from .pixels import PIXEL_STEPS, erase
from .steps import OPENING_STEPS, SIZE_STEPS, STEPS, fill_values, find_conflict
from .torchvision import import_transforms

if TYPE_CHECKING:
    import numpy as np

# a JPEG is decoded in a half, a quarter or an eighth of its size while at least so many of its pixels make one of ours: Pillow's own
# measure for that (`reducing_gap`) gives a result that can hardly be told from the whole one's
PIXELS_LEFT = 2
TURNED = range(5, 9)
ORIENTATION = 0x0112
# torchvision's number of tries for a part of the wanted shape
TRIES = 10


class CropWindow(NamedTuple):
    """A part of a picture, in its own pixels, and the size that it gets, (width, height)."""

    left: float
    top: float
    width: float
    height: float
    size: tuple[int, int]


class Augmenter:
    """The steps of a recipe that change one picture, for inputs as `how` says.

    Raises Failure `augment-order`, `augment-size` and `augment-channels` for steps that cannot stand together, or do not fit the input.
    """

    def __init__(self, how: Preprocess, augment: Sequence[Augmentation]) -> None:
        steps = [(step.name, fill_values(step.name, step.values)) for step in augment]
        self.how = how
        if conflict := find_conflict([name for name, _ in steps]):
            raise Failure("augment-order", conflict, "change the order of `augment`, or leave one out")
        channels = 1 if how.color == "grey" else how.size[0]
        self.opening = next(((name, values) for name, values in steps if name in OPENING_STEPS), None)
        self.cuts = any(name in SIZE_STEPS for name, _ in steps)
        self.steps = [(name, values) for name, values in steps if STEPS[name].works_on in ("frame", "pixels") and name not in OPENING_STEPS]  # fmt: skip
        self.erasing = [values for name, values in steps if STEPS[name].works_on == "input"]
        self.changes = bool(self.opening or self.steps)
        self.tables = {bands: ShadeTable(how, bands) for bands in (1, 3)} if self.changes and channels in (1, 3) else {}
        for name, values in steps:
            check_size(name, values, how, augment)
            check_channels(name, values, channels, how.size[0])
        # here, and not in each worker
        if any(STEPS[name].works_on == "pixels" and name != "pca_lighting" for name, _ in self.steps):
            import_transforms()

    def __call__(self, source: Any, name: str, draws: np.random.Generator) -> Any:
        """A picture as the model's input, float32 (C, H, W). Without steps it is `runtime.images.read_input`'s, bit for bit."""
        values = self.change(source, name, draws) if self.changes else read_input(source, name, self.how)
        for step in self.erasing:
            values = erase(values, step, draws)
        return values

    def change(self, source: Any, name: str, draws: np.random.Generator) -> Any:
        """The picture behind the steps that work on frame and pixels, normalised."""
        import numpy as np

        picture = self.open(source, name, draws)
        pixels = np.rint(pixel_values(picture)).astype(np.uint8) if picture.mode == "F" else np.asarray(picture)
        pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
        for step, values in self.steps:
            work: Callable[..., Any] = FRAME_STEPS.get(step, change_pixels)
            pixels = work(pixels, step, values, draws, self.how)
        height, width = self.how.crop
        if pixels.shape[:2] != (height, width):
            top, left = round((pixels.shape[0] - height) / 2), round((pixels.shape[1] - width) / 2)
            pixels = pixels[top : top + height, left : left + width]
        return self.tables[pixels.shape[2]](pixels)

    def open(self, source: Any, name: str, draws: np.random.Generator) -> Any:
        """The picture, upright, in its first size: a Pillow image of L, RGB, or F (0 to 255, of 16 bits)."""
        if hasattr(source, "__array__"):
            from PIL import Image

            return self.frame(channel_image(Image.fromarray(source), self.how, name, 1), None, draws)
        window: CropWindow | None = None
        whole = (0, 0)

        def shrink(image: Any) -> None:
            nonlocal window, whole
            if self.opening is None or image.format != "JPEG":
                return
            whole = upright_size(image)
            window = find_window(*self.opening, whole, draws, self.how)
            times = int(min(window.width / window.size[0], window.height / window.size[1]) / PIXELS_LEFT)
            if times > 1:
                image.draft(None, (image.width // times, image.height // times))

        with open_image(source, name, MAX_PIXELS, shrink) as image, decoding(name):
            upright = channel_image(rotate_by_exif(image, in_place=True), self.how, name, 1)
            if window and upright.size != whole:
                across, down = upright.width / whole[0], upright.height / whole[1]
                window = CropWindow(
                    window.left * across, window.top * down, window.width * across, window.height * down, window.size
                )
            return self.frame(upright, window, draws)

    def frame(self, upright: Any, window: CropWindow | None, draws: np.random.Generator) -> Any:
        """The part of a picture, and the size, with which the steps begin."""
        if self.opening is None:
            return resize_shorter(upright, self.how) if self.cuts else resize_and_crop(upright, self.how, MAX_PIXELS)
        window = window or find_window(*self.opening, upright.size, draws, self.how)
        box = (window.left, window.top, min(window.left + window.width, upright.width), min(window.top + window.height, upright.height))  # fmt: skip
        return upright.resize(window.size, resampling(self.opening[1]["interpolation"] or self.how.interpolation), box)


class ShadeTable:
    """What `runtime.images.normalize` makes of each shade of 8 bits, looked up: the same numbers in a tenth of the time."""

    def __init__(self, how: Preprocess, bands: int) -> None:
        import numpy as np

        shades = np.arange(256, dtype=np.float32)[:, None, None]
        self.shades = normalize(np.repeat(shades, bands, axis=2), how)[:, :, 0]
        # raw, the numbers of the bands show which of them each channel is made of
        self.bands = normalize(np.arange(bands, dtype=np.float32)[None, None], how._replace(raw=True))[:, 0, 0]

    def __call__(self, pixels: Any) -> Any:
        """Pixels uint8 (H, W, bands) as the model's input, float32 (C, H, W)."""
        import numpy as np

        result = np.empty((len(self.bands), *pixels.shape[:2]), np.float32)
        for channel, band in enumerate(self.bands.tolist()):
            # "clip" needs no check of each, and no shade is out of range
            np.take(self.shades[channel], pixels[:, :, band], out=result[channel], mode="clip")
        return result


def resampling(word: str) -> Any:
    """Pillow's way of resizing by its name."""
    from PIL import Image

    return Image.Resampling[word.upper()]


def resize_shorter(upright: Any, how: Preprocess) -> Any:
    """The picture as the spec's `preprocess` resizes it, before it crops."""
    size = (how.crop[1], how.crop[0]) if how.resize is None else shorter_side(upright.size, how.resize)
    if size[0] * size[1] > MAX_PIXELS:
        raise PictureFault(
            "image-too-large", f"an image of {upright.width}×{upright.height} becomes {size[0]}×{size[1]}"
        )
    return upright.resize(size, resampling(how.interpolation))


def upright_size(image: Any) -> tuple[int, int]:
    """(width, height) of an image as its EXIF data turn it; damaged data turn nothing."""
    try:
        turned = image.getexif().get(ORIENTATION) in TURNED
    # the EXIF reader raises what it likes: SyntaxError, struct.error, …
    except Exception:
        turned = False
    return (image.height, image.width) if turned else (image.width, image.height)


def find_window(name: str, values: Mapping[str, Any], size: tuple[int, int], draws: np.random.Generator, how: Preprocess) -> CropWindow:  # fmt: skip
    """Where a step that starts from the whole picture of `size` (width, height) cuts it."""
    if name == "scale_jitter":
        new = shorter_side(size, int(draws.integers(values["min"], values["max"] + 1)))
        if new[0] * new[1] > MAX_PIXELS:
            raise PictureFault("image-too-large", f"an image of {size[0]}×{size[1]} becomes {new[0]}×{new[1]}")
        return CropWindow(0, 0, *size, new)
    height, width = both_sides(values["size"], how)
    return CropWindow(*random_part(size, values["scale"], values["ratio"], draws), (width, height))


def random_part(
    size: tuple[int, int], scale: Sequence[float], ratio: Sequence[float], draws: np.random.Generator
) -> tuple[int, int, int, int]:
    """A part (left, top, width, height) of random area and shape, as torchvision's RandomResizedCrop takes it: shapes are even in their logarithm."""
    import math

    width, height = size
    for _ in range(TRIES):
        area = width * height * draws.uniform(scale[0], scale[1])
        shape = math.exp(draws.uniform(math.log(ratio[0]), math.log(ratio[1])))
        w, h = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 0 < w <= width and 0 < h <= height:
            return int(draws.integers(width - w + 1)), int(draws.integers(height - h + 1)), w, h
    # the middle, as near to the shapes as the picture is
    w, h = width, height
    if width / height < min(ratio):
        h = max(1, round(width / min(ratio)))
    elif width / height > max(ratio):
        w = max(1, round(height * max(ratio)))
    return (width - w) // 2, (height - h) // 2, w, h


def both_sides(size: Any, how: Preprocess) -> tuple[int, int]:
    """(height, width) of a step's `size`; the input's where it is left out."""
    if size is None:
        return how.crop
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def add_borders(pixels: Any, size: tuple[int, int], around: int = 0, fill: Any = 0) -> Any:
    """Pixels with `around` more on each side, and with as many as they lack to `size`, (height, width).

    `fill` is their shade, or "reflect": the picture mirrored at its edge, whose own line is not repeated.
    """
    import numpy as np

    down, across = (max(0, wanted - there - 2 * around) for wanted, there in zip(size, pixels.shape, strict=False))
    if not (around or down or across):
        return pixels
    sides = ((around + down // 2, around + down - down // 2), (around + across // 2, around + across - across // 2), (0, 0))  # fmt: skip
    return np.pad(pixels, sides, "reflect") if fill == "reflect" else np.pad(pixels, sides, constant_values=fill)


def crop_center(pixels: Any, _: str, values: Mapping[str, Any], draws: np.random.Generator, how: Preprocess) -> Any:
    """The middle, of a fixed size; what is too small gets black borders."""
    height, width = both_sides(values["size"], how)
    pixels = add_borders(pixels, (height, width))
    top, left = round((pixels.shape[0] - height) / 2), round((pixels.shape[1] - width) / 2)
    return pixels[top : top + height, left : left + width]


def crop_at_random(pixels: Any, _: str, values: Mapping[str, Any], draws: np.random.Generator, how: Preprocess) -> Any:
    """A part of a fixed size; what is too small gets borders, which are of `fill`."""
    height, width = both_sides(values["size"], how)
    pixels = add_borders(pixels, (height, width), values["padding"], values["fill"])
    top, left = (
        int(draws.integers(there - wanted + 1)) for wanted, there in zip((height, width), pixels.shape, strict=False)
    )
    return pixels[top : top + height, left : left + width]


def flip_at_random(pixels: Any, _: str, values: Mapping[str, Any], draws: np.random.Generator, how: Preprocess) -> Any:
    """Mirrored left to right, or not."""
    return pixels[:, ::-1] if draws.random() < values["p"] else pixels


def change_pixels(
    pixels: Any, name: str, values: Mapping[str, Any], draws: np.random.Generator, how: Preprocess
) -> Any:
    """The pixels behind a step that leaves the frame as it is."""
    import numpy as np
    import torch

    tensor = torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))
    return PIXEL_STEPS[name](tensor, values, draws).numpy().transpose(1, 2, 0)


FRAME_STEPS: Mapping[str, Callable[..., Any]] = {
    "center_crop": crop_center,
    "random_crop": crop_at_random,
    "flip": flip_at_random,
}


def check_size(name: str, values: Mapping[str, Any], how: Preprocess, augment: Sequence[Augmentation] = ()) -> None:
    """Raises Failure `augment-size` where a step of `augment` makes less than the input."""
    height, width = both_sides(values.get("size"), how)
    small = values["min"] if name == "scale_jitter" else 0
    if name in ("center_crop", "random_crop", "random_resized_crop") and (height < how.crop[0] or width < how.crop[1]):
        raise Failure("augment-size", f"`{name}` makes {height}×{width} pixels, the input has {how.crop[0]}×{how.crop[1]}",
                      f"leave its `size` out, or write {list(how.crop)}; in a command: {set_without_size(augment)}")  # fmt: skip
    if name == "scale_jitter" and small < max(how.crop):
        raise Failure("augment-size", f"`scale_jitter` makes pictures of {small} pixels, the input has {how.crop[0]}×{how.crop[1]}",
                      f"write a `min` of {max(how.crop)} or more")  # fmt: skip
    if name == "scale_jitter" and values["max"] < small:
        raise Failure(
            "augment-size", f"`scale_jitter` goes from {small} to {values['max']}", "write the smaller one as `min`"
        )


def set_without_size(augment: Sequence[Augmentation]) -> str:
    """The setting that leaves the sizes of all steps out, for a recipe that is not one's own."""
    steps = [{each.name: {key: value for key, value in each.values.items() if key != "size" and value is not None}} for each in augment]  # fmt: skip
    return f"--set 'augment={json.dumps(steps)}'"


def check_channels(name: str, values: Mapping[str, Any], seen: int, channels: int) -> None:
    """Raises Failure `augment-channels` where a step needs colours, or a picture, and the input has none."""
    if channels not in (1, 3) and STEPS[name].works_on in ("frame", "pixels"):
        raise Failure("augment-channels", f"`{name}` changes pictures of one or three channels; the input has {channels}",
                      "leave it out; mixup, cutmix and random_erasing work on any input")  # fmt: skip
    colours = name == "pca_lighting" or (name == "color_jitter" and (values["saturation"] or values["hue"]))
    if seen == 1 and colours:
        what = "`saturation` and `hue` of `color_jitter` change" if name == "color_jitter" else f"`{name}` changes"
        raise Failure("augment-channels", f"{what} colours; the input is grey", "leave it out")
