"""`archc run -o results.csv|jsonl|parquet`: rows of many pictures, in their order; what a kill leaves is gone on with, and nothing is mixed."""

from __future__ import annotations

import csv
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
from typing import Any, BinaryIO

import numpy as np
import pytest
from PIL import Image

import archc
from archc.runtime import RuntimeFault, Session
from archc.runtime.batch import PredictOptions, Predictor, run_pictures

from .foreign_models import make, node, save
from .program import Ran, Run, program

SPECS = {
    "net": "labels: [ant, 'bee, \"the\"', cät]\ngraph: [{conv: 4}, global_avg_pool, {linear: 3}]",
    "other": "labels: [ant, bee, cat]\ngraph: [{conv: 5}, global_avg_pool, {linear: 3}]",
    "features": "graph: [{conv: 5}, batch_norm, relu, {name: p, global_avg_pool: null, output: features}, flatten]",
    "map": "graph: [{conv: 80}]",
}
SUFFIXES = ("csv", "jsonl", "parquet")
PICTURES = ("photos/a.png", "photos/b.png", "photos/bad.jpg", "photos/c/d.png", "photos/odd\nname.png")
parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of each spec, and one from elsewhere."""
    folder = tmp_path_factory.mktemp("models")
    for name, spec in SPECS.items():
        (folder / f"{name}.yaml").write_text(
            f"archspec: 1\nname: {name}\ninput: {{image: [3, 8, 8]}}\n{spec}\n", "utf-8"
        )
        archc.load(folder / f"{name}.yaml").export_onnx(folder / f"{name}.onnx", proof="none")
    save(make([node("Sin", ["x"], ["s"]), node("ReduceMean", ["s"], ["y"], axes=[2, 3], keepdims=0)], opset=13,
              outputs=[port_of("y", ["N", 3])]), folder / "foreign.onnx")  # fmt: skip
    return folder


def port_of(name: str, shape: list[Any]) -> Any:
    from .foreign_models import port

    return port(name, shape=shape)


@pytest.fixture
def run(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `archc run` on a model's name, in a folder with photos/."""
    monkeypatch.chdir(tmp_path)
    make_photos(Path("photos"))
    execute = program(capsys)
    return lambda name, *words: execute("run", str(models / f"{name}.onnx"), *words, "--device", "cpu")


def make_photos(folder: Path, more: int = 0) -> None:
    """The photos of PICTURES below `folder`, and some more."""
    rng = np.random.default_rng(0)
    for name in (*(path.removeprefix("photos/") for path in PICTURES), *(f"more{at}.png" for at in range(more))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).save(folder / name)
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(99))


def read(path: str | Path) -> list[dict[str, Any]]:
    """The rows of results, alike whatever file they are in: as Python's values."""
    path = Path(path)
    if path.suffix == ".parquet":
        return list(parquet.read_table(path).to_pylist())
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("ascii").splitlines()]
    rows = []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found: dict[str, Any] = {name: value or None for name, value in row.items()}
            for name in {*found} - {"path", "label", "error", "message"}:
                found[name] = json.loads(found[name]) if found[name] else None
            rows.append(found)
    return rows


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


# -- nothing is mixed, nothing overwritten -------------------------------------------------------------------------------


def stop_after(models: Path, target: str, parts: int, **options: Any) -> None:
    """Runs `net` on photos/, and ends it when so many pictures are done, as Ctrl-C does."""

    def stop(done: int, _: int) -> None:
        if done >= parts:
            raise KeyboardInterrupt

    predictor = Predictor(models / "net.onnx", PredictOptions(device="cpu", **options))
    with pytest.raises(KeyboardInterrupt):
        run_pictures(predictor, PICTURES, target, batch=1, progress=stop)


@pytest.mark.parametrize("name, words, told", [
    ("other", [], "the model is another"), ("net", ["--top", "1"], "top was 5, and is 1"),
    ("net", ["--outputs", "all"], "the columns are others; the outputs are others"),
    ("net", ["--max-pixels", "99"], "max_pixels was"), ("net", ["photos/a.png"], "the pictures are others: they were 5, and are 6"),
    ("net", ["--labels", "names.txt"], "the labels are others"),
])  # fmt: skip
@pytest.mark.parametrize("whole", [True, False])
def test_results_of_another_run_are_refused(
    run: Run, models: Path, whole: bool, name: str, words: list[str], told: str
) -> None:
    Path("names.txt").write_text("a\nb\nc\n", "utf-8")
    if whole:
        run("net", "photos", "-o", "x.csv")
    else:
        stop_after(models, "x.csv", 2)
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    ran = run(name, "photos", *words, "-o", "x.csv")
    assert ran.code == 2 and "error[results-differ]" in ran.err and told in ran.err and "--restart" in ran.err
    assert {
        path: path.read_bytes()
        for path in Path().rglob("*")
        if path.is_file() and path.name not in ("lock", "pictures.new")
    } == {path: data for path, data in before.items() if path.name != "lock"}
    assert run(name, "photos", *words, "-o", "x.csv", "--restart").code == 1
    assert not Path("x.csv.unfinished").exists() and len(read("x.csv")) == 5 + ("photos/a.png" in words)


