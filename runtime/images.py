"""Images to tensors: a picture from wherever it comes, then resized, cropped and normalised as torchvision does on PIL images.

One picture is decoded at a time, straight into the model's size; what is decoded lives no longer than that.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

from .faults import PictureFault, RuntimeFault
from .formats import describe_refusal, readable_formats
from .jpeg import load_jpeg
from .packages import import_package
from .pixels import count_channels, has_16_bits, has_alpha, rotate_by_exif, separate_alpha, to_grey, to_rgb
from .ports import IMAGE_DTYPES, Port
from .preprocess import Preprocess
from .quiet import ignore_warnings
from .sources import missing_image

# where Pillow itself begins to warn; about 0.7 GB while such a picture is converted
MAX_PIXELS = 89_478_485
NUMPY_SIGNATURE = b"\x93NUMPY"
# of pages that may stand for channels
PAGE_MODES = ("1", "L", "RGB", "I;16", "I;16B", "I;16L", "I;16N")
PILLOW_LIMIT = Lock()


def read_image(path: str | Path, max_pixels: int = MAX_PIXELS) -> Any:
    """An image as uint8 (H, W, 3): rotated as its EXIF data say, on white where it is transparent.

    Raises PictureFault where the file is missing, has over `max_pixels` pixels, or is no image that can be read.
    """
    import numpy as np

    with open_image(path, str(path), max_pixels) as image:
        return np.asarray(to_rgb(rotate_by_exif(image, in_place=True)))


def read_input(source: Any, name: str, how: Preprocess, max_pixels: int = MAX_PIXELS) -> Any:
    """A picture as the model's input (C, H, W) of float32, or of uint8 where it takes raw pixels.

    `source` is a path, bytes, an open binary file, a Pillow image or an array; `name` is what messages call it. A file may be an
    image, or a .npy that holds an array as `prepare` takes it. Raises PictureFault where it cannot be read or does not fit.
    """
    file = find_file(source, name)
    if file is None:
        return prepare(source, how, name, max_pixels)
    if read_start(file).startswith(NUMPY_SIGNATURE):
        return prepare(read_array(file, name), how, name, max_pixels)
    with open_image(file, name, max_pixels) as image:
        values = read_channels(image, how, name, max_pixels, in_place=True)
    return normalize(values, how)


def read_prepared(source: Any, name: str, port: Port, model: str) -> Any:
    """An array for an input that takes no pictures of one size: given as it is, or in a .npy, its path, its bytes or an open file.

    Raises RuntimeFault `not-an-image-model` for a picture, PictureFault for an array that does not fit.
    """
    import numpy as np

    file = find_file(source, name)
    if file is not None:
        source = read_array(file, name) if read_start(file).startswith(NUMPY_SIGNATURE) else None
    array = np.asarray(source) if hasattr(source, "__array__") and not hasattr(source, "getbands") else None
    flat = port.has_rank and len(port.shape) < 2
    if array is None or flat:
        open_size = "its shape is open, and nothing says how large a picture it wants"
        why = "it has no dimension for pictures" if flat else "that is no picture" if port.has_one_size else open_size
        raise RuntimeFault("not-an-image-model", f"the input `{port.name}` of {model} is {port.kind}: {why}",
                           "use Session.run" if flat else f"give a .npy of {port.row.kind}, or use Session.run")  # fmt: skip
    if array.dtype.kind == "f" and port.dtype in IMAGE_DTYPES:
        array = array.astype(port.dtype, copy=False)
    if str(array.dtype) != port.dtype or not port.row.fits(array.shape):
        raise PictureFault("image-unreadable", f"`{name}` is an array of {array.dtype} {array.shape}; "
                           f"the input `{port.name}` takes {port.row.kind}")  # fmt: skip
    return np.ascontiguousarray(array)


def check_file(path: str | Path) -> None:
    """Raises PictureFault where `path` is not there, or is no file."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        raise missing_image(path) from None
    if stat.S_ISDIR(mode):
        raise PictureFault("image-unreadable", f"`{path}` is a folder; name the pictures in it")
    if not stat.S_ISREG(mode):
        raise PictureFault("image-unreadable", f"`{path}` is no file")


def find_file(source: Any, name: str) -> Any:
    """What a picture is read from: its path, or an open file at its start; None for what is decoded already, an image or an array.

    Raises PictureFault where there is no such file, or it cannot be read.
    """
    if isinstance(source, os.PathLike):
        source = Path(source)
    if isinstance(source, (str, Path)):
        check_file(source)
        return source
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source)
    return from_start(source, name) if hasattr(source, "read") else None


