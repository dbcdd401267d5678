"""`archc run -o results.csv|jsonl|parquet`: rows of many pictures, in their order."""

from __future__ import annotations

import inspect
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from archc.runtime import Session
from archc.runtime.batch import PredictOptions, Predictor

from .cuda_trouble import break_cuda
from .program import Ran, Run
from .result_runs import PICTURES, SUFFIXES, make_photos, models, read, run

__all__ = ["models", "run"]  # the fixtures


# -- rows ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_rows_are_those_of_classify(run: Run, models: Path, suffix: str) -> None:
    ran = run("net", "photos", "-o", f"x.{suffix}", "--top", "2", "--batch", "2")
    assert (
        ran.code == 1
        and f"wrote x.{suffix}: 5 pictures" in ran.out
        and "1 without an answer: error[image-unreadable]" in ran.out
    )
    rows = read(f"x.{suffix}")
    assert [row["path"] for row in rows] == [*PICTURES]
    results = Session(models / "net.onnx", device="cpu").classify(PICTURES, top=2, errors="keep")
    for row, result in zip(rows, results, strict=True):
        assert [*row] == ["path", "index", "label", "probability", "top", "error", "message"]
        if result.error:
            assert (row["error"], row["message"]) == (result.error.code, result.error.message)
            assert row["index"] is row["label"] is row["probability"] is row["top"] is None
        else:
            assert row["error"] is row["message"] is None
            assert {name: row[name] for name in ("index", "label", "probability")} == row["top"][0]
            assert [each["index"] for each in row["top"]] == [each.index for each in result.top]
            assert [each["label"] for each in row["top"]] == [each.label for each in result.top]
            np.testing.assert_allclose(
                [each["probability"] for each in row["top"]], [each.probability for each in result.top], rtol=1e-5
            )
    assert sorted(os.listdir()) == ["photos", f"x.{suffix}", f"x.{suffix}.run.json"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name, options, outputs", [
    ("features", [], ["features", "logits"]), ("features", ["--outputs", "logits"], ["logits"]), ("net", ["--outputs", "all"], ["logits"]),
    ("foreign", [], ["y"]),
])  # fmt: skip
def test_outputs_are_columns(
    run: Run, models: Path, suffix: str, name: str, options: list[str], outputs: list[str]
) -> None:
    assert run(name, "photos", *options, "-o", f"x.{suffix}").code == 1
    rows = read(f"x.{suffix}")
    wanted = Session(models / f"{name}.onnx", device="cpu").predict(PICTURES, outputs, errors="keep")
    for row, answer in zip(rows, wanted, strict=True):
        assert [*row] == ["path", *outputs, "error", "message"] and bool(row["error"]) == bool(answer.error)
        for output, found in answer.outputs.items():
            np.testing.assert_allclose(row[output], found.reshape(-1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name, words, code, told", [
    ("map", ["-o", "x.csv"], 1, "error[wrong-output]: the output `logits` of map has 5,120 numbers a picture"),
    ("net", ["-o", "x.csv", "--input", "image=photos/a.png"], 2, "a table is of the pictures of one input"),
    ("net", ["-o", "no/x.csv"], 2, "no-such-folder"), ("net", ["-o", "photos"], 2, "the suffix says"),
    ("net", ["--restart"], 2, "--restart is for results in .csv, .jsonl, .parquet"),
    ("net", ["-o", "x.csv", "--outputs", "none"], 2, "no output `none`"), ("net", ["-o", "x.csv", "--labels", "none"], 2, "file-missing"),
    ("none", ["-o", "x.csv"], 2, "no-such-model"), ("net", ["-o", "x.csv", "empty"], 2, "no-images"),
])  # fmt: skip
def test_what_is_no_table(run: Run, name: str, words: list[str], code: int, told: str) -> None:
    Path("empty").mkdir()
    ran = run(name, "photos", *words)
    assert ran.code == code and told in ran.err and not ran.out
    assert sorted(os.listdir()) == ["empty", "photos"]


@pytest.mark.parametrize("places, code", [
    (["photos/a.png"], 0), (["none.png"], 2), (["none.png", "photos/a.png"], 1), (["none.png", "photos/bad.jpg"], 1),
    (["photos/a.png", "photos/a.png"], 0), (["photos/a.png", "x" * 5000], 1),
])  # fmt: skip
def test_exit_codes_and_twice_is_two_rows(run: Run, places: list[str], code: int) -> None:
    told = json.loads((ran := run("net", *places, "-o", "x.jsonl", "--format", "json")).out)
    assert (
        ran.code == code
        and told["pictures"] == len(places)
        and told["answered"] == len(places) - sum(told["errors"].values())
    )
    assert [row["path"] for row in read("x.jsonl")] == places
    again = run("net", *places, "-o", "x.jsonl", "--format", "json")
    assert again.code == code and json.loads(again.out)["resumed"] == len(places)