def test_a_file_of_somebody_else_is_not_overwritten(run: Run) -> None:
    Path("x.csv").write_text("mine", "utf-8")
    ran = run("net", "photos", "-o", "x.csv")
    assert ran.code == 2 and "`x.csv` is there already, and nothing says what it is" in ran.err
    assert Path("x.csv").read_text("utf-8") == "mine" and not Path("x.csv.unfinished").exists()
    assert run("net", "photos", "-o", "x.csv", "--restart").code == 1 and len(read("x.csv")) == 5
    with open("x.csv", "a", encoding="utf-8") as file:
        file.write("more")
    assert "was changed since it was written" in run("net", "photos", "-o", "x.csv").err


def test_what_is_read_is_not_overwritten(run: Run) -> None:
    os.link("photos/a.png", "x.csv")
    before = Path("x.csv").read_bytes()
    ran = run("net", "photos", "-o", "x.csv", "--restart")
    assert ran.code == 2 and "output-is-input" in ran.err and Path("photos/a.png").read_bytes() == before


@pytest.mark.parametrize("left", ["link", "strange", "part"])
def test_a_folder_from_anywhere(run: Run, left: str) -> None:
    """Nothing outside is written to through it, and what no run has made is not removed."""
    folder = Path("x.csv.unfinished")
    Path("outside").mkdir()
    Path("outside/kept").write_text("kept", "utf-8")
    if left == "link":
        folder.symlink_to("outside")
    else:
        folder.mkdir()
        (folder / ("mine.txt" if left == "strange" else "part-000000000000")).symlink_to("../outside/kept")
    ran = run("net", "photos", "-o", "x.csv")
    assert (ran.code, "results-differ" in ran.err) == ((1, False) if left == "part" else (1, True))
    assert Path("outside/kept").read_text("utf-8") == "kept" and Path("x.csv").exists() == (left == "part")


def test_two_at_once(run: Run, models: Path) -> None:
    from archc.runtime.batch.journal import Unfinished

    held = Unfinished(Path("x.csv"))
    ran = run("net", "photos", "-o", "x.csv")
    assert ran.code == 3 and "error[results-in-use]" in ran.err
    held.close()
    assert run("net", "photos", "-o", "x.csv").code == 1


