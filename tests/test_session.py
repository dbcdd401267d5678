"""Sessions in Python: models of any inputs and outputs, arrays that do not fit, pictures of every kind, and what is printed."""

from __future__ import annotations

import ast
import io
import os
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import archc
from archc.runtime import PictureFault, RuntimeFault, Session, UntrainedWarning
from archc.runtime.images import MAX_PIXELS

from .session_calls import fault, photos

HEAD = "archspec: 1\nname: net\n"
LINEAR = "[{conv: {out: 4, kernel: 3}}, global_avg_pool, {linear: 3}]"
TWO = "input: {left: [3, 8, 8], right: [3, 8, 8]}\ngraph: [{from: left}, {concat: [[], {from: right}]}, {conv: 4}, global_avg_pool, {linear: 3}]"


def build(folder: Path, spec: str, **options) -> Session:
    """The session of a net that archc builds from `spec`, without its head."""
    (folder / "net.yaml").write_text(f"{HEAD}{spec}\n", "utf-8")
    archc.load(folder / "net.yaml").export_onnx(folder / "net.onnx", proof="none", **options)
    return Session(folder / "net.onnx", device="cpu", threads=1)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return build(tmp_path, f"input: {{image: [3, 8, 8]}}\nlabels: [ant, bee, cat]\ngraph: {LINEAR}")


# -- arrays --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("batch", [None, 2])
def test_any_number_of_channels(tmp_path, channels, batch):
    session = build(tmp_path, f"input: {{image: [{channels}, 8, 8]}}\ngraph: {LINEAR}", batch=batch)
    array = np.random.default_rng(0).standard_normal((5, channels, 8, 8)).astype(np.float32)
    whole = session.run({"image": array})["logits"]
    assert whole.shape == (5, 3) and (session.run(array)["logits"] == whole).all()
    np.testing.assert_allclose(np.concatenate([session.run(row[None])["logits"] for row in array]), whole, atol=1e-5)
    pictures = np.random.default_rng(1).integers(0, 256, (2, 8, 8, channels), np.uint8)
    prepared = pictures.transpose(0, 3, 1, 2).astype(np.float32) / 255
    for found, row in zip(session.predict(pictures), session.run(prepared)["logits"], strict=True):
        np.testing.assert_allclose(found.outputs["logits"], row, atol=1e-5)


@pytest.mark.parametrize("steps, shapes", [
    ("[{conv: 5}]", {"logits": (5, 8, 8)}),
    ("[{conv: {out: 5, stride: 2}, output: map}, global_avg_pool, {linear: 3}]", {"map": (5, 4, 4), "logits": (3,)}),
    ("[{global_avg_pool: null, output: features}, flatten]", {"features": (3, 1, 1), "logits": (3,)}),
])  # fmt: skip
def test_outputs_are_maps_vectors_and_features(tmp_path, steps, shapes):
    session = build(tmp_path, f"input: {{image: [3, 8, 8]}}\ngraph: {steps}")
    array = np.zeros((2, 3, 8, 8), np.float32)
    assert (
        {name: found.shape[1:] for name, found in session.run(array).items()}
        == shapes
        == {name: found.shape for name, found in next(session.predict(photos(2))).outputs.items()}
    )
    first = next(iter(shapes))
    assert [*session.run(array, outputs=[first])] == [first] == [*next(session.predict(photos(1), [first])).outputs]


def test_several_inputs(tmp_path):
    session = build(tmp_path, TWO)
    left, right = photos(3, 1), photos(3, 2)
    arrays = {
        name: each.transpose(0, 3, 1, 2).astype(np.float32) / 255 for name, each in (("left", left), ("right", right))
    }
    wanted = session.run(arrays)["logits"]
    pairs = [{"left": a, "right": b} for a, b in zip(left, right, strict=True)]
    np.testing.assert_allclose([each.outputs["logits"] for each in session.predict(pairs, batch=2)], wanted, atol=1e-5)
    results = session.classify(pairs[0])
    assert (
        len(results) == 1
        and results[0].top[0].index == wanted[0].argmax()
        and results[0].input == "left=image 0, right=image 0"
    )