def from_start(file: Any, name: str) -> Any:
    """An open file at its start, wherever it stands, as Pillow takes it; what cannot go back is read whole.

    Raises PictureFault for a file of text, and for one that is closed or cannot be read.
    """
    try:
        if isinstance(file.read(0), str):
            raise PictureFault("image-unreadable", "a file with a picture is opened in binary mode: open(path, 'rb')")
        if getattr(file, "seekable", lambda: False)():
            file.seek(0)
            return file
        return io.BytesIO(file.read())
    except (OSError, ValueError) as error:
        raise PictureFault("image-unreadable", f"`{name}` cannot be read: {str(error).rstrip('.').lower()}") from None


def read_start(source: Any) -> bytes:
    """The first bytes of a file, or of an open file from where it stands; it stands there again afterwards."""
    try:
        if isinstance(source, (str, Path)):
            with open(source, "rb") as file:
                return file.read(512)
        at = source.tell()
        start = bytes(source.read(512))
        source.seek(at)
    except (OSError, ValueError) as error:
        raise PictureFault(
            "image-unreadable", f"`{source}` cannot be read: {getattr(error, 'strerror', '') or error}"
        ) from None
    return start


def read_array(source: Any, name: str) -> Any:
    """The array of a .npy; a file is mapped, so that no header can ask for memory. Raises PictureFault where it is damaged."""
    import numpy as np

    try:
        if isinstance(source, (str, Path)):
            return np.load(source, mmap_mode="r", allow_pickle=False)
        return np.load(source, allow_pickle=False)
    except MemoryError:
        raise PictureFault("image-too-large", f"`{name}` does not fit into memory", exit_code=3) from None
    # numpy's reader raises what it likes: ValueError, SyntaxError, tokenize.TokenError, …
    except Exception as error:
        why = " ".join(str(error).split())[:120]
        raise PictureFault("image-unreadable", f"`{name}` is a NumPy array that cannot be read: {why}") from None


@contextmanager
def open_image(
    source: Any, name: str, max_pixels: int, before_load: Callable[[Any], None] | None = None
) -> Iterator[Any]:
    """The Pillow image of a path or an open file; whatever its decoder raises inside the block becomes a PictureFault.

    `before_load` is called with an image of which only the header is read: it may ask the decoder for a smaller one.
    """
    Image = import_package("PIL.Image", "a picture")
    if isinstance(source, (str, Path)):
        check_file(source)
    start = read_start(source)
    formats = readable_formats(name if isinstance(source, (str, Path)) else "", start)
    with decoding(name, start), lift_pillow_limit(max_pixels), Image.open(source, formats=formats) as image:
        check_pixels(image, name, max_pixels)
        if before_load:
            before_load(image)
        yield load_jpeg(image, source) if image.format == "JPEG" else image


@contextmanager
def decoding(name: str, start: bytes = b"?") -> Iterator[None]:
    """Turns whatever Pillow raises inside the block into a PictureFault; `start` is what the file begins with, if it is known."""
    from PIL import Image

    try:
        # between half of its limit and the whole Pillow only warns
        with ignore_warnings():
            yield
    except RuntimeFault:
        raise
    except Image.DecompressionBombError as error:
        raise PictureFault("image-too-large", f"`{name}`: {str(error)[:120]}") from None
    except MemoryError:
        raise PictureFault("image-too-large", f"`{name}` does not fit into memory", exit_code=3) from None
    # Pillow's decoders raise what they like: OSError, SyntaxError, struct.error, …
    except Exception as error:
        refusal = describe_refusal(start, error, name)
        raise PictureFault("image-unreadable", f"`{name}` is no image that can be read: {refusal.why}",
                           refusal.advice) from None  # fmt: skip


@contextmanager
def lift_pillow_limit(max_pixels: int) -> Iterator[None]:
    """Lets Pillow open images of up to `max_pixels`; its own limit is for the whole process, and is put back afterwards."""
    from PIL import Image

    with PILLOW_LIMIT if max_pixels > MAX_PIXELS else nullcontext():
        before = Image.MAX_IMAGE_PIXELS
        lifted = before is not None and before < max_pixels > MAX_PIXELS
        if lifted:
            Image.MAX_IMAGE_PIXELS = max_pixels
        try:
            yield
        finally:
            if lifted:
                Image.MAX_IMAGE_PIXELS = before


