"""`archc run -o` again: nothing is mixed or overwritten, and what was killed goes on with nothing lost and nothing twice."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from archc.cli.results import telling_what_is_kept
from archc.runtime import RuntimeFault
from archc.runtime.batch import PredictOptions, Predictor, run_pictures

from .program import Run
from .result_runs import PICTURES, make_photos, models, read, run

__all__ = ["models", "run"]  # the fixtures


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


def test_an_interrupt_says_where_what_is_done_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.csv.unfinished").mkdir()
    for place, told in (("x.csv", True), ("y.csv", False), ("x.csv/elsewhere", False)):
        with pytest.raises(KeyboardInterrupt), telling_what_is_kept(str(tmp_path / "x.csv"), tmp_path / place):
            raise KeyboardInterrupt
        assert ("x.csv.unfinished; the same command goes on" in capsys.readouterr().err) == told


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


@pytest.mark.parametrize("killed", [False, True])
def test_a_run_without_a_row_is_in_nobodys_way(
    run: Run, models: Path, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    """Nothing is lost with it: it leaves no folder, and where a kill leaves one another run takes its place."""
    from archc.runtime.batch.journal import Unfinished

    with monkeypatch.context() as patch:
        if killed:
            patch.setattr(Unfinished, "close", lambda unfinished: os.close(unfinished.lock))
        stop_after(models, "x.csv", 0)
    assert Path("x.csv.unfinished").exists() == killed
    assert run("other", "photos", "-o", "x.csv").code == 1 and len(read("x.csv")) == 5
