"""JPEGs whose end marker is missing, as some cameras write them: all pixels are there, and Pillow takes them for broken off."""

from __future__ import annotations

import io
import os
from typing import Any

END = b"\xff\xd9"
FILLER = b"\x55" * 64


def load_jpeg(image: Any, source: Any) -> Any:
    """The JPEG `image`, loaded; where only the end marker is missing, another image of the same file.

    Raises OSError for a file that broke off before.
    """
    try:
        image.load()
    except OSError:
        if image.info.get("progressive") or ends_in_marker(source):
            raise
        whole = decode(source, END)
        # where pixels are missing, the decoder makes them of whatever comes next, so the two differ
        if not equal(whole, decode(source, FILLER + END)):
            raise
        return whole
    return image


def read_all(source: Any) -> bytes:
    """The bytes of a path, or of an open file from its start."""
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            return file.read()
    source.seek(0)
    return bytes(source.read())


def ends_in_marker(source: Any) -> bool:
    return read_all(source).endswith(END)


def decode(source: Any, ending: bytes) -> Any:
    """The image of the file with other bytes behind it, loaded."""
    from PIL import Image

    image = Image.open(io.BytesIO(read_all(source) + ending), formats=("JPEG",))
    image.load()
    return image


def equal(one: Any, other: Any) -> bool:
    from PIL import ImageChops

    return one.mode == other.mode and not any(band.getbbox() for band in ImageChops.difference(one, other).split())