def check_pixels(image: Any, name: str, max_pixels: int) -> None:
    """Raises PictureFault `image-too-large` where the image has over `max_pixels` pixels, as its header says."""
    if image.width * image.height > max_pixels:
        raise PictureFault("image-too-large", f"`{name}` has {image.width}×{image.height} pixels; the limit is {max_pixels}",
                           f"make it smaller, or allow it: --max-pixels {image.width * image.height}, or max_pixels= in Python")  # fmt: skip


def prepare(image: Any, how: Preprocess, name: str = "the image", max_pixels: int = MAX_PIXELS) -> Any:
    """A picture, as an array or a Pillow image, as the model's input (C, H, W) of float32, or of uint8 where it takes raw pixels.

    An array of uint8 or uint16 is a picture, (H, W) or (H, W, channels). One of floats is an input that is prepared already,
    (C, H, W), and stays as it is; for raw pixels one of uint8 is. Raises PictureFault for anything else.
    """
    import numpy as np
    from PIL import Image

    if isinstance(image, Image.Image):
        # an image that was only opened is decoded here
        with decoding(name):
            check_pixels(image, name, max_pixels)
            values = read_channels(image, how, name, max_pixels)
        return normalize(values, how)
    array = np.asarray(image) if hasattr(image, "__array__") else np.empty(0, object)
    if array.shape == how.size and (array.dtype == np.uint8 if how.raw else array.dtype.kind == "f"):
        return np.ascontiguousarray(array, np.uint8 if how.raw else np.float32)
    if array.dtype not in (np.uint8, np.uint16) or array.ndim not in (2, 3):
        found = f"{array.dtype} {array.shape}" if hasattr(image, "__array__") else type(image).__name__
        raise PictureFault("image-unreadable", "an image is an array of uint8 or uint16 (height, width, channels), or one of "
                           f"{'uint8' if how.raw else 'floats'} {how.size} (channels, height, width) that is prepared already, not {found}")  # fmt: skip
    if 0 in array.shape:
        raise PictureFault("image-unreadable", f"an image of shape {array.shape} has no pixels")
    if array.shape[0] * array.shape[1] > max_pixels:
        raise PictureFault(
            "image-too-large", f"`{name}` has {array.shape[1]}×{array.shape[0]} pixels; the limit is {max_pixels}"
        )
    return normalize(array_channels(array, how, name, max_pixels), how)


def array_channels(array: Any, how: Preprocess, name: str, max_pixels: int) -> Any:
    """A picture (H, W) or (H, W, channels) of uint8 or uint16 in the model's size and channels: float32 (H, W, C) of 0 to 255.

    Channels as many as the model's stay as they are, each resized alone: what they are is the caller's to know.
    """
    import numpy as np
    from PIL import Image

    array = array[:, :, None] if array.ndim == 2 else array
    count, channels = array.shape[2], how.size[0]
    if count == 1:
        return read_channels(Image.fromarray(np.ascontiguousarray(array[:, :, 0])), how, name, max_pixels)
    if count == channels and (count != 3 or (array.dtype == np.uint16 and how.color != "grey")):
        bands = (Image.fromarray(np.ascontiguousarray(array[:, :, i])) for i in range(count))
        return stack(map(to_grey, bands), how, max_pixels)
    if count not in (3, 4):
        raise channel_fault(name, f"{count} channels", how)
    if array.dtype == np.uint16:
        array = np.rint(array / np.float32(257)).astype(np.uint8)
    return read_channels(Image.fromarray(np.ascontiguousarray(array)), how, name, max_pixels)


def read_channels(image: Any, how: Preprocess, name: str, max_pixels: int, in_place: bool = False) -> Any:
    """A Pillow image in the model's size and channels: float32 (H, W, C) of 0 to 255. Raises PictureFault where it lacks these.

    With `in_place` the image may be changed, so that no copy of it is needed.
    """
    bands, channels = len(image.getbands()), how.size[0]
    # counting walks through the whole file
    pages = count_pages(image) if channels > bands else 1
    if pages > 1 and pages * bands == channels:
        return stack(page_images(image, pages, name), how, max_pixels)
    upright = rotate_by_exif(image, in_place)
    return stack([channel_image(upright, how, name, pages)], how, max_pixels)


