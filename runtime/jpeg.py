"""JPEGs whose end marker is missing, as some cameras write them: all pixels are there, and Pillow takes them for broken off."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from typing import Any

END = b"\xff\xd9"
# the decoder fills a register of 64 bits before it takes the last ones out; no code is so long
LOOK_AHEAD = b"\xfe" * 8


def load_jpeg(image: Any, source: Any) -> Any:
    """The JPEG `image`, loaded; where only the end marker is missing, another image of the same file.

    Raises OSError for a file that broke off before.
    """
    from PIL import Image

    try:
        image.load()
        return image
    except OSError:
        # in a progressive file the last rows come early, and more of each row follows
        # half a marker would make one with what is put behind it
        content = read_all(source).rstrip(END[:1])
        if image.info.get("progressive") or not has_last_row(content):
            raise
        whole = Image.open(io.BytesIO(content + END), formats=("JPEG",))
        whole.load()
        return whole


def read_all(source: Any) -> bytes:
    """The bytes of a path, or of an open file from its start."""
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            return file.read()
    source.seek(0)
    return bytes(source.read())


def has_last_row(content: bytes) -> bool:
    """Whether the decoder reaches the last row: decoded onto black and onto white, it is the same."""
    black, white = (last_row_onto(shade, content + LOOK_AHEAD) for shade in (0, 255))
    return black == white


def last_row_onto(shade: int, content: bytes) -> bytes:
    """The last row of pixels after decoding a file that ends too early onto an image of one shade."""
    from PIL import Image

    image = Image.open(io.BytesIO(content), formats=("JPEG",))
    ground = Image.new(image.mode, image.size, (shade,) * len(image.getbands()))
    # Pillow decodes into the memory that is there
    image.im = ground.im
    with suppress(OSError):
        image.load()
    return ground.crop((0, image.height - 1, image.width, image.height)).tobytes()
