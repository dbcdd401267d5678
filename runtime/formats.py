"""Which files are read as images, and what a file is that cannot be read.

Let in is what Pillow decodes itself and people use for pictures. Left out on purpose: EPS and WMF, because reading them runs
another program (Ghostscript, Windows' GDI); formats that only a plug-in of unknown origin reads (GRIB, HDF5, BUFR); and icons,
PSD and films, which are several pictures, and nothing says which is meant.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any, NamedTuple

from .pip import install_command

# Pillow's name and ours
FORMATS = {
    "JPEG": "JPEG", "PNG": "PNG", "WEBP": "WebP", "BMP": "BMP", "DIB": "BMP", "GIF": "GIF", "TIFF": "TIFF", "PPM": "PPM",
    "JPEG2000": "JPEG 2000", "AVIF": "AVIF", "HEIF": "HEIC", "PCX": "PCX", "QOI": "QOI", "SGI": "SGI", "TGA": "TGA",
}  # fmt: skip
# a TGA has no signature at its start, so anything may look like one: its name must say so
BY_SUFFIX = {"TGA": (".tga", ".icb", ".vda", ".vst")}
SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF")
# the four bytes behind `ftyp`, and what such a file is
BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"), "HEIC"),
}

DAMAGED = "the file may be cut off or damaged: copy or load it again"


class Plugin(NamedTuple):
    """A package that teaches Pillow a format: the module to import, the function to call then, what to install, and what else can be done."""

    module: str
    register: str
    requirement: str
    otherwise: str

    @property
    def advice(self) -> str:
        return f"{install_command(self.requirement)}, {self.otherwise}"


PLUGINS = {
    "HEIC": Plugin("pillow_heif", "register_heif_opener", "pillow-heif", "or save it as JPEG"),
    "AVIF": Plugin("pillow_avif", "", "pillow>=11.3", "or pillow-avif-plugin, or save it as JPEG"),
}


class Refusal(NamedTuple):
    """Why a file is no image that can be read, and what to do; `advice` is empty where there is nothing more to say."""

    why: str
    advice: str = ""


def readable_formats(name: str, start: bytes) -> tuple[str, ...]:
    """Pillow's names of the formats to try for a file of this name that begins with `start`.

    Where it begins as a format that only a plug-in reads, the plug-in is imported, if it is installed.
    """
    brand = find_brand(start)
    if brand and not reads_brand(brand):
        import_plugin(PLUGINS[brand])
    suffix = Path(name).suffix.lower()
    return tuple(each for each in FORMATS if is_supported(each) and suffix in BY_SUFFIX.get(each, (suffix,)))


def find_brand(start: bytes) -> str:
    """AVIF or HEIC, by the first bytes of a file; empty for any other."""
    return BRANDS.get(start[8:12], "") if start[4:8] == b"ftyp" else ""


def reads_brand(brand: str) -> bool:
    """Whether Pillow, as it is now, reads AVIF or HEIC."""
    return any(is_supported(each) for each, ours in FORMATS.items() if ours == brand)


def is_supported(form: str) -> bool:
    """Whether Pillow, as it is now, reads the format that it calls `form`: some of its own modules may lack their library."""
    from PIL import Image

    Image.init()
    if form not in Image.OPEN:
        return False
    module = sys.modules.get(Image.OPEN[form][0].__module__)
    return bool(getattr(module, "SUPPORTED", True))


def import_plugin(plugin: Plugin) -> None:
    """Imports a plug-in and has it register itself with Pillow; does nothing where it is not installed, or does not work."""
    try:
        module: Any = importlib.import_module(plugin.module)
        if plugin.register:
            getattr(module, plugin.register)()
    # a plug-in that is built for another Pillow raises what it likes
    except Exception:
        return


def picture_suffixes() -> frozenset[str]:
    """The suffixes of files that look like pictures: of every format in FORMATS, whether it can be read here or not."""
    from PIL import Image

    known = {suffix for suffix, form in Image.registered_extensions().items() if form in FORMATS}
    return frozenset(known | {".heic", ".heif", ".avif"})


def describe_refusal(start: bytes, error: Exception, name: str) -> Refusal:
    """Why a file that begins with `start` cannot be read: what it is instead, if that tells, else the decoder's own message."""
    unidentified = type(error).__name__ == "UnidentifiedImageError"
    formats = f"{list_formats()} are read"
    if not start:
        return Refusal("it is empty", DAMAGED)
    if start[4:8] == b"ftyp":
        brand = find_brand(start)
        if not brand:
            return Refusal("it is a film, or of a kind that is not read", formats)
        if not reads_brand(brand):
            return Refusal(f"it is {brand}, which the Pillow that is installed does not read", PLUGINS[brand].advice)
        return Refusal(f"it is {brand}, and damaged" + ("" if unidentified else f": {shorten(error, name)}"), DAMAGED)
    if b"<svg" in start:
        return Refusal("it is a drawing (SVG); a photo is made of pixels", formats)
    if start.startswith((b"%!PS", b"%PDF", b"\xc5\xd0\xd3\xc6")):
        return Refusal("it is a page (PostScript or PDF)", formats)
    if start.startswith(b"\x93NUMPY"):
        return Refusal("it is a NumPy array")
    if unidentified and start.startswith((b"II*\0", b"MM\0*")):
        return Refusal("it is a TIFF, and damaged, or with bands that Pillow does not read",
                       "give its bands as pages of one channel, or as a .npy: uint8 or uint16 (height, width, channels)")  # fmt: skip
    if unidentified and start.startswith(SIGNATURES):
        return Refusal("its header is damaged, or it has no pixels", DAMAGED)
    if unidentified:
        return Refusal("nothing in it says which format it is" if b"\0" in start else "it is a text", formats)
    return Refusal(shorten(error, name), DAMAGED if isinstance(error, (OSError, SyntaxError)) else "")


def shorten(error: Exception, name: str) -> str:
    """A decoder's message without the file's name, which the reader knows already."""
    return " ".join(str(error).replace(name, "it").split())[:120] or type(error).__name__


def list_formats() -> str:
    """Our names of the formats, for a message."""
    return ", ".join(dict.fromkeys(FORMATS.values()))
