"""`archc run` as users run it: where pictures come from, what is refused, and with which exit code. (What is answered: test_run_answers.py.)"""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from .program import Run
from .run_models import document, inputs, models, run

__all__ = ["models", "run"]  # the fixtures


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
