"""`archc run` as users run it: where pictures come from, what is answered and written, what is refused, and with which exit code."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import archc

from .cuda_trouble import break_cuda
from .program import Ran, Run, program

SPECS = {
    "net": "input: {image: [3, 8, 8]}\nlabels: [ant, bee, cat]\ngraph: [{conv: 4}, global_avg_pool, {linear: 3}]",
    "two": "input: {left: [3, 8, 8], right: [3, 8, 8]}\n"
           "graph: [{from: left}, {concat: [[], {from: right}]}, {conv: 4}, global_avg_pool, {linear: 3}]",
    "map": "input: {image: [3, 8, 8]}\npreprocess: {mean: [0.5], std: [0.1]}\ngraph: [{conv: 5}]",
    "many": "input: {image: [3, 8, 8]}\ngraph: [{conv: 300}]",
    "mask": "input: {image: [3, 8, 8]}\ngraph: [{conv: 1}, sigmoid]",
    "features": "input: {image: [3, 8, 8]}\ngraph: [{conv: 5}, batch_norm, relu, {name: p, global_avg_pool: null, output: features}, flatten]",
    "maps": "input: {image: [3, 8, 8]}\ngraph: [{name: a, conv: 4, output: early}, {conv: 5}]",
    "six": "input: {image: [6, 8, 8]}\npreprocess: {mean: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], std: [0.2, 0.2, 0.2, 0.2, 0.2, 0.3]}\ngraph: [{conv: 4}, global_avg_pool, {linear: 3}]",
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of each spec."""
    folder = tmp_path_factory.mktemp("models")
    for name, spec in SPECS.items():
        (folder / f"{name}.yaml").write_text(f"archspec: 1\nname: {name}\n{spec}\n", "utf-8")
        archc.load(folder / f"{name}.yaml").export_onnx(folder / f"{name}.onnx", proof="none")
    return folder


@pytest.fixture
def run(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `archc run` on a model's name, in a folder with a.png, b.png, bad.jpg and photos/."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png", "photos/one.JPG", "photos/deep/two.png", "photos/.hidden.png", "photos/._one.jpg"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).save(name)
    Path("photos/notes.md").write_text("no picture", "utf-8")
    Path("bad.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(99))
    execute = program(capsys)
    return lambda name, *arguments: execute("run", str(models / f"{name}.onnx"), "--device", "cpu", *arguments)


def document(ran: Ran) -> dict:
    return json.loads(ran.out)


def inputs(ran: Ran) -> list[str]:
    return [each["input"] for each in document(ran)["results"]]


# -- where pictures come from --------------------------------------------------------------------------------------------

PHOTOS = ["photos/deep/two.png", "photos/one.JPG"]


@pytest.mark.parametrize("places, found", [
    (["a.png", "b.png"], ["a.png", "b.png"]),
    (["b.png", "a.png", "b.png"], ["b.png", "a.png", "b.png"]),
    (["photos"], PHOTOS),
    (["photos/"], PHOTOS),
    (["photos", "a.png"], [*PHOTOS, "a.png"]),
    (["*.png"], ["a.png", "b.png"]),
    (["[ab].png"], ["a.png", "b.png"]),
    (["photos/**/*.png"], ["photos/deep/two.png"]),
    (["phot*"], PHOTOS),
    (["@list.txt"], ["a.png", "photos/one.JPG"]),
    (["list.txt"], ["a.png", "photos/one.JPG"]),
    (["photos/list.lst"], ["photos/deep/two.png", "photos/../a.png"]),
    (["-"], ["b.png", "a.png"]),
    (["odd[1].png"], ["odd[1].png"]),
])  # fmt: skip
def test_where_pictures_come_from(
    run: Run, monkeypatch: pytest.MonkeyPatch, places: list[str], found: list[str]
) -> None:
    Path("list.txt").write_bytes(b"\xef\xbb\xbfa.png\r\n\r\n  photos/one.JPG  \n")
    Path("photos/list.lst").write_text("deep/two.png\n../a.png", "utf-8")
    Path("odd[1].png").write_bytes(Path("a.png").read_bytes())
    if "*.png" in places or "[ab].png" in places:
        Path("odd[1].png").unlink()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"b.png\na.png\n")))
    ran = run("net", *places, "--format", "json")
    assert ran.code == 0, ran.err
    assert [each.replace(os.sep, "/") for each in inputs(ran)] == found
    assert all(len(each["top"]) == 3 and "error" not in each for each in document(ran)["results"])


