"""Small pictures of the worst mistakes, for a page."""

from __future__ import annotations

import io
from typing import Any

from ..faults import PictureFault
from ..images import MAX_PIXELS, read_image
from .tally import ClassificationReport, Mistake

SIDE = 160
MOST = 48


def add_thumbnails(evaluation: ClassificationReport, max_pixels: int = MAX_PIXELS) -> ClassificationReport:
    """The same value, its first MOST mistakes with a JPEG of at most SIDE pixels a side; one that cannot be read any more has none."""
    made = [mistake._replace(thumbnail=make_thumbnail(mistake, max_pixels)) for mistake in evaluation.mistakes[:MOST]]
    return evaluation._replace(mistakes=(*made, *evaluation.mistakes[MOST:]))


def make_thumbnail(mistake: Mistake, max_pixels: int) -> bytes:
    """A small JPEG of a picture; nothing where it cannot be read."""
    try:
        return encode_thumbnail(read_image(mistake.path, max_pixels))
    except PictureFault:
        return b""


def encode_thumbnail(pixels: Any) -> bytes:
    """A small JPEG of pixels, uint8 (H, W) or (H, W, 3)."""
    from PIL import Image

    image = Image.fromarray(pixels)
    scale = SIDE / max(image.size)
    # a tiny picture is enlarged with its pixels seen
    how = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), how)
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=80)
    return file.getvalue()
