"""Sessions and pictures: every kind that is taken, what is refused and how, and what a photo costs."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archc.runtime import PictureFault, RuntimeFault, Session
from archc.runtime.images import MAX_PIXELS

from .session_calls import LINEAR, build_session, fault, photos


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return build_session(tmp_path, f"input: {{image: [3, 8, 8]}}\nlabels: [ant, bee, cat]\ngraph: {LINEAR}")


def same(result, wanted) -> bool:
    return [each.index for each in result.top] == [each.index for each in wanted] and all(
        a.probability == pytest.approx(b.probability, abs=1e-5) for a, b in zip(result.top, wanted, strict=True)
    )


def test_a_picture_of_every_kind(session, tmp_path):
    pixels = photos(1)[0]
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    wanted = session.classify(pixels)[0].top
    kinds = {
        "text": str(path), "path": path, "bytes": path.read_bytes(), "bytearray": bytearray(path.read_bytes()),
        "memoryview": memoryview(path.read_bytes()), "buffer": io.BytesIO(path.read_bytes()), "image": Image.fromarray(pixels),
        "opened image": Image.open(path), "array": pixels, "prepared": pixels.transpose(2, 0, 1).astype(np.float32) / 255,
    }  # fmt: skip
    for kind, picture in kinds.items():
        (found,) = session.classify(picture)
        assert same(found, wanted), kind
    with path.open("rb") as file:
        (found,) = session.classify(file)
    assert found.top == wanted and found.input == str(path)
    for several in ([*kinds.values()], (each for each in kinds.values()), tuple(kinds.values())):
        if isinstance(several, list):
            kinds["buffer"].seek(0)
        found = session.classify(several)
        assert len(found) == len(kinds) and all(same(each, wanted) for each in found)
        kinds["buffer"].seek(0)
    assert [each.input for each in found][:4] == [str(path), str(path), "image 2", "image 3"]
    assert [same(each, wanted) for each in session.classify(np.stack([pixels] * 3))] == [True] * 3
    assert [each.input for each in session.classify([pixels, np.stack([pixels] * 2)])] == [
        "image 0",
        "image 1",
        "image 2",
    ]
    assert session.classify([]) == [] and session.classify(np.zeros((0, 8, 8, 3), np.uint8)) == []


def test_a_file_is_read_from_its_start_and_need_not_seek(session, tmp_path):
    """Pillow goes back to the start, too: a file that was just written, or read once already, is a picture still."""
    Image.fromarray(photos(1)[0]).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    wanted = session.classify(content)[0].top
    for stands in (0, 6, len(content)):
        file = io.BytesIO(content)
        file.seek(stands)
        assert [each.top for each in session.classify([file, file])] == [wanted] * 2
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(content)
        assert session.classify(file)[0].top == wanted
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as end:
        end.write(content)
    with os.fdopen(reading, "rb") as pipe:
        assert session.classify(pipe)[0].top == wanted


def test_a_pillow_image_is_left_as_it_was(session, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photos(1)[0][:, :4]).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        assert session.classify(image)[0].top == session.classify(tmp_path / "a.png")[0].top
        assert image.size == (4, 8) and image.getexif()[0x0112] == 6


@pytest.mark.parametrize("picture", [5, None, 5.0, object()])
def test_what_is_no_picture(session, picture):
    with pytest.raises(TypeError):
        session.classify(picture)
    assert fault(session.classify, [picture]).code == "image-unreadable"


def test_files_that_hold_no_picture_to_read(session, tmp_path):
    Image.fromarray(photos(1)[0]).save(tmp_path / "a.png")
    with (tmp_path / "a.png").open() as file, tempfile.NamedTemporaryFile("w+") as temporary:
        for text in (file, temporary, io.StringIO("text"), io.StringIO()):
            assert "binary" in fault(session.classify, text).message
    assert "closed" in fault(session.classify, file).message
    closed = io.BytesIO((tmp_path / "a.png").read_bytes())
    closed.close()
    assert "closed" in session.classify([closed], errors="keep")[0].error.message
    with (tmp_path / "b.png").open("wb") as writable:
        assert "cannot be read" in fault(session.classify, writable).message
    assert "it is empty" in fault(session.classify, io.BytesIO()).message
    assert "folder" in fault(session.classify, tmp_path).message


def test_a_bad_picture_stops_or_is_kept(session, tmp_path):
    good = photos(1)[0]
    bad = {
        "text": b"this is no photo",
        "missing": tmp_path / "none.png",
        "cut": None,
        "channels": np.zeros((8, 8, 5), np.uint8),
    }
    Image.fromarray(good).resize((64, 64)).save(tmp_path / "cut.png")
    bad["cut"] = (tmp_path / "cut.png").read_bytes()[:200]
    for kind, picture in bad.items():
        raised = fault(session.classify, [good, picture, good])
        code = raised.code
        assert isinstance(raised, PictureFault) and code.startswith("image-"), kind
        for batch in (1, 2, 8):
            found = session.classify([good, picture, good], batch=batch, errors="keep")
            assert [each.error and each.error.code for each in found] == [None, code, None]
            assert found[0].top == found[2].top and len(found[0].top) == 3 and found[1].top == ()
            assert isinstance(found[1].error, PictureFault) and found[1].error.__traceback__ is None
    assert [each.error is None for each in session.classify(list(bad.values()), errors="keep")] == [False] * 4


@pytest.mark.parametrize("code", ["image-unreadable", "anything"])
def test_what_is_kept_is_told_by_its_class(session, monkeypatch, code):
    def refuse(kind):
        def read(*arguments):
            raise kind(code, "it does not fit")

        return read

    monkeypatch.setattr("archc.runtime.session.read_input", refuse(PictureFault))
    assert session.classify(photos(1), errors="keep")[0].error.code == code
    monkeypatch.setattr("archc.runtime.session.read_input", refuse(RuntimeFault))
    assert fault(session.classify, photos(1), errors="keep").code == code


def test_the_limit_of_pixels_can_be_raised(session, tmp_path):
    Image.new("1", (10_000, 9_000)).save(tmp_path / "a.png")
    found = fault(session.classify, tmp_path / "a.png")
    assert (
        found.code == "image-too-large" and str(MAX_PIXELS) in found.message and "--max-pixels 90000000" in found.help
    )
    assert session.classify(tmp_path / "a.png", max_pixels=90_000_000)[0].top
    with warnings.catch_warnings(action="ignore"):
        opened = Image.open(tmp_path / "a.png")
    with opened:
        assert fault(session.classify, opened).code == "image-too-large"


def test_the_limit_of_pillow_is_lifted_only_meanwhile(session, tmp_path, monkeypatch):
    Image.new("1", (300, 300)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert fault(session.classify, tmp_path / "a.png").code == "image-too-large", "the caller's own limit holds"
    assert session.classify(tmp_path / "a.png", max_pixels=MAX_PIXELS + 1)[0].top and Image.MAX_IMAGE_PIXELS == 1000


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_one_photo_is_decoded_at_a_time(session, tmp_path):
    """The peak of a batch of large photos is that of one. VmHWM begins with the process, not at what its parent held."""
    for at, mode in enumerate(("RGB", "RGBA", "I;16", "RGB", "L", "RGB")):
        Image.new(mode, (3000, 2000)).save(tmp_path / f"{at}.png", compress_level=1)
    code = """if True:
        import sys
        from archc.runtime import Session
        def peak():
            return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
        session = Session("net.onnx", device="cpu", threads=1)
        session.classify(["0.png", "1.png", "2.png"], batch=1)
        first = peak()
        assert len(session.classify([f"{at}.png" for at in range(6)], batch=8)) == 6
        cut = open("0.png", "rb").read()[:-2000]
        found = session.classify([cut] * 4, errors="keep")
        assert [each.error.code for each in found] == ["image-unreadable"] * 4, "and what is kept of them holds no pixels"
        print(first, peak())
    """
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=env, check=True
    )
    first, last = map(int, done.stdout.split())
    one_photo = 3000 * 2000 * 4 / 1024
    assert last - first < one_photo / 2
