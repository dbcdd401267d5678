"""Photos to tensors: every common format read as RGB, then resized, cropped and normalised as torchvision does on PIL images."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, NamedTuple

from .faults import RuntimeFault

MAX_PIXELS = 178_956_970
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")


def read_image(path: str | Path) -> Any:
    """A photo as uint8 (H, W, 3): rotated as its EXIF says, on white where it is transparent. Raises RuntimeFault."""
    import numpy as np
    from PIL import Image, ImageOps

    name = Path(path)
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError):
        raise RuntimeFault("image-missing", f"there is no image `{path}`", exit_code=2) from None
    if not stat.S_ISREG(mode):
        raise RuntimeFault("image-unreadable", f"`{path}` is no file")
    Image.MAX_IMAGE_PIXELS = None  # our own limit, checked below from the header, is an error and not a warning
    try:
        with Image.open(name, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise RuntimeFault(
                    "image-too-large",
                    f"`{path}` says it has {image.width}×{image.height} pixels; the limit is {MAX_PIXELS}",
                )
            image.load()
            return np.asarray(to_rgb(ImageOps.exif_transpose(image)))
    except RuntimeFault:
        raise
    except MemoryError:
        raise RuntimeFault("image-too-large", f"`{path}` does not fit into memory", exit_code=3) from None
    except Exception as error:  # Pillow's decoders raise what they like: OSError, SyntaxError, struct.error, …
        why = "it is empty" if name.stat().st_size == 0 else str(error).replace(str(name), "it")[:120]
        raise RuntimeFault("image-unreadable", f"`{path}` is no image that can be read: {why}",
                           "JPEG, PNG, WebP, BMP, GIF and TIFF are read") from None  # fmt: skip


def to_rgb(image: Any) -> Any:
    """Any mode of Pillow's as RGB: 16 bits scaled to 8, transparency laid on white."""
    import numpy as np
    from PIL import Image

    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values: Any = np.asarray(image, dtype=np.float64)
        values = values / 257 if values.max(initial=0) > 255 else values
        image = Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        clear = image.convert("RGBA")
        white = Image.new("RGBA", clear.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, clear)
    return image.convert("RGB")


class Preprocess(NamedTuple):
    """How an image becomes the input; `size` is (channels, height, width)."""

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
        """From a model's metadata; without any, an image is stretched to the input and divided by 255."""
        crop = given.get("crop", [size[1], size[2]])
        crop = (crop, crop) if isinstance(crop, int) else (crop[0], crop[1])
        if crop != size[1:]:
            raise RuntimeFault(
                "preprocess-mismatch", f"the model crops to {crop[0]}×{crop[1]}, but its input is {size[1]}×{size[2]}"
            )
        color = given.get("color", "grey" if size[0] == 1 else "rgb")
        mean, std = tuple(given.get("mean", [0.0])), tuple(given.get("std", [1.0]))
        return cls(
            size,
            given.get("resize"),
            crop,
            mean,
            std,
            given.get("scale", 1 / 255),
            given.get("interpolation", "bilinear"),
            color,
            bool(given),
        )


def prepare(image: Any, how: Preprocess) -> Any:
    """An image (H, W, 3) of uint8 as float32 (C, H, W)."""
    import numpy as np
    from PIL import Image

    picture = Image.fromarray(image)
    filters = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC,
               "lanczos": Image.Resampling.LANCZOS}  # fmt: skip
    if how.color == "grey" or how.size[0] == 1:
        picture = picture.convert("L")
    taken = filters[how.interpolation]
    if how.resize is None:
        picture = picture.resize((how.crop[1], how.crop[0]), taken)
    else:
        picture = picture.resize(shorter_side(picture.size, how.resize), taken)
    picture = center_crop(picture, how.crop)
    values: Any = np.asarray(picture, dtype=np.float32)
    values = values[:, :, None] if values.ndim == 2 else values
    if how.color == "bgr":
        values = values[:, :, ::-1]
    values = (values * np.float32(how.scale) - np.array(how.mean, np.float32)) / np.array(how.std, np.float32)
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def shorter_side(size: tuple[int, int], target: int) -> tuple[int, int]:
    """(width, height) with the shorter side at `target`; the longer rounds down, as torchvision does."""
    width, height = size
    if width <= height:
        return target, max(1, int(target * height / width))
    return max(1, int(target * width / height)), target


def center_crop(picture: Any, crop: tuple[int, int]) -> Any:
    """The middle; a side that is too short is filled with black."""
    height, width = crop
    left, top = round((picture.width - width) / 2.0), round((picture.height - height) / 2.0)
    if picture.width < width or picture.height < height:
        left = -((width - picture.width) // 2) if picture.width < width else left
        top = -((height - picture.height) // 2) if picture.height < height else top
    return picture.crop((left, top, left + width, top + height))
