"""Photos: every format read as RGB, what is no photo refused, and preprocessing as torchvision does it on PIL images."""

from __future__ import annotations

import io
import struct
import sys
import types
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from archc.compiler.frontend.schema import schema
from archc.runtime import RuntimeFault
from archc.runtime.formats import DAMAGED, list_formats
from archc.runtime.images import MAX_PIXELS, prepare, read_image, read_input
from archc.runtime.preprocess import COLORS, INTERPOLATIONS, Preprocess

RED, WHITE = (255, 0, 0), (255, 255, 255)
FORMATS_ARE_READ = f"{list_formats()} are read"
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def photo(width: int = 48, height: int = 32) -> np.ndarray:
    """Smooth enough that lossy formats keep it."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 / width, y * 255 / height, (x + y) * 255 / (width + height)], 2).astype(np.uint8)


def refused(path) -> RuntimeFault:
    with pytest.raises(RuntimeFault) as caught:
        read_image(path)
    assert str(path) in caught.value.message
    return caught.value


@pytest.mark.parametrize("ending, options, tolerance", [
    ("png", {}, 0), ("bmp", {}, 0), ("webp", {"lossless": True}, 0), ("jpg", {"quality": 95}, 8), ("webp", {"quality": 95}, 12),
    ("tiff", {}, 0), ("ppm", {}, 0), ("jp2", {"irreversible": False}, 0), ("avif", {"quality": 95}, 12), ("tga", {}, 0), ("pcx", {}, 0),
    ("qoi", {}, 0), ("sgi", {}, 0), ("dib", {}, 0),
])  # fmt: skip
def test_formats(tmp_path, ending, options, tolerance):
    path = tmp_path / f"a.{ending}"
    Image.fromarray(photo()).save(path, **options)
    found = read_image(path)
    assert found.dtype == np.uint8 and found.shape == (32, 48, 3)
    assert np.abs(found.astype(int) - photo()).max() <= tolerance


def test_the_content_counts_and_not_the_ending(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(photo()).save(path, format="JPEG")
    assert read_image(path).shape == (32, 48, 3)


def test_of_an_animation_the_first_picture(tmp_path):
    frames = [Image.new("RGB", (8, 8), color) for color in (RED, (0, 0, 255))]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (read_image(tmp_path / "a.gif") == RED).all()


# what a camera stored, given the upright picture
STORED = {
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, 1), 7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda a: np.rot90(a, -1),
}  # fmt: skip


@pytest.mark.parametrize("orientation", STORED)
def test_every_exif_orientation(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](photo())))
    stored.save(tmp_path / "a.png", exif=exif)
    assert (read_image(tmp_path / "a.png") == photo()).all()


def test_damaged_exif_is_passed_over(tmp_path):
    Image.fromarray(photo()).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert read_image(tmp_path / "a.jpg").shape == (32, 48, 3)


def test_cmyk(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    assert np.abs(read_image(tmp_path / "a.jpg")[8, 8].astype(int) - RED).max() < 8


@pytest.mark.parametrize("value", [0, 200, 255, 256, 32768, 65535])
def test_sixteen_bits_are_scaled_by_their_kind_and_not_by_their_values(tmp_path, value):
    Image.fromarray(np.full((4, 4), value, np.uint16)).save(tmp_path / "a.png")
    assert (read_image(tmp_path / "a.png") == round(value / 257)).all()


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_thirty_two_bits_are_refused(tmp_path, kind):
    Image.fromarray(np.full((4, 4), 7, kind)).save(tmp_path / "a.tiff")
    fault = refused(tmp_path / "a.tiff")
    assert "32 bits" in fault.message and not fault.help


def test_grey_and_one_bit(tmp_path):
    Image.new("L", (4, 4), 77).save(tmp_path / "grey.png")
    Image.new("1", (4, 4), 1).save(tmp_path / "bit.png")
    assert (read_image(tmp_path / "grey.png") == 77).all() and (read_image(tmp_path / "bit.png") == 255).all()


@pytest.mark.parametrize("mode, clear, half, solid", [
    ("RGBA", (9, 9, 9, 0), (255, 0, 0, 128), (255, 0, 0, 255)),
    ("LA", (9, 0), (0, 128), (0, 255)),
])  # fmt: skip
def test_what_is_transparent_is_laid_on_white(tmp_path, mode, clear, half, solid):
    image = Image.new(mode, (3, 1))
    for x, pixel in enumerate((clear, half, solid)):
        image.putpixel((x, 0), pixel)
    image.save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png")[0]
    wanted = [np.array(c[:-1] * (3 if mode == "LA" else 1)) * a + 255 * (1 - a)
              for c, a in ((clear, 0), (half, 128 / 255), (solid, 1))]  # fmt: skip
    assert np.abs(found - np.array(wanted)).max() <= 1


def test_a_palette_with_a_transparent_entry(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png", transparency=1)
    assert read_image(tmp_path / "a.png")[0].tolist() == [list(RED), list(WHITE)]


@pytest.mark.parametrize("name, content, said", [
    ("empty.png", b"", "empty"),
    ("text.png", b"this is no photo\n" * 9, "text"),
    ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n", "PostScript"),
    ("a.npy", b"\x93NUMPY\x01\0" + b"v" * 99, "NumPy"),
    ("noise.jpg", bytes(range(256)), "format"),
    ("a.pdf", b"%PDF-1.7", "PDF"), ("a.mp4", b"\0\0\0\x18ftypisom" + bytes(99), "film"),
    ("a.avif", b"\0\0\0\x18ftypavif" + bytes(99), "AVIF, and damaged"), ("a.ppm", b"P6\n10 10 255\n", "truncated"),
    ("a.ico", b"\0\0\1\0\1\0" + bytes(99), "format"), ("a.tga", bytes(99), "format"),
])  # fmt: skip
def test_what_is_no_photo(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    fault = refused(tmp_path / name)
    assert (fault.code, fault.exit_code) == ("image-unreadable", 1) and said in fault.message


@pytest.mark.parametrize("name, content, advice", [
    ("text.png", b"this is no photo\n" * 9, FORMATS_ARE_READ), ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", FORMATS_ARE_READ),
    ("a.pdf", b"%PDF-1.7", FORMATS_ARE_READ), ("a.mp4", b"\0\0\0\x18ftypisom" + bytes(99), FORMATS_ARE_READ),
    ("noise.jpg", bytes(range(256)), FORMATS_ARE_READ),
    ("empty.png", b"", DAMAGED), ("a.ppm", b"P6\n10 10 255\n", DAMAGED), ("head.jpg", b"\xff\xd8\xff\xe0" + bytes(99), DAMAGED),
    ("a.avif", b"\0\0\0\x18ftypavif" + bytes(99), DAMAGED),
])  # fmt: skip
def test_the_formats_are_listed_only_where_the_format_is_at_fault(tmp_path, name, content, advice):
    (tmp_path / name).write_bytes(content)
    assert refused(tmp_path / name).help == advice


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "gif", "bmp"])
def test_a_download_that_broke_off(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert refused(path).code == "image-unreadable" and refused(path).help == DAMAGED


@pytest.mark.parametrize("form", ["ICO", "EPS", "PDF", "ICNS"])
def test_formats_that_are_left_out(tmp_path, form):
    """Icons hold several pictures; PostScript and PDF are programs, which Pillow has Ghostscript run."""
    path = tmp_path / f"a.{form.lower()}"
    Image.fromarray(photo()).save(path, format=form)
    assert refused(path).code == "image-unreadable"


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"hevc"])
def test_heic_is_named_with_the_package_that_reads_it(tmp_path, monkeypatch, brand):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as if it were not installed
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(99))
    fault = refused(tmp_path / "a.jpg")
    assert "it is HEIC" in fault.message and "pip install pillow-heif" in fault.help


def test_avif_is_named_where_pillow_lacks_it(tmp_path, monkeypatch):
    Image.init()
    monkeypatch.setattr("PIL.AvifImagePlugin.SUPPORTED", False)
    monkeypatch.setitem(sys.modules, "pillow_avif", None)
    (tmp_path / "a.avif").write_bytes(b"\0\0\0\x18ftypavif" + bytes(99))
    fault = refused(tmp_path / "a.avif")
    assert "it is AVIF" in fault.message and "pillow>=11.3" in fault.help


def test_the_package_that_reads_heic_is_used_where_it_is_installed(tmp_path, monkeypatch):
    """A stand-in for pillow-heif, which registers a reader when it is asked to."""

    class Reader(ImageFile.ImageFile):
        format = "HEIF"

        def _open(self):
            self._mode, self._size = "RGB", (2, 1)

        def load(self):
            self.im = Image.new("RGB", (2, 1), RED).im
            return Image.Image.load(self)

    plugin = types.ModuleType("pillow_heif")
    plugin.register_heif_opener = lambda: Image.register_open("HEIF", Reader, lambda start: start[4:12] == b"ftypheic")
    monkeypatch.setitem(sys.modules, "pillow_heif", plugin)
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", [*Image.ID])
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    assert (read_image(tmp_path / "a.heic") == RED).all()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_without_its_end_marker_is_whole(tmp_path, mode):
    path = tmp_path / "a.jpg"
    Image.fromarray(photo(200, 150)).convert(mode).save(path, quality=90)
    wanted, content = read_image(path), path.read_bytes()
    path.write_bytes(content[:-2])
    assert (read_image(path) == wanted).all()
    found = read_input(io.BytesIO(content[:-2]), "it", Preprocess.parse({}, (3, 8, 8)))
    assert (found == read_input(content, "it", Preprocess.parse({}, (3, 8, 8)))).all()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 1}])
@pytest.mark.parametrize("noise", [True, False])
def test_a_jpeg_that_broke_off_anywhere_else_is_refused(tmp_path, options, noise):
    """All but the last block, of which nobody sees whether it is whole."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8) if noise else photo(64, 64)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", **options)
    content = (tmp_path / "a.jpg").read_bytes()
    for end in range(content.index(b"\xff\xda"), len(content) - 16, 7 if noise else 1):
        (tmp_path / "b.jpg").write_bytes(content[:end])
        assert refused(tmp_path / "b.jpg").code == "image-unreadable"


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds one row of nothing."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(16))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("width, height", [(2**31 - 1, 2**31 - 1), (MAX_PIXELS + 1, 1), (20_000, 10_000)])
def test_a_bomb_is_refused_by_its_header(tmp_path, width, height):
    (tmp_path / "a.png").write_bytes(png_header(width, height))
    assert refused(tmp_path / "a.png").code == "image-too-large"


