"""Pixels of any Pillow mode as those that a model sees: 8 bits, or floats of 0 to 255 where a picture has 16.

A picture may be as large as the limit allows, so nothing here holds a second whole copy beside the picture and its result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

STRIP_PIXELS = 2**20
ALPHA_MODES = ("RGBA", "LA", "PA", "La", "RGBa")


def rotate_by_exif(image: Any, in_place: bool = False) -> Any:
    """The image rotated as its EXIF data say; damaged data are ignored, because the pixels are good."""
    from PIL import ImageOps

    try:
        if not in_place:
            return ImageOps.exif_transpose(image)
        ImageOps.exif_transpose(image, in_place=True)
    # the EXIF reader raises what it likes: SyntaxError, struct.error, …
    except Exception:
        pass
    return image


def has_alpha(image: Any) -> bool:
    """Whether parts of the image may be transparent."""
    return image.mode in ALPHA_MODES or "transparency" in image.info


def has_16_bits(image: Any) -> bool:
    """Whether each pixel is one number of 16 bits; PNG's and PPM's arrive in Pillow's mode for 32.

    It is decided by the mode, never by the values: a dark image of 16 bits stays dark. Raises ValueError for 32 bits.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and getattr(image, "format", None) in ("PNG", "PPM")):
        return True
    if image.mode in ("I", "F"):
        raise ValueError("its pixels have 32 bits, and nothing says which value is white; give them as a .npy")
    return False


def convert_in_strips(image: Any, mode: str, convert: Callable[[Any], Any]) -> Any:
    """An image of `mode` and the same size; `convert` makes each strip of rows, so that no whole copy lies in between."""
    from PIL import Image

    result = Image.new(mode, image.size)
    rows = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(top + rows, image.height))
        result.paste(convert(image.crop(box)), box)
    return result


def to_float_grey(image: Any) -> Any:
    """An image of 16 bits as Pillow's mode F, where 255 is white: 65535 becomes 255."""
    import numpy as np
    from PIL import Image

    return convert_in_strips(image, "F", lambda strip: Image.fromarray(np.asarray(strip).astype(np.float32) / 257))


def lay_on_white(image: Any) -> Any:
    """An image with transparency as RGB, on white."""
    from PIL import Image

    def convert(strip: Any) -> Any:
        clear = separate_alpha(strip, "RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, (255, 255, 255, 255)), clear).convert("RGB")

    return convert_in_strips(image, "RGB", convert)


def to_8_bits(image: Any) -> Any:
    """Grey of 16 bits as L, or as LA where one value of it is transparent; any other image as it is. Raises ValueError for 32 bits."""
    import numpy as np
    from PIL import Image

    if not has_16_bits(image):
        return image
    clear = image.info.get("transparency")

    def convert(strip: Any) -> Any:
        values = np.asarray(strip)
        levels = Image.fromarray(np.clip(np.rint(values.astype(np.float32) / 257), 0, 255).astype(np.uint8))
        if clear is None:
            return levels
        return Image.merge("LA", (levels, Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8))))

    return convert_in_strips(image, "L" if clear is None else "LA", convert)


def separate_alpha(image: Any, mode: str) -> Any:
    """An image with transparency in `mode`, LA or RGBA, its last channel the transparency; a copy only where it is in another mode."""
    image = to_8_bits(image)
    # Pillow has no other way out of this one
    if image.mode == "La":
        image = image.convert("LA")
    return image if image.mode == mode else image.convert(mode)


def to_rgb(image: Any) -> Any:
    """An image of any mode as RGB: 16 bits are scaled to 8, and transparency becomes white. Raises ValueError for 32 bits."""
    image = to_8_bits(image)
    if has_alpha(image):
        return lay_on_white(image)
    # `convert` copies what is RGB already
    return image if image.mode == "RGB" else image.convert("RGB")


def to_grey(image: Any) -> Any:
    """An image of any mode as one channel: L, or F where it has 16 bits, so that these are kept. Raises ValueError for 32 bits."""
    if has_16_bits(image) and not has_alpha(image):
        return to_float_grey(image)
    return to_rgb(image).convert("L") if image.mode != "L" or has_alpha(image) else image


def count_channels(image: Any) -> int:
    """How many channels a person would say that the image has: 1 for grey, 3 for colour, one more for transparency."""
    grey = image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16")
    return (1 if grey else 3) + has_alpha(image)
