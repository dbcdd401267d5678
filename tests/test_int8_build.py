"""An int8 build as a user runs it: the options, what is refused, the report, the file."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import archc
from archc.build.build import build
from archc.compiler.driver import check
from archc.runtime import Session, UntrainedWarning

from .int8_nets import NET, SMALL, images, photos
from .program import Ran, program

TWO_INPUTS = """archspec: 1
name: two
input: {left: [3, 12, 12], right: [3, 12, 12]}
preprocess: {mean: [0.5]}
graph: [{concat: [[{from: left}], [{from: right}]]}, {conv: {out: 4, kernel: 3}}, global_avg_pool, {linear: 3}]
"""


@pytest.fixture
def archc_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """`archc build … --precision int8 -o out.onnx` in a folder with specs, where out.onnx is there already."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("net", NET), ("two", TWO_INPUTS), ("plain", SMALL)):
        Path(f"{name}.yaml").write_text(text, "utf-8")
    run = program(capsys)

    def build(spec: str, *arguments: str) -> Ran:
        Path("out.onnx").write_bytes(b"old")
        before = sorted(Path().iterdir())
        ran = run("build", spec, "--precision", "int8", "-o", "out.onnx", "--no-verify", *arguments)
        assert sorted(Path().iterdir()) == before
        assert (Path("out.onnx").read_bytes() == b"old") == bool(ran.code)
        assert ran.err.count("error[") + ran.err.count("Usage:") == (1 if ran.code else 0)
        return ran

    return build


def save(path: str, **arrays: Any) -> None:
    np.savez(path, **arrays)


def broken(folder: str, good: int, bad: int) -> None:
    photos(Path(folder), good)
    for at in range(bad):
        Path(folder, f"bad{at}.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")