def test_no_pixels(tmp_path):
    (tmp_path / "a.png").write_bytes(png_header(0, 0))
    fault = refused(tmp_path / "a.png")
    assert fault.code == "image-unreadable" and "no pixels" in fault.message


def test_paths_that_are_no_file(tmp_path):
    missing = refused(tmp_path / "a.png")
    assert (missing.code, missing.exit_code) == ("image-missing", 2)
    assert refused(tmp_path).code == "image-unreadable"


def test_reading_leaves_the_limits_of_pillow_alone(tmp_path):
    before = Image.MAX_IMAGE_PIXELS
    Image.fromarray(photo()).save(tmp_path / "a.png")
    read_image(tmp_path / "a.png")
    assert before == Image.MAX_IMAGE_PIXELS


# -- preprocessing -----------------------------------------------------------------------------------------------------


def torchvision(array, resize, crop, mean, std, taken=Image.Resampling.BILINEAR):
    """Resize(resize), CenterCrop(crop), ToTensor, Normalize as torchvision documents them, written out again."""
    image = Image.fromarray(array)
    w, h = image.size
    short, long = min(w, h), max(w, h)
    size = (resize, int(resize * long / short)) if w <= h else (int(resize * long / short), resize)
    array = np.asarray(image.resize(size, taken))
    h, w = array.shape[:2]
    ch, cw = crop
    pad_h, pad_w = max(ch - h, 0), max(cw - w, 0)
    array = np.pad(array, ((pad_h // 2, (pad_h + 1) // 2), (pad_w // 2, (pad_w + 1) // 2), (0, 0)))
    h, w = array.shape[:2]
    top, left = round((h - ch) / 2.0), round((w - cw) / 2.0)
    array = array[top : top + ch, left : left + cw].astype(np.float64) / 255
    return ((array - np.array(mean)) / np.array(std)).transpose(2, 0, 1)


@pytest.mark.parametrize("width, height", [(48, 32), (32, 48), (33, 47), (64, 64), (7, 90), (101, 29)])
@pytest.mark.parametrize("resize, crop", [(32, 28), (37, 28), (28, 28), (20, 28), (25, 28), (256, 27)])
def test_preprocessing_is_torchvisions(width, height, resize, crop):
    image = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    how = Preprocess.parse({"resize": resize, "crop": crop, "mean": MEAN, "std": STD}, (3, crop, crop))
    found = prepare(image, how)
    assert found.dtype == np.float32 and found.flags.c_contiguous and how.stated
    np.testing.assert_allclose(found, torchvision(image, resize, (crop, crop), MEAN, STD), atol=1e-5)


def test_interpolation_and_an_oblong_crop():
    image = photo()
    how = Preprocess.parse(
        {"resize": 40, "crop": [30, 50], "mean": MEAN, "std": STD, "interpolation": "bicubic"}, (3, 30, 50)
    )
    wanted = torchvision(image, 40, (30, 50), MEAN, STD, Image.Resampling.BICUBIC)
    np.testing.assert_allclose(prepare(image, how), wanted, atol=1e-5)


def test_without_metadata_the_image_is_stretched_and_divided():
    how = Preprocess.parse({}, (3, 16, 24))
    wanted = np.asarray(Image.fromarray(photo()).resize((24, 16), Image.Resampling.BILINEAR)) / 255
    assert not how.stated
    np.testing.assert_allclose(prepare(photo(), how), wanted.transpose(2, 0, 1), atol=1e-6)


def test_null_in_the_metadata_is_as_absent():
    how = Preprocess.parse({"resize": None, "crop": None}, (3, 16, 24))
    assert (how.resize, how.crop) == (None, (16, 24))


def test_colors_and_scale():
    red = np.full((4, 4, 3), RED, np.uint8)
    bgr = prepare(red, Preprocess.parse({"color": "bgr", "scale": 1}, (3, 4, 4)))
    assert bgr[:, 0, 0].tolist() == [0, 0, 255]
    grey = prepare(red, Preprocess.parse({"scale": 1}, (1, 4, 4)))
    assert grey.shape == (1, 4, 4) and grey[0, 0, 0] == round(0.299 * 255)
    assert prepare(red, Preprocess.parse({"color": "grey"}, (3, 4, 4))).shape == (3, 4, 4)


STATED = schema()["properties"]["preprocess"]["properties"]


class Asked(dict):
    """Metadata that says nothing and remembers what it was asked for."""

    def __init__(self):
        self.words = set()

    def get(self, key, default=None):
        self.words.add(key)
        return default


def test_the_runtime_reads_what_a_spec_can_state():
    """Neither imports the other, so each has a list of its own: of the keys, and of the words of two of them."""
    assert set(STATED["interpolation"]["enum"]) == set(INTERPOLATIONS)
    assert set(STATED["color"]["enum"]) == set(COLORS)
    asked = Asked()
    Preprocess.parse(asked, (3, 4, 4))
    assert asked.words == set(STATED)


@pytest.mark.parametrize("interpolation", STATED["interpolation"]["enum"])
@pytest.mark.parametrize("color", STATED["color"]["enum"])
def test_every_word_of_the_language_prepares_a_photo(interpolation, color):
    how = Preprocess.parse({"resize": 9, "crop": 8, "interpolation": interpolation, "color": color}, (3, 8, 8))
    picture = Image.fromarray(photo(18, 18)).convert("L" if color == "grey" else "RGB")
    picture = picture.resize((9, 9), Image.Resampling[interpolation.upper()]).convert("RGB")
    wanted = np.asarray(picture.crop((0, 0, 8, 8)))[..., :: -1 if color == "bgr" else 1] / 255
    np.testing.assert_allclose(prepare(photo(18, 18), how), wanted.transpose(2, 0, 1), atol=1e-6)


@pytest.mark.parametrize("given, code", [
    ({"crop": 5}, "preprocess-mismatch"), ({"crop": [4]}, "preprocess-mismatch"), ({"crop": "x"}, "preprocess-mismatch"),
    ({"resize": 0}, "preprocess-mismatch"), ({"resize": 10**9}, "preprocess-mismatch"), ({"resize": [4, 4]}, "preprocess-mismatch"),
    ({"mean": [1, 2]}, "preprocess-channels"), ({"std": ["a"]}, "preprocess-channels"), ({"mean": [float("nan")]}, "preprocess-channels"),
    ({"std": [0]}, "model-damaged"), ({"interpolation": "magic"}, "model-damaged"), ({"color": 7}, "model-damaged"),
    ({"scale": "1"}, "model-damaged"),
])  # fmt: skip
def test_metadata_that_says_nonsense(given, code):
    with pytest.raises(RuntimeFault) as caught:
        Preprocess.parse(given, (3, 4, 4))
    assert caught.value.code == code


@pytest.mark.parametrize("array", [
    np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 3), np.int64), np.zeros((1, 4, 4, 3), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros(4, np.uint8),
    "photo.jpg",
])  # fmt: skip
def test_arrays_that_are_no_image(array):
    with pytest.raises(RuntimeFault) as caught:
        prepare(array, Preprocess.parse({}, (3, 4, 4)))
    assert caught.value.code == "image-unreadable"
    both = ("uint8 or uint16 (height, width, channels)", "floats (3, 4, 4) (channels, height, width)")
    assert all(kind in caught.value.message for kind in both) or 0 in np.shape(array)


def test_a_thread_of_an_image_does_not_fill_the_memory():
    with pytest.raises(RuntimeFault) as caught:
        prepare(np.zeros((1, 100_000, 3), np.uint8), Preprocess.parse({"resize": 256, "crop": 224}, (3, 224, 224)))
    assert caught.value.code == "image-too-large"