@pytest.mark.parametrize("place, code, word", [
    ("empty", "no-images", "empty"), ("*.gif", "no-images", "*.gif"), ("@none.txt", "image-missing", "none.txt"),
    ("blank.txt", "no-images", "blank.txt"), ("@a.png", "no-images", "no list"), ("-", "no-images", "standard input"),
    ("@photos", "no-images", "cannot be read: is a directory\n"),
    ("none.png", "image-missing", "none.png"), ("https://example.org/cat.jpg", "image-missing", "address"),
])  # fmt: skip
def test_places_without_pictures(run: Run, monkeypatch: pytest.MonkeyPatch, place: str, code: str, word: str) -> None:
    Path("empty").mkdir()
    Path("blank.txt").write_text("\n \n", "utf-8")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    ran = run("net", place)
    assert ran.code == 2 and ran.err.startswith(f"error[{code}]") and word in ran.err and not ran.out


@pytest.mark.parametrize("places, listed, line", [
    (["photos/notes.txt"], "photos/notes.txt", 2), (["@photos/notes.txt"], "photos/notes.txt", 2),
    (["photos/deep/two.png", "photos/notes.txt", "photos/one.JPG"], "photos/notes.txt", 2), (["photos/*.*"], "photos/*.*", 0),
    (["-"], "standard input", 1),
])  # fmt: skip
def test_a_text_among_the_photos_is_told_as_a_list(
    run: Run, monkeypatch: pytest.MonkeyPatch, places: list[str], listed: str, line: int
) -> None:
    """The shell's own `photos/*` gives the third of these; a quoted pattern takes a text for a picture."""
    Path("photos/notes.txt").write_text("\nthese are my photos\n", "utf-8")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"these are my photos\n")))
    ran = run("net", *places)
    named = "these are my photos" if "-" in places else os.path.join("photos", "these are my photos")
    if line:
        assert (
            f"`{listed}` is read as a list of pictures; its line {line} names `{named}`, which is not there" in ran.err
        )
        assert ("a file that ends in .txt or .lst is a list" in ran.err) == ("-" not in places)
        assert ran.code == (1 if len(places) > 1 else 2) and ("one.JPG" in ran.out) == (len(places) > 1)
    else:
        assert ran.code == 1 and "`photos/notes.txt` is no image that can be read: it is a text" in ran.err


# -- pictures that cannot be read ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", ["1", "2", "8"])
def test_a_bad_picture_among_good_ones(run: Run, batch: str) -> None:
    pictures = ("a.png", "b.png", "bad.jpg", "photos/one.JPG")
    ran = run("net", *pictures, "--top", "1", "--batch", batch, "--threads", "1")
    assert ran.code == 1 and "error[image-unreadable]: `bad.jpg`" in ran.err
    assert [line.split()[0] for line in ran.out.splitlines()[1:4]] == ["a.png", "b.png", "photos/one.JPG"]
    told = run("net", *pictures, "--top", "1", "--batch", batch, "--format", "json")
    assert told.code == 1 and inputs(told) == [*pictures]
    results = document(told)["results"]
    assert [len(each["top"]) for each in results] == [1, 1, 0, 1]
    assert [each.get("error", {}).get("code") for each in results] == [None, None, "image-unreadable", None]
    assert "bad.jpg" in results[2]["error"]["message"]


def test_the_table_is_that_of_the_results_in_python(run: Run, models: Path) -> None:
    from archc.runtime import Session

    ran = run("net", "a.png", "bad.jpg", "b.png", "--top", "2")
    results = Session(models / "net.onnx", device="cpu").classify(["a.png", "b.png"], top=2)
    rows = [results.columns, *results.rows()]
    assert [line.split() for line in ran.out.splitlines()[:5]] == [[cell for cell in row if cell] for row in rows]


@pytest.mark.parametrize("pictures, code", [
    (["bad.jpg"], 1), (["bad.jpg", "bad.jpg"], 1), (["none.png"], 2), (["none.png", "a.png"], 1), (["none.png", "bad.jpg"], 1),
])  # fmt: skip
def test_the_exit_code_of_pictures_that_fail(run: Run, pictures: list[str], code: int) -> None:
    assert run("net", *pictures).code == code
    told = run("net", *pictures, "--format", "json")
    assert told.code == code and len(document(told)["results"]) == len(pictures)