@pytest.mark.skipif(sys.platform == "darwin", reason="its names are UTF-8")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_names_of_any_bytes(run: Run, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    names = [b"\xff.png", b"a b .png", b"=1+1.png", "ünï.png".encode(), b"nl\n.png", b"cr\r.png"]
    for name in names:
        shutil.copy("photos/a.png", os.fsdecode(name))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\0".join(names) + b"\0")))
    assert run("net", "-", "-o", f"x.{suffix}").code == 0
    assert [row["path"] for row in read(f"x.{suffix}")] == ["\\udcff.png", *(name.decode() for name in names[1:])]


def test_numbers_that_are_not_finite(models: Path, tmp_path: Path) -> None:
    """Not a classifier's business alone: one picture's row, and not the end of a run."""
    predictor = Predictor(models / "net.onnx", PredictOptions(device="cpu"))
    predictor.session.session.run = lambda names, arrays: [np.full((len(arrays["image"]), 3), np.nan, np.float32)]
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    found = predictor({"path": [str(tmp_path / "a.png")]})
    assert found["error"] == ["run-failed"] and "not finite" in found["message"][0]


def test_a_pipe_and_a_link(run: Run) -> None:
    Path("real.csv").symlink_to("made.csv")
    assert (
        run("net", "photos/a.png", "-o", "real.csv").code == 0
        and Path("real.csv").is_symlink()
        and len(read("made.csv")) == 1
    )
    os.mkfifo("pipe.jsonl")
    with subprocess.Popen(["cat", "pipe.jsonl"], stdout=subprocess.PIPE) as reader:
        assert run("net", "photos/a.png", "-o", "pipe.jsonl").code == 0
        assert reader.stdout and json.loads(reader.stdout.read())["path"] == "photos/a.png"


# -- the core ------------------------------------------------------------------------------------------------------------


def test_the_predictor_is_the_same_in_other_processes(models: Path, tmp_path: Path) -> None:
    make_photos(tmp_path / "photos")
    paths = [str(tmp_path / name) for name in PICTURES]
    predictor = Predictor(models / "net.onnx", PredictOptions(device="cpu", top=2))
    batches = [{"path": paths[:3], "id": [1, 2, 3]}, {"path": np.array(paths[3:], object), "id": [4, 5]}]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        there = [*pool.map(pickle.loads(pickle.dumps(predictor)), batches)]
    here = [predictor(batch) for batch in batches]
    assert there == here and [each["id"] for each in there] == [[1, 2, 3], [4, 5]]
    assert [code for each in here for code in each["error"]] == [None, None, "image-unreadable", None, None]


def test_a_pipeline_is_bounded_ordered_and_raises_in_its_place() -> None:
    from archc.runtime.batch.pipeline import WAITING, map_in_order

    taken: list[int] = []

    def numbers() -> Any:
        for number in range(100):
            taken.append(number)
            yield number

    def work(number: int) -> int:
        if number == 50:
            raise ValueError("50")
        return number * number

    answers = map_in_order(work, numbers(), 3)
    for number in range(50):
        assert next(answers) == number * number and len(taken) <= number + 3 + WAITING + 1
    with pytest.raises(ValueError, match="50"):
        next(answers)
    assert len(taken) < 60


def test_the_walk_is_in_the_order_of_paths(tmp_path: Path) -> None:
    from archc.runtime.sources import find_images

    names = [
        "a/z.png",
        "a-b.png",
        "a.png",
        "a/b/c.png",
        "a0.png",
        "ab/x.png",
        "a/.hid/x.png",
        ".x.png",
        "b.txt",
        "Z.PNG",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "itself.png").symlink_to("itself.png")
    names.append("itself.png")
    deep = tmp_path.joinpath(*["d"] * 150)
    deep.mkdir(parents=True)
    (deep / "deep.png").touch()
    shown = [
        str(tmp_path / name)
        for name in names
        if not any(part.startswith(".") for part in Path(name).parts) and name != "b.txt"
    ]
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 120)
    try:
        found = [*find_images([str(tmp_path)])]
    finally:
        sys.setrecursionlimit(limit)
    assert found == sorted([*shown, str(deep / "deep.png")])


def test_ran(run: Run) -> None:
    ran: Ran = run("net", "photos", "-o", "x.csv", "--threads", "3")
    assert ran.out.splitlines()[-1].startswith("net on cpu: ") and ran.out.endswith(" pictures/s\n")


@pytest.mark.parametrize("driver", [False, True])
def test_auto_says_why_where_a_gpu_seems_to_be_here(run: Run, monkeypatch: pytest.MonkeyPatch, driver: bool) -> None:
    reason = break_cuda(monkeypatch, driver)
    words = ("photos/a.png", "-o", "x.csv", "--device", "auto", "--restart")
    told = json.loads(run("net", *words, "--format", "json").out)
    assert (told["device"], told["reason"]) == ("cpu", reason)
    assert run("net", *words).out.endswith(f" pictures/s\nnet on cpu: {reason}\n" if driver else " pictures/s\n")


@pytest.mark.skipif(os.name != "posix", reason="links on Windows need rights")
def test_a_link_in_a_circle_is_no_folder(tmp_path: Path) -> None:
    from archc.runtime.sources import images_in

    (tmp_path / "a.png").touch()
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    assert [*images_in(str(tmp_path))] == [str(tmp_path / "a.png")]