REFUSED: dict[str, tuple[str, str, Callable[[], object], int, str, str]] = {
    # the spec, what --calibrate names (empty: the option is left out), how it is made, the exit code, the code, words of the message
    "no calibration": ("net", "", lambda: None, 2, "bad-option", "--calibrate photos"),
    "not there": ("net", "nowhere", lambda: None, 2, "calibration-data", "no folder and no file `nowhere`"),
    "an empty folder": ("net", "empty", lambda: Path("empty").mkdir(), 2, "no-images", "no picture in the folder `empty`"),
    "a folder of texts": ("net", "texts", lambda: (Path("texts").mkdir(), Path("texts/a.txt").touch()), 2, "no-images", "numpy.savez"),
    "a list": ("net", "a.txt", lambda: Path("a.txt").touch(), 2, "calibration-data", "no folder of pictures, no .csv that names some, and no .npz"),
    "a lone array": ("net", "a.npy", lambda: np.save("a.npy", images(9)), 2, "calibration-data", "numpy.savez('inputs.npz', image=array)"),
    "nothing but damaged pictures": ("net", "bad", lambda: broken("bad", 0, 3), 1, "calibration-data", "none of the 3 pictures in `bad`"),
    "pictures without preprocess": ("plain", "photos", lambda: photos(Path("photos"), 6), 1, "calibration-data", "the spec has no `preprocess`"),
    "pictures for two inputs": ("two", "photos", lambda: photos(Path("photos"), 6), 2, "calibration-data", "the net has 2 inputs"),
    "no zip": ("net", "a.npz", lambda: Path("a.npz").write_bytes(b"no zip"), 1, "calibration-data", "no .npz that can be read"),
    "a zip of texts": ("net", "a.npz", lambda: zipfile.ZipFile("a.npz", "w").writestr("image.npy", "text"), 1, "calibration-data", "no .npz"),
    "another name": ("net", "a.npz", lambda: save("a.npz", img=images(9)), 1, "calibration-data", "is `img` meant?"),
    "a name too many": ("net", "a.npz", lambda: save("a.npz", image=images(9), mask=images(9)), 1, "calibration-data", "`mask`"),
    "another size": ("net", "a.npz", lambda: save("a.npz", image=images(9, size=14)), 1, "calibration-data", "(9, 3, 14, 14)"),
    "one row without its dimension": ("net", "a.npz", lambda: save("a.npz", image=images(1)[0]), 1, "calibration-data", "(3, 12, 12)"),
    "doubles": ("net", "a.npz", lambda: save("a.npz", image=images(9).astype(float)), 1, "calibration-data", "astype('float32')"),
    "pixels": ("net", "a.npz", lambda: save("a.npz", image=images(9).astype(np.uint8)), 1, "calibration-data", "uint8"),
    "objects": ("net", "a.npz", lambda: save("a.npz", image=np.array([None])), 1, "calibration-data", "object"),
    "no rows": ("net", "a.npz", lambda: save("a.npz", image=images(9)[:0]), 1, "calibration-data", "(0, 3, 12, 12)"),
    "columns": ("net", "a.npz", lambda: save("a.npz", image=np.asfortranarray(images(9))), 1, "calibration-data", "by columns"),
    "what is no number": ("net", "a.npz", lambda: save("a.npz", image=images(9) / 0 * 0), 1, "calibration-data", "row 0 of `image`"),
    "unequal rows": ("two", "a.npz", lambda: save("a.npz", left=images(9), right=images(8)), 1, "calibration-data", "`left` has 9, `right` has 8"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("case", REFUSED)
def test_a_calibration_that_does_not_fit_is_refused(case: str, archc_build: Callable[..., Ran]) -> None:
    spec, place, make, exit_code, code, words = REFUSED[case]
    make()
    ran = archc_build(f"{spec}.yaml", *(["--calibrate", place] if place else []))
    assert (ran.code, ran.out) == (exit_code, "")
    assert f"error[{code}]" in ran.err
    assert words in " ".join(ran.err.split())


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code", "words"),
    [
        (["--int8-keep", "blok"], 2, "no-such-step", "did you mean `block`?"),
        (["--int8-keep", "conv1", "--int8-keep", "block", "--int8-keep", "join", "--int8-keep", "last", "--int8-keep", "fc"], 2, "bad-option", "no convolution and no linear layer is left"),
        (["--max-error", "1e-9"], 1, "precision-lost", "--int8-keep"),
        (["--calibration", "mean"], 2, "usage", "minmax"),
        (["--precision", "fp32"], 2, "bad-option", "`--calibrate` is for 8 bits"),
        (["--export", "torch"], 2, "bad-option", "--precision"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit(
    arguments: list[str], exit_code: int, code: str, words: str, archc_build: Callable[..., Ran]
) -> None:
    save("a.npz", image=images(9))
    ran = archc_build("net.yaml", "--calibrate", "a.npz", *arguments)
    assert ran.code == exit_code
    assert f"error[{code}]" in ran.err or code == "usage"
    assert words in " ".join(ran.err.split())


def test_damaged_pictures_are_left_out_and_told(archc_build: Callable[..., Ran]) -> None:
    broken("photos", 8, 2)
    ran = archc_build("net.yaml", "--calibrate", "photos", "--max-error", "1")
    assert ran.code == 0
    assert "2 pictures could not be read, and are left out" in " ".join(ran.err.split())


def test_a_set_whose_held_out_part_is_damaged_is_refused(archc_build: Callable[..., Ran]) -> None:
    photos(Path("photos"), 10)
    for path in sorted(Path("photos").iterdir())[4::5]:
        path.write_bytes(b"\x89PNG\r\n\x1a\nno more")
    ran = archc_build("net.yaml", "--calibrate", "photos", "--max-error", "1")
    assert (ran.code, ran.out) == (1, "") and "error[calibration-data]: none of the 2 held-out pictures in" in ran.err


def test_one_picture_is_told_as_one(archc_build: Callable[..., Ran]) -> None:
    photos(Path("photos"), 1)
    ran = archc_build("net.yaml", "--calibrate", "photos", "--max-error", "1")
    assert ran.code == 0 and "1 picture is few" in " ".join(ran.err.split())
    assert "on 1 picture of the calibration itself" in " ".join(ran.out.split())


def test_the_error_that_the_advice_allows_is_enough(archc_build: Callable[..., Ran]) -> None:
    save("a.npz", image=images(9))
    refused = archc_build("net.yaml", "--calibrate", "a.npz", "--max-error", "1e-9")
    share = refused.err.split("`--max-error ")[1].split("`")[0]
    assert archc_build("net.yaml", "--calibrate", "a.npz", "--max-error", share).code == 0


@pytest.mark.filterwarnings("ignore")
def test_a_norm_that_is_folded_is_kept_with_its_step(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(
        NET.replace("  - {name: relu1, relu}\n", "  - {name: norm, batch_norm}\n  - {name: relu1, relu}\n"), "utf-8"
    )
    save(str(tmp_path / "a.npz"), image=images(9))
    files = [
        archc.load(tmp_path / "net.yaml")
        .export_onnx(
            tmp_path / f"{step}.onnx",
            proof="none",
            precision="int8",
            calibrate=tmp_path / "a.npz",
            max_error=1.0,
            int8_keep=[step],
        )
        .artifacts[0]
        .sha256
        for step in ("norm", "conv1", "last")
    ]
    assert files[0] == files[1] != files[2]


def test_verify_sends_8_bits_to_pictures(archc_build: Callable[..., Ran], capsys: pytest.CaptureFixture[str]) -> None:
    """A proof's inputs leave the ranges of a calibration, so a comparison by them is not advised."""
    photos(Path("photos"), 12)
    assert archc_build("net.yaml", "--calibrate", "photos", "--max-error", "1").code == 0
    ran = program(capsys)("verify", "out.onnx")
    assert ran.code == 0 and "8 bits" in ran.out and "archc eval" in ran.out and "--picture" in ran.out


def test_a_build_in_8_bits(archc_build: Callable[..., Ran]) -> None:
    """Its report is of what is held out; the file runs in this process, says what it is, and two builds are equal."""
    photos(Path("photos"), 60)
    ran = archc_build("net.yaml", "--calibrate", "photos", "--format", "json")
    assert ran.code == 0
    report = json.loads(ran.out)["precision"]
    assert (report["precision"], report["count"], report["inputs"]) == ("int8", 12, "held-out pictures of photos")
    assert 0 < report["worst"] < report["max_error"]
    first = Path("out.onnx").read_bytes()
    archc_build("net.yaml", "--calibrate", "photos")
    assert Path("out.onnx").read_bytes() == first
    with pytest.warns(UntrainedWarning):
        session = Session("out.onnx", device="cpu")
    assert session.session.doubt == ""
    assert session.artifact.precision == "int8"
    assert repr(session).startswith("net in int8 on cpu")
    assert json.loads(session.artifact.metadata["archc.calibration"]) == {
        "method": "minmax",
        "calibrating": 48,
        "held_out": 12,
    }


def test_pixels_as_inputs(archc_build: Callable[..., Ran]) -> None:
    """The file normalises itself; the ranges are those of what it makes of pixels, and it answers as one of floats does."""
    photos(Path("photos"), 60)
    ran = archc_build("net.yaml", "--calibrate", "photos", "--input-type", "uint8", "--format", "json")
    assert ran.code == 0
    report = json.loads(ran.out)["precision"]
    assert (report["precision"], report["count"]) == ("int8, uint8 input", 12)
    assert report["worst"] < 0.05
    with pytest.warns(UntrainedWarning):
        session = Session("out.onnx", device="cpu")
    assert session.session.doubt == ""
    assert (session.inputs["image"].dtype, session.artifact.precision) == ("uint8", "int8")
    save("pixels.npz", image=(images(60) * 60 + 100).clip(0, 255).astype(np.uint8))
    assert archc_build("net.yaml", "--calibrate", "pixels.npz", "--input-type", "uint8").code == 0


@pytest.mark.parametrize(("count", "reads"), [(60, 120), (3, 12)])
def test_it_says_how_far_it_is(count: int, reads: int, tmp_path: Path) -> None:
    """Each input is read twice; those of a set that can spare none are measured on as well."""
    (tmp_path / "net.yaml").write_text(NET, "utf-8")
    told: list[tuple[int, int]] = []
    options = {"output": tmp_path / "net.onnx", "precision": "int8", "calibrate": photos(tmp_path / "photos", count)}
    build(check(str(tmp_path / "net.yaml")), **options, proof="none", progress=lambda *each: told.append(each))
    assert told == [(at, reads) for at in range(1, reads + 1)]


@pytest.mark.parametrize("batch", ["dynamic", "4"])
def test_several_inputs(batch: str, archc_build: Callable[..., Ran]) -> None:
    save("two.npz", left=images(60), right=images(60, seed=1))
    ran = archc_build("two.yaml", "--calibrate", "two.npz", "--batch", batch)
    assert ran.code == 0
    assert "held-out rows of two.npz" in ran.out


def test_lenet_keeps_its_answers_on_the_digits_held_out(tmp_path: Path) -> None:
    """Of 450 real digits at most 2 answers change; calibrated with digits that it was trained on."""
    package = find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        pytest.skip("scikit-learn has the digits")
    # importing it takes far longer than all of this test
    with gzip.open(Path(package.submodule_search_locations[0], "datasets/data/digits.csv.gz")) as file:
        rows = np.loadtxt(file, delimiter=",")
    answers = rows[:, -1].astype(int)
    order = np.random.default_rng(0).permutation(len(rows))
    learned, held_out = order[450:], order[:450]
    pictures = [Image.fromarray(np.rint(row[:-1].reshape(8, 8) * (255 / 16)).astype(np.uint8)) for row in rows]
    folder = tmp_path / "digits"
    folder.mkdir()
    for at in learned[:100]:
        pictures[at].save(folder / f"{at:04}.png")
    net = archc.load("lenet5_modern")
    weights = Path(archc.__file__).parent / "archspecs/lenet/lenet5_modern.safetensors"
    net.export_onnx(tmp_path / "fp32.onnx", weights, proof="none")
    built = net.export_onnx(tmp_path / "int8.onnx", weights, proof="none", precision="int8", calibrate=folder)
    assert built.precision is not None
    assert built.precision.worst < 0.02
    sessions = [Session(tmp_path / name, device="cpu") for name in ("fp32.onnx", "int8.onnx")]
    before, after = (
        [each.top[0].index for each in session.classify([pictures[at] for at in held_out], top=1)]
        for session in sessions
    )
    assert sum(a != b for a, b in zip(before, after, strict=True)) <= 2
    right = np.mean(np.array(after) == answers[held_out])
    assert right > 0.97