def test_the_limit_of_pixels(run: Run) -> None:
    Image.new("1", (10_000, 9_000)).save("large.png")
    ran = run("net", "large.png", "a.png")
    assert (
        ran.code == 1
        and "error[image-too-large]" in ran.err
        and "--max-pixels 90000000" in ran.err
        and "a.png" in ran.out
    )
    assert run("net", "large.png", "--max-pixels", "90000000").code == 0
    assert run("net", "a.png", "--max-pixels", "80").code == 1


# -- several inputs ------------------------------------------------------------------------------------------------------


def test_inputs_by_name(run: Run) -> None:
    ran = run("two", "--input", "left=a.png", "--input", "right=b.png", "--format", "json")
    assert ran.code == 0 and inputs(ran) == ["left=a.png, right=b.png"]
    turned = run("two", "--input", "right=b.png", "--input", "left=a.png", "--format", "json")
    assert document(turned)["results"][0]["top"] == document(ran)["results"][0]["top"]
    swapped = run("two", "--input", "left=b.png", "--input", "right=a.png", "--format", "json")
    assert document(swapped)["results"][0]["top"] != document(ran)["results"][0]["top"]
    folders = run("two", "--input", "left=photos", "--input", "right=photos", "--format", "json")
    assert len(inputs(folders)) == 2 and folders.code == 0
    assert inputs(run("net", "--input", "image=a.png", "--format", "json")) == ["image=a.png"]
    bad = run("two", "--input", "left=a.png", "--input", "right=bad.jpg")
    assert bad.code == 1 and "right=bad.jpg" in bad.err


@pytest.mark.parametrize("arguments, word", [
    (["a.png"], "two has 2 inputs: left float32 (N, 3, 8, 8); right float32 (N, 3, 8, 8)"),
    (["--input", "left=a.png"], "the input `right` of two is missing"),
    (["--input", "left=a.png", "--input", "top=a.png"], "two has no input `top`\n"),
    (["--input", "left=a.png", "--input", "rigth=a.png"], "no input `rigth`; did you mean `right`?"),
    (["--input", "Left=a.png", "--input", "right=a.png"], "no input `Left`; did you mean `left`?"),
    (["--input", "left=a.png", "--input", "right=a.png", "--input", "lefty=a.png"], "no input `lefty`; did you mean `left`?"),
])  # fmt: skip
@pytest.mark.parametrize("form", ["text", "json"])
def test_pictures_without_the_names_of_the_inputs(run: Run, arguments: list[str], word: str, form: str) -> None:
    ran = run("two", *arguments, "--format", form)
    assert ran.code == 1 and ran.err.startswith("error[wrong-input]") and word in ran.err
    assert "--input left=FILE --input right=FILE, or {'left': …, 'right': …} in Python" in ran.err


@pytest.mark.parametrize("name, arguments, words", [
    ("two", ["--input", "left=a.png", "--input", "right=photos"], ["left 1, right 2"]),
    ("two", ["--input", "left"], ["NAME=FILE"]),
    ("two", ["a.png", "--input", "left=a.png"], ["not by both"]),
    ("net", [], ["IMAGE"]),
    ("net", ["a.png", "-o", "x.txt"], [".npz", ".png", ".json"]),
    ("net", ["a.png", "-o", "x"], [".npz", ".png", ".json"]),
    ("map", ["a.png", "b.png", "-o", "x.png"], ["one picture", ".npz"]),
])  # fmt: skip
def test_usage(run: Run, name: str, arguments: list[str], words: list[str]) -> None:
    ran = run(name, *arguments)
    assert ran.code == 2 and ran.err.startswith("error[usage]") and not ran.out
    assert all(word in ran.err for word in words)


# -- what is answered and written ----------------------------------------------------------------------------------------


