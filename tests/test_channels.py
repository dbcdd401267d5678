"""Pictures of any number of channels, as files and as arrays: what reaches the model, number for number."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from archc.runtime import RuntimeFault
from archc.runtime.images import read_input
from archc.runtime.preprocess import Preprocess

RNG = np.random.default_rng(0)
SIZE = (8, 6)


def pixels(channels: int, dtype=np.uint8) -> np.ndarray:
    return RNG.integers(0, np.iinfo(dtype).max + 1, (*SIZE, channels), dtype)


def how(channels: int, **stated) -> Preprocess:
    """Preprocessing that changes no size: what is compared are the channels."""
    return Preprocess.parse({"crop": list(SIZE), **stated}, (channels, *SIZE))


def read(source, channels: int, **stated) -> np.ndarray:
    found = read_input(source, "it", how(channels, **stated))
    assert found.dtype == np.float32 and found.shape == (channels, *SIZE) and found.flags.c_contiguous
    return found


def fault(source, channels: int, **stated) -> RuntimeFault:
    with pytest.raises(RuntimeFault) as caught:
        read_input(source, "it", how(channels, **stated))
    return caught.value


def tiff(path, pages: list[np.ndarray]):
    images = [Image.fromarray(page) for page in pages]
    images[0].save(path, save_all=True, append_images=images[1:])
    return path


def npy(path, array: np.ndarray):
    np.save(path, array)
    return path


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 13])
@pytest.mark.parametrize("dtype, white", [(np.uint8, 255), (np.uint16, 65535)])
def test_an_array_of_the_models_channels_stays_as_it_is(tmp_path, channels, dtype, white):
    array = pixels(channels, dtype)
    wanted = array.transpose(2, 0, 1) / white
    for source in (
        array,
        npy(tmp_path / "a.npy", array),
        (tmp_path / "a.npy").read_bytes(),
        io.BytesIO((tmp_path / "a.npy").read_bytes()),
    ):
        np.testing.assert_allclose(read(source, channels), wanted, atol=1e-6)


def test_each_channel_is_resized_alone():
    """Were the last one taken for transparency, the first would vanish where it is 0."""
    array = np.zeros((4, 4, 4), np.uint8)
    array[..., 0] = 200
    found = read_input(array, "it", Preprocess.parse({"scale": 1}, (4, 8, 8)))
    assert (found[0] == 200).all() and (found[1:] == 0).all()


@pytest.mark.parametrize("pages, bands, channels", [(6, 1, 6), (2, 3, 6), (3, 1, 3), (13, 1, 13)])
def test_pages_are_channels(tmp_path, pages, bands, channels):
    array = pixels(channels)
    parts = [array[..., i * bands : (i + 1) * bands].squeeze() for i in range(pages)]
    np.testing.assert_allclose(
        read(tiff(tmp_path / "a.tif", parts), channels), array.transpose(2, 0, 1) / 255, atol=1e-6
    )


def test_pages_of_one_bit_are_channels(tmp_path):
    array = pixels(6) > 127
    pages = [Image.fromarray(array[..., i]) for i in range(6)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    np.testing.assert_allclose(read(tmp_path / "a.tif", 6), array.transpose(2, 0, 1), atol=1e-6)


def test_pages_of_16_bits_and_means_of_their_own(tmp_path):
    array = pixels(6, np.uint16)
    mean, std = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    path = tiff(tmp_path / "a.tif", [array[..., i] for i in range(6)])
    wanted = ((array / 65535 - mean) / std).transpose(2, 0, 1)
    np.testing.assert_allclose(read(path, 6, mean=mean, std=std), wanted, atol=1e-5)


def test_pages_that_are_no_channels_leave_the_first(tmp_path):
    first, other = pixels(3), pixels(3)
    np.testing.assert_allclose(
        read(tiff(tmp_path / "a.tif", [first, other]), 3), first.transpose(2, 0, 1) / 255, atol=1e-6
    )


def test_pages_that_differ(tmp_path):
    found = fault(tiff(tmp_path / "a.tif", [np.zeros(SIZE, np.uint8), np.zeros((9, 9), np.uint8)]), 2)
    assert found.code == "image-unreadable" and "page 2" in found.message


def test_a_pillow_image_of_pages_stands_where_it_stood(tmp_path):
    array = pixels(2)
    with Image.open(tiff(tmp_path / "a.tif", [array[..., 0], array[..., 1]])) as image:
        image.seek(1)
        np.testing.assert_allclose(read(image, 2), array.transpose(2, 0, 1) / 255, atol=1e-6)
        assert image.tell() == 1


@pytest.mark.parametrize("value", [0, 1, 200, 257, 32768, 65534, 65535])
@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
@pytest.mark.parametrize("channels", [1, 3])
def test_grey_of_16_bits_keeps_them(tmp_path, value, ending, channels):
    Image.fromarray(np.full(SIZE, value, np.uint16)).save(tmp_path / f"a.{ending}")
    np.testing.assert_allclose(read(tmp_path / f"a.{ending}", channels), value / 65535, atol=1e-7)


def test_what_bicubic_overshoots_is_cut_off_in_16_bits_too():
    steps = np.repeat(np.array([[0, 65535]], np.uint16), 4, axis=1).repeat(8, axis=0)
    found = read_input(steps, "it", Preprocess.parse({"interpolation": "bicubic"}, (1, 16, 16)))
    assert found.min() == 0 and found.max() == 1


@pytest.mark.parametrize("color, order", [("rgb", [0, 1, 2, 3]), ("bgr", [2, 1, 0, 3])])
@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
def test_transparency_is_the_fourth_channel(tmp_path, color, order, ending):
    array = pixels(4) | 1
    Image.fromarray(array).save(tmp_path / f"a.{ending}", **({"lossless": True} if ending == "webp" else {}))
    wanted = array.transpose(2, 0, 1)[order] / 255
    np.testing.assert_allclose(read(tmp_path / f"a.{ending}", 4, color=color), wanted, atol=1e-6)
    np.testing.assert_allclose(read(array, 4, color=color), wanted, atol=1e-6)


def test_a_transparent_palette_has_four_channels(tmp_path):
    image = Image.new("P", SIZE[::-1])
    image.putpalette([10, 20, 30, 0, 0, 255])
    image.save(tmp_path / "a.png", transparency=1)
    assert (read(tmp_path / "a.png", 4, scale=1)[:, 0, 0] == [10, 20, 30, 255]).all()


def test_grey_with_transparency_has_two(tmp_path):
    array = pixels(2) | 1
    Image.fromarray(array).save(tmp_path / "a.png")
    np.testing.assert_allclose(read(tmp_path / "a.png", 2), array.transpose(2, 0, 1) / 255, atol=1e-6)


def transparent_grey() -> dict[str, tuple[object, list[int], list[int]]]:
    """Grey with transparency in every mode: the picture, its four levels, and what of each is opaque."""

    def saved(image: Image.Image, clear: int) -> bytes:
        file = io.BytesIO()
        image.save(file, "PNG", transparency=clear)
        return file.getvalue()

    levels = [0, 255, 100, 200]
    grey = Image.fromarray(np.array([levels], np.uint8))
    both = Image.merge("LA", (grey, Image.fromarray(np.array([[0, 255, 255, 128]], np.uint8))))
    wide = Image.fromarray(np.array([levels], np.uint16) * 257)
    return {
        "LA": (both, levels, [0, 255, 255, 128]),
        "La": (both.convert("La"), [0, 255, 100, 199], [0, 255, 255, 128]),
        "L": (saved(grey, 0), levels, [0, 255, 255, 255]),
        "1": (saved(grey.convert("1", dither=0), 0), [0, 255, 0, 255], [0, 255, 0, 255]),
        "I;16": (saved(wide, 25700), levels, [255, 255, 0, 255]),
    }


@pytest.mark.parametrize("mode", transparent_grey())
def test_grey_with_transparency_of_every_mode(mode):
    source, levels, opaque = transparent_grey()[mode]
    on_white = [level * alpha / 255 + 255 - alpha for level, alpha in zip(levels, opaque, strict=True)]
    wanted = {1: [on_white], 2: [levels, opaque], 3: [on_white] * 3, 4: [*[levels] * 3, opaque]}
    for channels, rows in wanted.items():
        found = read_input(source, "it", Preprocess.parse({"scale": 1}, (channels, 1, 4)))
        np.testing.assert_allclose(found[:, 0], rows, atol=1.01)
    assert "2 channels" in fault(source, 6).message


@pytest.mark.parametrize("channels", [1, 3, 6])
def test_grey_is_said_of_any_number_of_channels(channels):
    array = pixels(3)
    grey = np.asarray(Image.fromarray(array).convert("L")) / 255
    np.testing.assert_allclose(read(array, channels, color="grey"), np.stack([grey] * channels), atol=1e-6)


@pytest.mark.parametrize("given, channels, said", [
    ("RGB", 6, "3 channels"), ("RGB", 4, "3 channels"), ("RGB", 2, "3 channels"), ("L", 6, "1 channel,"), ("L", 4, "1 channel,"),
    ("RGBA", 6, "4 channels"), ("RGBA", 2, "4 channels"), ("CMYK", 4, "3 channels"), ("P", 5, "3 channels"), ("1", 2, "1 channel,"),
    ("I;16", 6, "1 channel,"),
])  # fmt: skip
def test_a_picture_that_has_not_the_channels(tmp_path, given, channels, said):
    Image.new(given, SIZE[::-1]).save(tmp_path / "a.tif")
    found = fault(tmp_path / "a.tif", channels)
    assert (found.code, found.exit_code) == ("image-channels", 1)
    assert (
        said in found.message and f"wants {channels}" in found.message and ".npy" in found.help and "TIFF" in found.help
    )


@pytest.mark.parametrize("given, channels", [(2, 3), (5, 3), (6, 1), (3, 6), (1, 6), (6, 4)])
def test_an_array_that_has_not_the_channels(given, channels):
    assert fault(pixels(given), channels).code == "image-channels"


def test_a_tiff_with_more_bands_than_pillow_knows(tmp_path):
    """Six samples a pixel, as satellites' pictures are stored: the message says how to give them instead."""
    entries = [(256, 3, 1, 6), (257, 3, 1, 8), (258, 3, 6, 200), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 300), (277, 3, 1, 6),
               (278, 3, 1, 8), (279, 4, 1, 288), (284, 3, 1, 1)]  # fmt: skip
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    content = (b"II*\0" + struct.pack("<I", 8) + directory).ljust(200, b"\0") + struct.pack("<6H", *[8] * 6)
    (tmp_path / "a.tif").write_bytes(content.ljust(300, b"\0") + bytes(288))
    found = fault(tmp_path / "a.tif", 6)
    assert (
        found.code == "image-unreadable" and "TIFF" in found.message and "pages" in found.help and ".npy" in found.help
    )


