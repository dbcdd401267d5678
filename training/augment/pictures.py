"""One training picture: decoded, cut, changed at random, and normalised as the runtime does.

Pillow decodes, cuts and resizes, as at inference; torchvision's functions change the pixels, uint8 (C, H, W). The step that starts from the whole picture
is done while it is decoded, wherever it stands in the list, so that of a large JPEG only as many pixels are decoded as it needs. A picture of 16 bits has 8 behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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
from .steps import STEPS, find_conflict, make_steps
from .steps.frame import take_middle
from .steps.step import BatchStep, CropWindow, InputStep, OpeningStep, PictureStep
from .torchvision import import_transforms

if TYPE_CHECKING:
    import numpy as np

# a JPEG is decoded in a half, a quarter or an eighth of its size while at least so many of its pixels make one of ours: Pillow's own
# measure for that (`reducing_gap`) gives a result that can hardly be told from the whole one's
PIXELS_LEFT = 2
TURNED = range(5, 9)
ORIENTATION = 0x0112


class Augmenter:
    """The steps of a recipe that change one picture, for inputs as `how` says.

    Raises Failure `augment-order`, `augment-size` and `augment-channels` for steps that cannot stand together, or do not fit the input.
    """

    def __init__(self, how: Preprocess, augment: Sequence[Augmentation]) -> None:
        if conflict := find_conflict([step.name for step in augment]):
            raise Failure("augment-order", conflict, "change the order of `augment`, or leave one out")
        steps = make_steps(augment)
        self.how = how
        self.opening = next((step for step in steps if isinstance(step, OpeningStep)), None)
        self.cuts = any(step.sets_size for step in steps)
        self.steps = [step for step in steps if isinstance(step, PictureStep)]
        self.input_steps = [step for step in steps if isinstance(step, InputStep)]
        self.changes = bool(self.opening or self.steps)
        for step in steps:
            step.check_input(how, steps)
            if isinstance(step, (OpeningStep, PictureStep)):
                check_channels(step.name, how)
        self.tables = {bands: ShadeTable(how, bands) for bands in (1, 3)} if self.changes else {}
        # here, and not in each worker
        if any(step.uses_torchvision for step in self.steps):
            import_transforms()

    def __call__(self, source: Any, name: str, draws: np.random.Generator) -> Any:
        """A picture as the model's input, float32 (C, H, W). Without steps it is `runtime.images.read_input`'s, bit for bit."""
        values = self.change(source, name, draws) if self.changes else read_input(source, name, self.how)
        for step in self.input_steps:
            values = step.change_input(values, draws)
        return values

    def change(self, source: Any, name: str, draws: np.random.Generator) -> Any:
        """The picture behind the steps that work on pictures, normalised."""
        import numpy as np

        picture = self.open(source, name, draws)
        pixels = np.rint(pixel_values(picture)).astype(np.uint8) if picture.mode == "F" else np.asarray(picture)
        pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
        for step in self.steps:
            pixels = step.change(pixels, draws, self.how)
        pixels = take_middle(pixels, self.how.crop)
        return self.tables[pixels.shape[2]](pixels)

    def open(self, source: Any, name: str, draws: np.random.Generator) -> Any:
        """The picture, upright, in its first size: a Pillow image of L, RGB, or F (0 to 255, of 16 bits)."""
        if hasattr(source, "__array__"):
            from PIL import Image

            return self.frame(channel_image(Image.fromarray(source), self.how, name, 1), None, draws)
        window: CropWindow | None = None
        whole = (0, 0)

        def shrink(image: Any) -> None:
            """Chooses the window in a JPEG before it is decoded, which then happens at no more pixels than the window needs."""
            nonlocal window, whole
            if self.opening is None or image.format != "JPEG":
                return
            whole = upright_size(image)
            window = self.opening.find_window(whole, draws, self.how)
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
        window = window or self.opening.find_window(upright.size, draws, self.how)
        box = (window.left, window.top, min(window.left + window.width, upright.width), min(window.top + window.height, upright.height))  # fmt: skip
        return upright.resize(window.size, resampling(self.opening.interpolation), box)


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


def check_channels(name: str, how: Preprocess) -> None:
    """Raises Failure `augment-channels` where the step `name` changes pictures, and the input is none."""
    if how.size[0] not in (1, 3):
        others = [each for kind in (BatchStep, InputStep) for each, step in STEPS.items() if issubclass(step, kind)]
        raise Failure("augment-channels", f"`{name}` changes pictures of one or three channels; the input has {how.size[0]}",
                      f"leave it out; {', '.join(others[:-1])} and {others[-1]} work on any input")  # fmt: skip