def test_a_list_of_pictures_for_an_input_is_told_apart_from_a_list_of_mappings(tmp_path):
    session, pictures = build(tmp_path, TWO), [*photos(2)]
    for several in (pictures, tuple(pictures)):
        found = fault(lambda several=several: [*session.predict({"left": several, "right": several}, errors="keep")])
        assert found.code == "wrong-input" and "`left` is given a" in found.message and "[{'left': …}" in found.help


@pytest.mark.parametrize("feeds, said", [
    ({}, "`left` of net is missing"), ({"left": np.zeros((1, 3, 8, 8), np.float32)}, "`right` of net is missing"),
    ({"up": 0, "left": 0, "right": 0}, "no input `up`"), (np.zeros((1, 3, 8, 8), np.float32), "2 inputs"),
    ({"left": np.zeros((1, 3, 8, 8)), "right": 0}, "float64, it takes float32"),
    ({"left": np.zeros((1, 3, 8, 8), np.uint8), "right": 0}, "uint8, it takes float32"),
    ({"left": np.zeros((1, 3, 8, 9), np.float32), "right": 0}, "(1, 3, 8, 9), it takes (N, 3, 8, 8)"),
    ({"left": np.zeros((3, 8, 8), np.float32), "right": 0}, "(3, 8, 8), it takes (N, 3, 8, 8)"),
    ({"left": np.zeros((1, 3, 8, 8), np.float32), "right": np.zeros((2, 3, 8, 8), np.float32)}, "N is 1 in `left` and 2 in `right`"),
])  # fmt: skip
def test_arrays_that_do_not_fit(tmp_path, feeds, said):
    found = fault(build(tmp_path, TWO).run, feeds)
    assert found.code == "wrong-input" and said in found.message
    assert "left float32 (N, 3, 8, 8); right float32 (N, 3, 8, 8)" in found.message + found.help


def test_rows_of_a_fixed_batch_that_do_not_fit(tmp_path):
    session = build(tmp_path, TWO, batch=2)
    one, three = np.zeros((1, 3, 8, 8), np.float32), np.zeros((3, 3, 8, 8), np.float32)
    assert session.run({"left": three, "right": three})["logits"].shape == (3, 3)
    for left, right in ((one, three), (one[:0], one[:0])):
        assert fault(session.run, {"left": left, "right": right}).code == "wrong-input"


def test_an_output_that_is_not_there(session):
    assert "no output `top`" in fault(session.run, np.zeros((1, 3, 8, 8), np.float32), outputs=["top"]).message
    assert "logits float32 (N, 3)" in fault(session.predict, photos(1), ["top"]).help


@pytest.mark.parametrize("options, said", [
    ({"batch": 0}, "batch=0"), ({"batch": -1}, "batch=-1"), ({"batch": 2.5}, "batch=2.5"), ({"batch": None}, "batch=None"),
    ({"batch": True}, "batch=True"), ({"batch": 2**16 + 1}, "1 to 65536"), ({"errors": "ignore"}, "'raise' or 'keep'"), ({"errors": None}, "errors=None"),
    ({"errors": True}, "errors=True"), ({"max_pixels": None}, "max_pixels=None"), ({"max_pixels": 0}, "max_pixels=0"),
    ({"top": 0}, "top=0"), ({"top": -1}, "top=-1"), ({"top": 1.0}, "top=1.0"),
])  # fmt: skip
def test_arguments_are_checked_before_a_picture_is_asked_for(session, options, said):
    for call in (session.classify, *([session.predict] if "top" not in options else [])):
        found = fault(call, ["none.png"], **options)
        assert (found.code, found.exit_code) == ("usage", 2) and said in found.message
    assert session.classify(photos(2), batch=np.int64(1), top=np.int32(2), max_pixels=np.int64(64))[1].top


@pytest.mark.parametrize("pictures", [5, None])
def test_what_is_no_picture_is_told_when_predict_is_called(session, pictures):
    with pytest.raises(TypeError):
        session.predict(pictures)
    assert next(session.predict(iter(()), ["logits"]), None) is None


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, 2**10 + 1])
def test_numbers_of_threads_that_are_none(session, threads):
    found = fault(Session, session.artifact.path, threads=threads)
    assert (found.code, found.exit_code) == ("usage", 2) and f"threads={threads}" in found.message