def test_a_full_disk_loses_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from archc.runtime.batch import journal

    real = os.fsync

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal.os, "fsync", full)
    ran = run("net", "photos", "-o", "x.csv")
    assert ran.code == 3 and "error[disk-full]" in ran.err and "goes on from here" in ran.err
    monkeypatch.setattr(journal.os, "fsync", real)
    assert run("net", "photos", "-o", "x.csv").code == 1 and len(read("x.csv")) == 5


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_list_of_pictures_on_a_full_disk(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """To close the file writes again what the disk did not take, and is refused again."""
    from archc.runtime.batch import journal

    real = journal.open_new

    def full(path: Path, *how: int) -> BinaryIO:
        return Path("/dev/full").open("wb") if path.name == "pictures.new" else real(path, *how)

    monkeypatch.setattr(journal, "open_new", full)
    ran = run("net", "photos", "-o", "x.csv")
    assert ran.code == 3 and "error[disk-full]" in ran.err


DAMAGE = {
    "part-000000000002": [b"ant,", None],
    "journal": [
        b'{"name": "part-000000000000"}\n', b'{"name": "part-000000000000", "pictures": "x", "errors": 3, "sha256": 0}\n',
        b'{"name": "part-000000000000", "pictures": -5, "errors": {}, "sha256": ""}\n', b"\0\xff\n",
        b'{"name": "../names.txt", "pictures": 1, "errors": {}, "sha256": ""}\n',
    ],
    "pictures": [b"photos/a.png\0photos/b.png\0", None],
    "run.json": [b"[]"],
}  # fmt: skip


@pytest.mark.parametrize(
    "name, content", [(name, content) for name, contents in DAMAGE.items() for content in contents]
)
def test_a_damaged_folder_costs_time_and_no_row(run: Run, models: Path, name: str, content: bytes | None) -> None:
    assert run("net", "photos", "-o", "whole.csv").code == 1
    for done in (2, 4):
        stop_after(models, "x.csv", done)
    Path("x.csv.unfinished", name).unlink()
    if content is not None:
        Path("x.csv.unfinished", name).write_bytes(content)
    assert run("net", "photos", "-o", "x.csv").code == 1
    assert Path("x.csv").read_bytes() == Path("whole.csv").read_bytes() and not Path("x.csv.unfinished").exists()


def test_a_line_of_the_journal_counts_once(run: Run, models: Path) -> None:
    stop_after(models, "x.csv", 2)
    with Path("x.csv.unfinished/journal").open("r+b") as file:
        file.write(2 * file.read())
    assert run("net", "photos", "-o", "x.csv").code == 1 and [row["path"] for row in read("x.csv")] == [*PICTURES]


@pytest.mark.parametrize("key", ["model", "options", "pictures", "results"])
def test_a_damaged_record_is_one_of_another_run(run: Run, key: str) -> None:
    run("net", "photos", "-o", "x.csv")
    record = json.loads(Path("x.csv.run.json").read_bytes())
    Path("x.csv.run.json").write_text(json.dumps({**record, key: [5]}))
    ran = run("net", "photos", "-o", "x.csv")
    assert ran.code == 2 and "error[results-differ]" in ran.err and "--restart" in ran.err


# -- kills ---------------------------------------------------------------------------------------------------------------

KILLER = """
import os, signal, sys
import numpy, onnxruntime, PIL.Image, pyarrow.parquet  # once, before the forks
from archc.runtime.batch import PredictOptions, Predictor, run, run_pictures
from archc.runtime.sources import find_images
model, folder, at, seconds = sys.argv[1], sys.argv[2], *sys.argv[3:]
run.PART_ROWS = 4
CALLS = ("fsync", "replace", "open", "unlink", "mkdir", "rmdir", "chmod")
real, steps = {name: getattr(os, name) for name in CALLS}, 0

def child(target, at):
    def counted(name):
        def step(*words, **more):
            global steps
            steps += 1
            if steps == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return real[name](*words, **more)
        return step
    predictor = Predictor(model, PredictOptions(device="cpu", threads=2))
    for name in CALLS:
        setattr(os, name, counted(name))
    run_pictures(predictor, find_images([folder]), target, batch=2)
    return steps

def fork(target, at):
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(writer, b"%d" % child(target, at))
        os._exit(0)
    os.close(writer)
    status = os.waitpid(pid, 0)[1]
    with open(reader, "rb") as said:
        return os.WIFSIGNALED(status), int(said.read() or 0)

for suffix in ("csv", "parquet"):
    killed, count = fork(f"whole.{suffix}", 0)
    assert not killed and count > 40, count
    wanted = open(f"whole.{suffix}", "rb").read()
    for at in range(1 + int(at) % int(seconds), count, int(seconds)):
        target = f"killed{at}.{suffix}"
        assert fork(target, at)[0]
        fork(target, at // 2 + 1)
        assert not fork(target, 0)[0]
        assert open(target, "rb").read() == wanted, (suffix, at)
        assert not os.path.exists(target + ".unfinished"), (suffix, at)
        print(suffix, at)
"""


@pytest.mark.parametrize("every", [47, pytest.param(9, marks=pytest.mark.slow)])
@pytest.mark.skipif(sys.platform == "win32", reason="it forks")
def test_a_kill_at_any_step_loses_nothing_and_doubles_nothing(models: Path, tmp_path: Path, every: int) -> None:
    """Killed with -9 before a call to the system, killed once more on the way, and begun again: the bytes are those of a run in one go."""
    make_photos(tmp_path / "photos", more=9)
    words = [sys.executable, "-c", KILLER, str(models / "net.onnx"), "photos", "4", str(every)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 80 // every - 1


def test_what_is_interrupted_goes_on(run: Run, models: Path) -> None:
    stop_after(models, "x.jsonl", 3)
    told = json.loads((ran := run("net", "photos", "-o", "x.jsonl", "--batch", "1", "--format", "json")).out)
    assert ran.code == 1 and told["resumed"] == 3 and told["pictures"] == 5
    assert run("net", "photos", "-o", "y.jsonl", "--batch", "1").code == 1
    assert Path("x.jsonl").read_bytes() == Path("y.jsonl").read_bytes()


def test_pictures_that_have_changed_since(run: Run, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the line that goes on with those of the beginning."""
    stop_after(models, "x.csv", 3)
    Path("photos/c/d.png").unlink()
    ran = run("net", "photos", "-o", "x.csv")
    assert ran.code == 2 and "- < x.csv.unfinished/pictures" in ran.err
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(Path("x.csv.unfinished/pictures").read_bytes())))
    assert run("net", "-", "-o", "x.csv").code == 1
    assert [row["error"] for row in read("x.csv")] == [None, None, "image-unreadable", "image-missing", None]


def test_a_fault_of_the_model_keeps_what_is_done(run: Run, models: Path, tmp_path: Path) -> None:
    predictor = Predictor(models / "net.onnx", PredictOptions(device="cpu", threads=1))
    real, calls = predictor.session.session.run, []

    def fail(names: Any, arrays: Any) -> Any:
        calls.append(len(arrays["image"]))
        if len(calls) == 3:
            raise RuntimeError("no")
        return real(names, arrays)

    predictor.session.session.run = fail
    with pytest.raises(RuntimeFault, match="onnxruntime stopped"):
        run_pictures(predictor, PICTURES, "x.csv", batch=1)
    assert json.loads(run("net", "photos", "-o", "x.csv", "--format", "json").out)["resumed"] == 3


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
