"""Images to tensors: every common format is read as RGB, then resized, cropped and normalised as torchvision does on PIL images."""

from __future__ import annotations

import math
import os
import stat
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from .faults import RuntimeFault

MAX_PIXELS = 178_956_970
MAX_SIDE = 2**14
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")  # these words and COLORS are the language's
COLORS = ("rgb", "bgr", "grey")
FORMATS = {
    "JPEG": "JPEG",
    "PNG": "PNG",
    "WEBP": "WebP",
    "BMP": "BMP",
    "GIF": "GIF",
    "TIFF": "TIFF",
}  # Pillow's name and ours


def read_image(path: str | Path) -> Any:
    """An image as uint8 (H, W, 3): rotated as its EXIF data say, on white where it is transparent.

    Raises RuntimeFault where the file is missing, too large, or no image that can be read.
    """
    import numpy as np
    from PIL import Image

    name = Path(path)
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError):
        raise RuntimeFault("image-missing", f"there is no image `{path}`", exit_code=2) from None
    if not stat.S_ISREG(mode):
        raise RuntimeFault("image-unreadable", f"`{path}` is no file")
    try:
        # Pillow only warns between half of its limit and the whole; ours, from the header, is checked below
        with warnings.catch_warnings(action="ignore"), Image.open(name, formats=tuple(FORMATS)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise RuntimeFault(
                    "image-too-large",
                    f"`{path}` says it has {image.width}×{image.height} pixels; the limit is {MAX_PIXELS}",
                )
            image.load()
            return np.asarray(to_rgb(rotate_by_exif(image), image.format))
    except RuntimeFault:
        raise
    except Image.DecompressionBombError as error:
        raise RuntimeFault("image-too-large", f"`{path}`: {str(error)[:120]}") from None
    except MemoryError:
        raise RuntimeFault("image-too-large", f"`{path}` does not fit into memory", exit_code=3) from None
    except Exception as error:  # Pillow's decoders raise what they like: OSError, SyntaxError, struct.error, …
        why = describe_unreadable(name, error)
        raise RuntimeFault("image-unreadable", f"`{path}` is no image that can be read: {why}",
                           f"{', '.join(FORMATS.values())} are read") from None  # fmt: skip


def describe_unreadable(path: Path, error: Exception) -> str:
    """Why a file cannot be read as an image: what it is instead, if its first bytes tell, else the decoder's own message."""
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        return "it is empty"
    if b"<svg" in start:
        return "it is a drawing (SVG); a photo is made of pixels"
    if start.startswith((b"%!PS", b"%PDF")):
        return "it is a page (PostScript or PDF)"
    if start.startswith(b"\x93NUMPY"):
        return "it is a NumPy array"
    if start.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF")) and "identify" in str(error):
        return "its header is damaged, or it has no pixels"
    if type(error).__name__ == "UnidentifiedImageError":
        return "nothing in it says which format it is" if b"\0" in start else "it is a text"
    return str(error).replace(str(path), "it")[:120]


def rotate_by_exif(image: Any) -> Any:
    """The image rotated as its EXIF data say; damaged data are ignored, because the pixels are good."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # the EXIF reader raises what it likes: SyntaxError, struct.error, …
        return image


def to_rgb(image: Any, form: str | None = None) -> Any:
    """An image of any Pillow mode as RGB: 16 bits are scaled to 8, and transparency becomes white. `form` is the file's format."""
    import numpy as np
    from PIL import Image

    has_16_bits = image.mode.startswith("I;16") or (image.mode == "I" and form == "PNG")
    if image.mode in ("I", "F") and not has_16_bits:
        raise ValueError("its pixels have 32 bits, and nothing says which value is white")
    if has_16_bits:  # by the mode, never by the values: a dark image of 16 bits stays dark
        values: Any = np.asarray(image, dtype=np.float64) / 257
        image = Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        clear = image.convert("RGBA")
        white = Image.new("RGBA", clear.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, clear)
    return image.convert("RGB")


class Preprocess(NamedTuple):
    """How an image becomes a model's input.

    `size` is the input's (channels, height, width). `resize` is the length of the shorter side; None stretches the image to
    `crop`, (height, width). `mean` and `std` are per channel, or one for all; `scale` multiplies pixels before them. `stated`
    says whether the model's metadata had any of this.
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

    @classmethod
    def parse(cls, given: dict[str, Any], size: tuple[int, int, int]) -> Preprocess:
        """From a model's metadata; with none, an image is stretched to the input's size, and its pixels are divided by 255.

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
        if 0 in std:
            raise RuntimeFault("model-damaged", "the model's preprocessing divides by a `std` of 0")
        return cls(size, resize, crop, mean, std, scale, interpolation, color, bool(given))


def is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_finite_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


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


def prepare(image: Any, how: Preprocess) -> Any:
    """An image (H, W, 3) of uint8 as the model's input (C, H, W) of float32. Raises RuntimeFault for any other array."""
    import numpy as np
    from PIL import Image

    if getattr(image, "dtype", None) != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
        found = f"{getattr(image, 'dtype', type(image).__name__)} {getattr(image, 'shape', '')}"
        raise RuntimeFault("image-unreadable", f"an image is an array of uint8 (height, width, 3), not {found}")
    if 0 in image.shape:
        raise RuntimeFault("image-unreadable", f"an image of shape {image.shape} has no pixels")
    picture = Image.fromarray(image)
    picture = picture.convert("L" if how.color == "grey" or how.size[0] == 1 else "RGB")
    resampling = Image.Resampling[how.interpolation.upper()]
    width, height = (how.crop[1], how.crop[0]) if how.resize is None else shorter_side(picture.size, how.resize)
    if width * height > MAX_PIXELS:
        raise RuntimeFault("image-too-large", f"an image of {picture.width}×{picture.height} becomes {width}×{height} "
                           f"when its shorter side is {how.resize}; the limit is {MAX_PIXELS} pixels")  # fmt: skip
    picture = picture.resize((width, height), resampling)
    picture = center_crop(picture, how.crop)
    values: Any = np.asarray(picture, dtype=np.float32)
    values = np.repeat(values[:, :, None], how.size[0], axis=2) if values.ndim == 2 else values
    if how.color == "bgr":
        values = values[:, :, ::-1]
    values = (values * np.float32(how.scale) - np.array(how.mean, np.float32)) / np.array(how.std, np.float32)
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def shorter_side(size: tuple[int, int], target: int) -> tuple[int, int]:
    """(width, height) scaled so that the shorter side is `target`; the longer one is rounded down, as in torchvision."""
    width, height = size
    if width <= height:
        return target, max(1, int(target * height / width))
    return max(1, int(target * width / height)), target


def center_crop(picture: Any, crop: tuple[int, int]) -> Any:
    """The middle of a picture, of size `crop` (height, width); a picture that is smaller gets black borders."""
    height, width = crop
    left, top = round((picture.width - width) / 2.0), round((picture.height - height) / 2.0)
    if picture.width < width or picture.height < height:
        left = -((width - picture.width) // 2) if picture.width < width else left
        top = -((height - picture.height) // 2) if picture.height < height else top
    return picture.crop((left, top, left + width, top + height))