def test_the_document(run: Run, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = run("net", "a.png", "--format", "json")
    told = document(ran)
    keys = {
        "model",
        "device",
        "reason",
        "providers",
        "cache",
        "precision",
        "device_options",
        "nodes",
        "classifier",
        "trained",
        "untrained",
        "results",
    }
    assert {*told} == keys and told["cache"] == {"state": "none", "reason": "it is turned off"}
    assert (told["model"], told["device"], told["classifier"]) == ("net", "cpu", "logits")
    assert told["trained"] is False and told["untrained"] == []
    assert {*told["results"][0]} == {"input", "top"} and {*told["results"][0]["top"][0]} == {
        "index",
        "label",
        "probability",
    }


@pytest.mark.parametrize("driver", [False, True])
def test_auto_says_why_where_a_gpu_seems_to_be_here(run: Run, monkeypatch: pytest.MonkeyPatch, driver: bool) -> None:
    reason = break_cuda(monkeypatch, driver)
    shown, told = run("net", "a.png", "--device", "auto"), run("net", "a.png", "--device", "auto", "--format", "json")
    assert (document(told)["reason"], document(told)["device"]) == (reason, "cpu")
    assert shown.out.endswith(f"net on cpu: {reason}\n" if driver else "net on cpu\n")
    assert run("net", "a.png").out.endswith("net on cpu\n")


def test_a_model_that_is_no_classifier(run: Run) -> None:
    ran = run("features", "a.png", "b.png")
    assert (
        ran.code == 0 and "note: features is no classifier" in ran.err and "--labels" in ran.err and "%" not in ran.out
    )
    rows = [line.split() for line in ran.out.splitlines()[:5]]
    assert rows[0] == ["image", "output", "type", "shape", "min", "mean", "max"]
    assert rows[1][:4] == ["a.png", "features", "float32", "5×1×1"] and rows[2][:3] == ["logits", "float32", "5"]
    (first, _) = document(run("features", "a.png", "b.png", "--format", "json"))["results"]
    assert (
        first["top"] == [] and first["outputs"]["logits"]["shape"] == [5] and "values" not in first["outputs"]["logits"]
    )
    Path("names.txt").write_text("a\nb\nc\nd\ne\n", "utf-8")
    assert (
        len(document(run("features", "a.png", "--labels", "names.txt", "--format", "json"))["results"][0]["top"]) == 5
    )
    for labels, why in (("none.txt", "no such file"), ("photos", "is a directory"), ("a.png", "UTF-8")):
        ran = run("features", "a.png", "--labels", labels)
        assert ran.code == 2 and f"`{labels}`" in ran.err and why in ran.err


@pytest.mark.parametrize("name, options, outputs", [
    ("features", [], {"features": (2, 5, 1, 1), "logits": (2, 5)}),
    ("features", ["--outputs", "all"], {"features": (2, 5, 1, 1), "logits": (2, 5)}),
    ("features", ["--outputs", "features"], {"features": (2, 5, 1, 1)}),
    ("net", [], {"logits": (2, 3)}),
    ("map", [], {"logits": (2, 5, 8, 8)}),
])  # fmt: skip
def test_arrays(run: Run, models: Path, name: str, options: list[str], outputs: dict[str, tuple[int, ...]]) -> None:
    from archc.runtime import Session

    ran = run(name, "a.png", "bad.jpg", "b.png", *options, "-o", "x.npz")
    assert ran.code == 1 and "wrote x.npz" in ran.out
    with np.load("x.npz") as found:
        assert {key: found[key].shape for key in found if key != "inputs"} == outputs
        assert found["inputs"].tolist() == ["a.png", "b.png"]
        for each, row in zip(
            Session(models / f"{name}.onnx", device="cpu").predict(["a.png", "b.png"]), range(2), strict=True
        ):
            for key in outputs:
                np.testing.assert_allclose(found[key][row], each.outputs[key], atol=1e-6)


def test_arrays_of_any_name(tmp_path: Path) -> None:
    from archc.runtime.answers import Answer
    from archc.runtime.save import save_npz

    names = ["file", "allow_pickle", "a/b:0", "inputs", "ünïcode"]
    rows = [Answer(f"{row}.png", {name: np.full(2, at * row) for at, name in enumerate(names)}) for row in range(3)]
    with (tmp_path / "x.npz").open("wb") as file:
        save_npz(file, rows)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as found:
        assert {*found} == {*names}
        assert all((found[name] == [[at * row] * 2 for row in range(3)]).all() for at, name in enumerate(names))


@pytest.mark.parametrize("name, dtype", [("map", np.uint8), ("many", np.uint16)])
def test_the_arg_max_of_a_map(run: Run, models: Path, name: str, dtype: type) -> None:
    from archc.runtime import Session

    assert run(name, "a.png", "-o", "x.png").code == 0
    found = np.asarray(Image.open("x.png"))
    wanted = next(Session(models / f"{name}.onnx", device="cpu").predict("a.png")).outputs["logits"].argmax(0)
    assert found.dtype == dtype and (found == wanted).all() and len(np.unique(wanted)) > 1


@pytest.mark.parametrize("name, options, code, word", [
    ("net", ["-o", "x.png"], 1, "no output is a map"), ("features", ["-o", "x.png"], 1, "no output is a map"),
    ("mask", ["-o", "x.png"], 1, "one channel"), ("maps", ["-o", "x.png"], 2, "--outputs NAME"),
])  # fmt: skip
def test_what_is_no_map(run: Run, name: str, options: list[str], code: int, word: str) -> None:
    ran = run(name, "a.png", *options)
    assert ran.code == code and "error[wrong-output]" in ran.err and word in ran.err
    assert not Path("x.png").exists() and not [*Path().glob(".x.png*")]


def test_a_map_is_not_advised_to_have_labels(run: Run) -> None:
    ran = run("map", "a.png")
    assert (
        ran.code == 0 and "map is no classifier" in ran.err and "-o FILE.npz" in ran.err and "--labels" not in ran.err
    )


def test_one_of_several_maps(run: Run) -> None:
    assert (
        run("maps", "a.png", "--outputs", "early", "-o", "x.png").code == 0
        and np.asarray(Image.open("x.png")).max() < 4
    )


def test_the_document_as_a_file(run: Run) -> None:
    told = run("net", "a.png", "-o", "x.json", "--format", "json")
    assert json.loads(Path("x.json").read_text("utf-8")) == document(told) and document(told)["results"][0]["top"]
    assert run("map", "a.png", "--outputs", "logits", "-o", "x.json").code == 0
    entry = json.loads(Path("x.json").read_text("utf-8"))["results"][0]["outputs"]["logits"]
    assert np.shape(entry["values"]) == (5, 8, 8) == tuple(entry["shape"])
    values = document(run("net", "a.png", "--outputs", "all", "--format", "json"))["results"][0]["outputs"]["logits"][
        "values"
    ]
    assert np.shape(values) == (3,)


@pytest.mark.parametrize("asked", [["top"], ["all", "top"], ["top", "all"], ["logits", "top"]])
def test_an_output_that_is_not_there(run: Run, asked: list[str]) -> None:
    ran = run("net", "a.png", *[word for name in asked for word in ("--outputs", name)])
    assert ran.code == 2 and "no output `top`" in ran.err and "logits float32 (N, 3)" in ran.err


@pytest.mark.parametrize("arguments, target", [
    (["a.png"], "a.png"), (["a.png"], "./photos/../a.png"), (["photos/deep"], "photos/deep/two.png"), (["a*.png"], "a.png"), (["a.png"], "link.png"),
    (["list.txt"], "a.png"), (["@list.json"], "list.json"), (["a.png", "--labels", "list.json"], "list.json"), (["--input", "image=a.png"], "a.png"),
])  # fmt: skip
def test_what_is_read_is_not_overwritten(run: Run, arguments: list[str], target: str) -> None:
    Path("list.txt").write_text("a.png\n", "utf-8")
    Path("list.json").write_text("a.png\n", "utf-8")
    Path("link.png").symlink_to("a.png")
    before = Path(target).read_bytes()
    ran = run("map", *arguments, "-o", target)
    assert ran.code == 2 and f"error[output-is-input]: `{target}`" in ran.err and "`-o`" in ran.err
    assert Path(target).read_bytes() == before


def test_the_model_is_not_overwritten(
    run: Run, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "map.png").write_bytes((models / "map.onnx").read_bytes())
    ran = program(capsys)("run", "map.png", "a.png", "-o", "map.png")
    assert ran.code == 2 and "output-is-input" in ran.err
    assert (tmp_path / "map.png").read_bytes() == (models / "map.onnx").read_bytes()


def test_nothing_is_written_where_nothing_was_answered(run: Run) -> None:
    assert run("net", "bad.jpg", "-o", "x.npz").code == 1 and not Path("x.npz").exists()


def test_six_channels(run: Run) -> None:
    ran = run("six", "a.png")
    assert ran.code == 1 and "`a.png` has 3 channels, the model wants 6" in ran.err and "TIFF with 6 pages" in ran.err
    np.save("a.npy", np.zeros((20, 30, 6), np.uint8))
    pages = [Image.new("L", (9, 9), shade) for shade in range(6)]
    pages[0].save("a.tif", save_all=True, append_images=pages[1:])
    assert run("six", "a.npy", "a.tif").code == 0
    assert inputs(run("six", "*.npy", "--format", "json")) == ["a.npy"]