def test_pages_that_are_too_few(tmp_path):
    assert "2 pages of 3 channels" in fault(tiff(tmp_path / "a.tif", [pixels(3), pixels(3)]), 5).message


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_floats_are_prepared_already(tmp_path, dtype):
    array = RNG.standard_normal((6, *SIZE)).astype(dtype)
    for source in (array, npy(tmp_path / "a.npy", array)):
        assert (read(source, 6, mean=[0.5], std=[0.1]) == array.astype(np.float32)).all()


@pytest.mark.parametrize("array", [
    np.zeros((*SIZE, 3), np.float32), np.zeros((3, 9, 9), np.float32), np.zeros((1, 3, *SIZE), np.float32), np.zeros((3, *SIZE), bool),
    np.zeros((*SIZE, 3), np.int32), np.zeros((1, *SIZE, 3), np.uint8), np.array("text"), np.zeros(0, np.uint8),
])  # fmt: skip
def test_arrays_that_are_neither(tmp_path, array):
    for source in (array, npy(tmp_path / "a.npy", array)):
        found = fault(source, 3)
        assert found.code == "image-unreadable" and str(array.shape) in found.message and "(3, 8, 6)" in found.message


def test_a_npy_runs_no_code_and_takes_no_memory_on_its_word(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    assert fault(tmp_path / "a.npy", 3).code == "image-unreadable"
    header = (
        b"\x93NUMPY\x01\0v\0"
        + b"{'descr': '|u1', 'fortran_order': False, 'shape': (999999, 999999, 3), }".ljust(117)
        + b"\n"
    )
    (tmp_path / "b.npy").write_bytes(header)
    assert fault(tmp_path / "b.npy", 3).code == "image-unreadable"
    (tmp_path / "c.npy").write_bytes(b"\x93NUMPY" + bytes(range(99)))
    assert fault(tmp_path / "c.npy", 3).code == "image-unreadable"
    with pytest.raises(RuntimeFault) as caught:
        read_input(np.zeros((10, 11), np.uint8), "it", how(1), max_pixels=100)
    assert caught.value.code == "image-too-large"
