"""metrics.csv, TensorBoard's event files, broken.csv and the lines of a run: whole after a kill, and right where a run goes on."""

from __future__ import annotations

import csv
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from archc.cli.training_progress import TrainingProgress
from archc.compiler.counts import count_of
from archc.compiler.diagnostics import Failure
from archc.text.training import describe_plan
from archc.training.broken import BrokenPictures
from archc.training.measures import Measures
from archc.training.metrics import MetricsFile, read_metrics
from archc.training.tensorboard import EventFiles
from archc.training.watching import EpochReport

from .training_runs import make_plan, play, report_epoch, report_step

HEADER = "step,epoch,split,loss,top1,top5,lr,images_per_second,loss.logits,loss.aux1,loss.aux2"


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "metrics.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_as_rows(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    play(plan, MetricsFile(tmp_path))
    assert (tmp_path / "metrics.csv").read_text("utf-8").splitlines()[0] == HEADER
    found = rows(tmp_path)
    assert [row["split"] for row in found] == (["train"] * 4 + ["train_epoch", "val"]) * 3
    assert found[0]["loss"] == "1.84" and found[0]["loss.aux1"] == "1.84" and found[0]["top5"] == ""
    assert found[5] == {**dict.fromkeys(HEADER.split(","), ""), "step": "20", "epoch": "1", "split": "val", "loss": "2", "top1": "0.5",
                        "top5": "0.9", "lr": "0.1"}  # fmt: skip
    assert list(read_metrics(tmp_path / "metrics.csv")) == found


def test_without_heads_there_are_no_losses_of_their_own(tmp_path: Path) -> None:
    play(make_plan(tmp_path, heads=()), MetricsFile(tmp_path))
    assert (tmp_path / "metrics.csv").read_text("utf-8").splitlines()[0] == HEADER.partition(",loss.logits")[0]


@pytest.mark.parametrize("killed_at", [26, 40, 45])
@pytest.mark.parametrize("resumed_at", [20, 25])
@pytest.mark.parametrize("torn", ["", "45,3,tr", "4", "45,3,train,1,1,1,1,1,1,1"])
def test_a_run_that_goes_on_is_one_that_never_stopped(
    tmp_path: Path, killed_at: int, resumed_at: int, torn: str
) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    whole.mkdir(), parted.mkdir()
    play(make_plan(whole), MetricsFile(whole))
    play(make_plan(parted), MetricsFile(parted), until=killed_at)
    with open(parted / "metrics.csv", "a", encoding="utf-8") as file:
        file.write(torn)
    play(make_plan(parted, first_step=resumed_at), MetricsFile(parted, resumed_at))
    assert rows(parted) == rows(whole)


def test_a_second_validation_of_the_first_step_is_no_second_row(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, first_step=20)
    play(make_plan(tmp_path), MetricsFile(tmp_path), until=20)
    metrics = MetricsFile(tmp_path, 20)
    metrics.begin(plan)
    metrics.epoch(report_epoch(plan, 1))
    metrics.end("finished")
    assert len(rows(tmp_path)) == 6


def test_a_run_from_the_start_begins_a_new_file(tmp_path: Path) -> None:
    for _ in range(2):
        play(make_plan(tmp_path), MetricsFile(tmp_path))
    assert len(rows(tmp_path)) == 18


def test_it_is_whole_after_a_kill(tmp_path: Path) -> None:
    program = """
import itertools, sys
from dataclasses import replace
from pathlib import Path
from tests.training_runs import make_plan, report_step
from archc.training.metrics import MetricsFile
plan = make_plan(Path(sys.argv[1]), epochs=10**6)
metrics = MetricsFile(Path(sys.argv[1]))
metrics.begin(plan)
for step in itertools.count(1):
    metrics.step(report_step(plan, step))
    if step == 2000: print(flush=True)
"""
    root = Path(__file__).parent.parent
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, cwd=root)
    assert process.stdout and process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    found = list(read_metrics(tmp_path / "metrics.csv"))
    assert len(found) >= 2000 and [int(row["step"]) for row in found] == list(range(1, len(found) + 1))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a full device")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    metrics = MetricsFile(tmp_path)
    metrics.begin(plan)
    metrics.end("")
    metrics.file = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(Failure) as failed:
        metrics.step(report_step(plan, 5))
    assert failed.value.code == "disk-full"
    metrics.end("")


