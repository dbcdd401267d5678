"""`archc run`: what is answered and written, as classes, arrays, maps and documents, and what is not overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .cuda_trouble import break_cuda
from .program import Run, program
from .run_models import document, inputs, models, run

__all__ = ["models", "run"]  # the fixtures


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