def test_one_name_is_one_output(session):
    array = np.zeros((1, 3, 8, 8), np.float32)
    assert [*session.run(array, "logits")] == ["logits"] == [*session.run(array, iter(["logits"]))]
    assert [*next(session.predict(photos(1), "logits")).outputs] == ["logits"]
    assert "no output `log`" in fault(session.run, array, "log").message
    for call in (session.run, session.predict):
        found = fault(call, array, [])
        assert (found.code, found.exit_code) == ("wrong-input", 2) and "no output is named" in found.message


@pytest.mark.parametrize("labels", [
    ["0", "1", "2"], ("0", "1", "2"), range(3), (str(i) for i in range(3)), iter([0, 1, 2]), np.arange(3), np.array(["0", "1", "2"]),
], ids=lambda labels: type(labels).__name__)  # fmt: skip
def test_labels_of_every_kind_are_texts(session, labels):
    assert Session(session.artifact.path, device="cpu", labels=labels).labels == ("0", "1", "2")


@pytest.mark.parametrize(
    "labels", [{0: "a", 1: "b", 2: "c"}, {"a", "b", "c"}, b"abc", 3], ids=lambda it: type(it).__name__
)
def test_labels_without_an_order_are_refused(session, labels):
    found = fault(Session, session.artifact.path, device="cpu", labels=labels)
    assert (found.code, found.exit_code) == ("usage", 2) and type(labels).__name__ in found.message


# -- pictures ------------------------------------------------------------------------------------------------------------


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


# -- what is printed -----------------------------------------------------------------------------------------------------


def test_what_a_session_and_its_results_print(session):
    assert (
        repr(session)
        == "net on cpu (asked for)\n  input   image float32 (N, 3, 8, 8)\n  output  logits float32 (N, 3): 3 classes\n  weights untrained"
    )
    results = session.classify([photos(1)[0], b"no photo"], top=2, errors="keep")
    lines = repr(results).splitlines()
    assert lines[0].split() == ["image", "probability", "class", "label"] and len(lines) == 4
    assert lines[1].split()[-1] in ("ant", "bee", "cat") and "error[image-unreadable]" in lines[3]
    assert repr(results[0]).splitlines() == repr(type(results)(results[:1])).splitlines() and isinstance(results, list)
    assert results[0]._repr_html_().count("<tr>") == 3 and "&#x27;" not in results._repr_html_()
    assert repr(session.classify([])) == "[]"


def test_an_untrained_model_is_told_when_it_is_opened(session):
    with pytest.warns(
        UntrainedWarning, match="net was built without trained weights; its answers mean nothing"
    ) as found:
        Session(session.artifact.path, device="cpu")
    assert len(found) == 1 and found[0].filename == __file__


def test_labels_are_escaped_where_they_are_printed(tmp_path):
    session = build(tmp_path, f'input: {{image: [3, 8, 8]}}\nlabels: ["<b>", "a\\e[31m", c]\ngraph: {LINEAR}')
    results = session.classify(photos(1))
    assert "\x1b" not in repr(results) and "\\x1b" in repr(results)
    assert "<b>" not in results._repr_html_() and "&lt;b&gt;" in results._repr_html_()


def texts(node: ast.AST):
    """Each text of a module; of one that is put together, the fixed parts as one."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(part.value for part in node.values if isinstance(part, ast.Constant))
        inner = [
            part.value
            for part in node.values
            if isinstance(part, ast.FormattedValue) and "in Python" not in ast.unparse(node)
        ]
    else:
        inner = ast.iter_child_nodes(node)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    for each in inner:
        yield from texts(each)


def test_a_fault_that_names_an_option_of_the_shell_names_the_argument_in_python_too():
    """But for what only the shell has: commands as a whole, and files that it writes."""
    rooms = Path(archc.__file__).parent.joinpath("runtime").rglob("*.py")
    # what the doctor says is read in a shell alone
    rooms = [room for room in rooms if room.parent.name != "doctor"]
    told = [text for room in rooms for text in texts(ast.parse(room.read_text("utf-8"))) if re.search("--[a-z]", text)]
    both = [text for text in told if "in Python" in text]
    assert (
        len(both) >= 4
        and [t for t in told if t not in both and not re.search("archc |pip install |--format json", t)] == []
    )