def test_event_files(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    play(make_plan(tmp_path), EventFiles(tmp_path), until=45)
    play(make_plan(tmp_path, first_step=20), EventFiles(tmp_path, 20))
    found = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    tags = {
        "train/loss",
        "train/top1",
        "lr",
        "images_per_second",
        "loss/logits",
        "loss/aux1",
        "loss/aux2",
        "train_epoch/loss",
    }
    assert set(found.Tags()["scalars"]) == tags | {"val/loss", "val/top1", "val/top5"}
    assert [each.step for each in found.Scalars("train/loss")] == list(range(5, 61, 5))
    assert found.Scalars("val/top1")[0].value == 0.5


def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(Failure) as failed:
        EventFiles(tmp_path)
    assert (
        failed.value.code == "package-missing"
        and "archc's extra `tensorboard`" in failed.value.help
        and failed.value.exit_code == 3
    )


def test_broken_pictures(tmp_path: Path) -> None:
    broken = BrokenPictures(tmp_path, limit=2)
    assert broken.add([]) == 0 and not broken.note() and not (tmp_path / "broken.csv").exists()
    assert broken.add([("a,b.jpg", "it ends early"), ("c.jpg", "it is no picture")]) == 2
    assert broken.add([("c.jpg", "it is no picture")]) == 0
    assert "2 pictures" in broken.note() and "a,b.jpg" in broken.note() and "broken.csv" in broken.note()
    again = BrokenPictures(tmp_path, limit=2)
    assert again.count == 2
    # a run that was begun with `--data photos` goes on with the whole path
    assert again.add([(os.path.abspath("c.jpg"), "it is no picture")]) == 0
    with pytest.raises(Failure) as failed:
        again.add([("d.jpg", "it ends early")])
    assert (
        failed.value.code == "broken-pictures"
        and "`d.jpg`" in failed.value.message
        and "broken: 6" in failed.value.help
    )
    assert (tmp_path / "broken.csv").read_text("utf-8").splitlines()[0] == "picture,why"


def test_one_is_told_as_one(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, epochs=1, steps_per_epoch=1)
    plan = plan._replace(recipe=replace(plan.recipe, batch=1))
    assert "  steps     1 of 1 picture: 1 epoch of 1" in describe_plan(plan)
    told = [count_of(*each) for each in ((1, "class"), (2, "class"), (1_000, "process"), (2, "batch"), (0, "epoch"))]
    assert told == ["1 class", "2 classes", "1,000 processes", "2 batches", "0 epochs"]


def test_lines_of_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play(make_plan(tmp_path), TrainingProgress())
    told = capsys.readouterr()
    lines = told.err.splitlines()
    assert not told.out and max(map(len, lines)) < 80 + len(str(tmp_path))
    start, end = "\n".join(lines[:-3]), lines[-3:]
    for words in ("small_net", "11.2 M parameters", "zoo:small", "a paper, 2015", "640 of 10 classes", "100 for validation", "cpu", "60 of 32",
                  "3 epochs of 20"):  # fmt: skip
        assert words in start
    assert (
        end[0].startswith("epoch 1/3  loss 2.300  val 2.000  top1 50.00%")
        and end[0].endswith("best")
        and not end[2].endswith("best")
    )


def test_the_head_is_folded_in_a_terminal_and_counts_what_is_frozen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    plan = make_plan(Path("run"))._replace(parameters=850, frozen=60_850)
    plan = plan._replace(recipe=replace(plan.recipe, source="words " * 20))
    TrainingProgress().begin(plan)
    lines = capsys.readouterr().err.splitlines()
    assert "61.7 k parameters, 850 of them trained" in lines[0]
    assert max(map(len, lines)) <= 60 and any(line.startswith(" " * 12 + "words") for line in lines)


def test_a_validation_without_a_number_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    progress = TrainingProgress()
    progress.begin(make_plan(tmp_path))
    progress.epoch(EpochReport(1, 20, 2.3, Measures(math.inf, 0.1, 0.5, 100), False, 0.1, 1.0, 0))
    assert "note: the loss on the validation pictures is inf" in capsys.readouterr().err


def test_a_long_epoch_has_ten_lines_of_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play(make_plan(tmp_path, epochs=1, steps_per_epoch=5000), TrainingProgress())
    lines = [
        line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch 1/1  ") and "img/s" in line
    ]
    assert len(lines) == 10 and lines[0].startswith("epoch 1/1  500/5,000  412 img/s") and "lr 0.1" in lines[0]
    assert max(map(len, lines)) <= 79


def test_one_line_that_changes_in_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("archc.cli.training_progress.STEP_S", 0.0)
    monkeypatch.setenv("COLUMNS", "80")
    play(make_plan(tmp_path), TrainingProgress())
    told = capsys.readouterr().err
    changing = [part for part in told.split("\r") if part.startswith("epoch 2/3  ") and "left" in part]
    assert changing and "img/s" in changing[-1] and "left" in changing[-1] and "lr" in changing[-1]
    assert max(len(part.rstrip()) for part in changing) <= 79
    assert told.endswith("\n") and told.count("best\n") == 2