def channel_image(image: Any, how: Preprocess, name: str, pages: int) -> Any:
    """The picture as grey, as RGB on white, or with its transparency as the last channel; one channel stands for all of them.

    Raises PictureFault where it has other channels than the model wants; `pages` says how many images the file holds.
    """
    channels = how.size[0]
    if how.color == "grey" or channels == 1:
        return to_grey(image)
    if channels == 3:
        return to_grey(image) if has_16_bits(image) else to_rgb(image)
    found = count_channels(image)
    if has_alpha(image) and (channels == 4 or channels == found == 2):
        return separate_alpha(image, "LA" if channels == 2 else "RGBA")
    several = f"{pages} pages of " if pages > 1 else ""
    raise channel_fault(name, f"{several}{found} channel{'s' if found > 1 else ''}", how)


def count_pages(image: Any) -> int:
    """How many pages a TIFF has whose pixels are plain channels; 1 for any other image."""
    plain = getattr(image, "format", None) == "TIFF" and image.mode in PAGE_MODES
    return int(image.n_frames) if plain else 1


def page_images(image: Any, pages: int, name: str) -> Iterator[Any]:
    """Each page of a TIFF, upright. Raises PictureFault where a page is not of the first one's kind and size."""
    first, began_at = (image.mode, image.size), image.tell()
    for page in range(pages):
        image.seek(page)
        if (image.mode, image.size) != first:
            raise PictureFault("image-unreadable", f"the pages of `{name}` differ: page {page + 1} is {image.mode} of {image.width}×{image.height}, "
                               f"the first {first[0]} of {first[1][0]}×{first[1][1]}")  # fmt: skip
        upright = rotate_by_exif(image)
        yield upright if upright.mode == "RGB" else to_grey(upright)
    image.seek(began_at)


def channel_fault(name: str, found: str, how: Preprocess) -> PictureFault:
    """The fault for a picture that has `found` channels, and the model wants others."""
    wanted, height, width = how.size
    array = f"a .npy: uint8 (height, width, {wanted}), or float32 ({wanted}, {height}, {width}) prepared already"
    other = {2: "a picture in grey with transparency, ", 4: "a picture with transparency (RGBA), "}.get(wanted, "")
    return PictureFault("image-channels", f"`{name}` has {found}, the model wants {wanted}",
                        f"give {other}a TIFF with {wanted} pages of one channel, or {array}")  # fmt: skip


def stack(images: Iterable[Any], how: Preprocess, max_pixels: int) -> Any:
    """Images of one size, resized and cropped, their channels one after another: float32 (H, W, C) of 0 to 255."""
    import numpy as np

    parts = [pixel_values(resize_and_crop(image, how, max_pixels)) for image in images]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)


def normalize(values: Any, how: Preprocess) -> Any:
    """Pixels (H, W, C), or of one channel that stands for all, as the model's input (C, H, W) of float32; as uint8 where it is raw."""
    import numpy as np

    if values.shape[2] == 1:
        values = np.repeat(values, how.size[0], axis=2)
    if how.color == "bgr" and values.shape[2] in (3, 4):
        values = values[:, :, [2, 1, 0, 3][: values.shape[2]]]
    if how.raw:
        return np.ascontiguousarray(np.rint(values).astype(np.uint8).transpose(2, 0, 1))
    values = (values * np.float32(how.scale) - np.array(how.mean, np.float32)) / np.array(how.std, np.float32)
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def pixel_values(image: Any) -> Any:
    """The pixels as float32 (H, W, channels) of 0 to 255: what resizing overshoots is cut off, as it is in 8 bits."""
    import numpy as np

    values: Any = np.asarray(image, dtype=np.float32)
    values = values.clip(0, 255) if image.mode == "F" else values
    return values[:, :, None] if values.ndim == 2 else values


def resize_and_crop(image: Any, how: Preprocess, max_pixels: int) -> Any:
    """The image in the model's size. Raises PictureFault where it is so thin that it becomes too large when it is resized."""
    from PIL import Image

    resampling = Image.Resampling[how.interpolation.upper()]
    width, height = (how.crop[1], how.crop[0]) if how.resize is None else shorter_side(image.size, how.resize)
    if width * height > max_pixels:
        raise PictureFault("image-too-large", f"an image of {image.width}×{image.height} becomes {width}×{height} "
                           f"{f'when its shorter side is {how.resize}' if how.resize else 'for the model'}; the limit is {max_pixels} pixels")  # fmt: skip
    return center_crop(image.resize((width, height), resampling), how.crop)


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
