"""`archc train` as its users run it: a folder of pictures in, a run's folder out."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import archc
from archc.cli.training_progress import TrainingProgress
from archc.compiler.diagnostics import Failure
from archc.training.metrics import read_metrics
from archc.training.watching import RunPlan

from .program import Run, program
from .training_kills import free_port

SPEC = """archspec: 1
name: tiny
params: {classes: 10, width: 4}
input: {image: [3, 8, 8]}
graph: [{name: conv, conv: $width}, relu, global_avg_pool, {name: fc, linear: $classes}]
"""
RECIPE = """recipe: 1
epochs: 3
batch: 6
optimizer: {sgd: {lr: 0.1, momentum: 0.9}}
augment: [{random_crop: {size: 8, padding: 1}}, {flip: 0.5}]
data: {workers: 0}
log: {every: 2}
"""
FILES = ["best.safetensors", "checkpoints", "metrics.csv", "recipe.yaml", "run.json", "spec", "spec.yaml"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in a folder with a spec, a recipe, and pictures of three colours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("archc.training.driver.report_run", lambda *_: [])
    Path("tiny.yaml").write_text(SPEC, "utf-8")
    Path("recipe.yaml").write_text(RECIPE, "utf-8")
    draws = np.random.default_rng(0)
    for part, count in {"train": 6, "val": 2}.items():
        for at, name in enumerate(("blue", "green", "red")):
            folder = Path("photos", part, name)
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = draws.integers(0, 100, (9, 9, 3)).astype(np.uint8)
                pixels[..., 2 - at] += 120
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return program(capsys)


TRAIN = ("train", "tiny.yaml", "recipe.yaml", "--data", "photos", "--device", "cpu")


def test_a_folder_of_photos_becomes_a_model(run: Run) -> None:
    ran = run(*TRAIN, "-o", "run", "--set", "width=5", "--set", "optimizer.lr=0.2", "--epochs", "6")
    assert ran.code == 0, ran.err
    assert "classes = 3, as the pictures have" in ran.err and "epoch 6/6" in ran.err and "best" in ran.out
    assert sorted(os.listdir("run")) == FILES
    record = json.loads(Path("run/run.json").read_text("utf-8"))
    assert record["net"] == "tiny" and record["world_size"] == 1 and record["data"] == os.path.abspath("photos")
    assert 'labels: ["blue", "green", "red"]' in Path("run/spec.yaml").read_text("utf-8")
    recipe = Path("run/recipe.yaml").read_text("utf-8")
    assert "epochs: 6" in recipe and "lr: 0.2" in recipe
    built = run("build", "run/spec.yaml", "--weights", "run/best.safetensors", "-o", "tiny.onnx", "--format", "json")
    assert built.code == 0 and json.loads(built.out)["weights"]["missing"] == []
    told = json.loads(run("eval", "tiny.onnx", "photos/val", "--device", "cpu", "--format", "json").out)
    assert told["pictures"] == 6 and told["top1"] > 0.3
    assert run("check", "run/spec.yaml").code == 0


def test_a_spec_from_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is checked without the number of classes, and with it, and read once."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(SPEC.encode())))
    ran = run("train", "-", *TRAIN[2:], "-o", "run", "--epochs", "1")
    assert ran.code == 0 and "classes = 3" in ran.err and run("check", "run/spec.yaml").code == 0
    assert run("train", "-", "-", *TRAIN[3:], "-o", "other").code == 2


def test_numbers_do_not_take_the_labels_of_a_known_set(run: Run) -> None:
    Path("tiny.yaml").write_text(SPEC + "labels: cifar-10\n", "utf-8")
    for part in ("train", "val"):
        for at, name in enumerate(("blue", "green", "red")):
            Path("photos", part, name).rename(Path("photos", part, str(at + 7)))
    ran = run(*TRAIN, "-o", "run", "--epochs", "1")
    assert ran.code == 0 and "note: the classes are numbers" in ran.err and "classes = 3" in ran.err
    assert 'labels: ["7", "8", "9"]' in Path("run/spec.yaml").read_text("utf-8")
    Path("tiny.yaml").write_text(SPEC + f"labels: {json.dumps([str(n) for n in range(10)])}\n", "utf-8")
    ran = run(*TRAIN, "-o", "ten", "--epochs", "1", "--set", "classes=10")
    assert ran.code == 0 and "no picture is of `0`" in ran.err
    # as many outputs as the run has, whatever occurs
    ran = run("train", "--resume", "ten", "--epochs", "2", "--device", "cpu")
    assert ran.code == 0 and "of 10 classes" in ran.err, ran.err
    ran = run(*TRAIN, "-o", "five", "--set", "classes=5")
    assert ran.code == 1 and "the pictures have 3 classes, the net 5" in ran.err


def test_a_run_is_resumed_and_made_longer(run: Run) -> None:
    document = json.loads(run(*TRAIN, "-o", "run", "--format", "json").out)
    assert document["step"] == document["steps"] == 9 and document["best"]["metric"] == "top1"
    assert document["weights"] == "run/best.safetensors"
    refused = run(*TRAIN, "-o", "run")
    assert (
        refused.code == 2
        and "run-exists" in refused.err
        and "--resume run" in refused.err
        and "-o ANOTHER" in refused.err
    )
    assert "error[no-such-spec]" in run("train", "none", "--data", "photos", "-o", "none").err
    Path("photos/val").rename("val")
    refused = run("train", "--resume", "run")
    assert "error[no-pictures]" in refused.err and "--data DIR" in refused.err and "--set" not in refused.err
    Path("val").rename("photos/val")
    Path("run").rename("my run")
    refused = run(*TRAIN, "-o", "my run")
    assert "archc train --resume 'my run'" in refused.err
    Path("my run").rename("run")
    longer = json.loads(run("train", "--resume", "run", "--epochs", "4", "--format", "json").out)
    assert longer["step"] == 12
    shorter = run("train", "--resume", "run", "--epochs", "2")
    assert shorter.code == 2 and "archc build run/spec.yaml --weights run/best.safetensors" in " ".join(
        shorter.err.split()
    )
    assert json.loads(run("train", "--resume", "run", "--format", "json").out)["step"] == 12
    text = RECIPE + "schedule: cosine\n"
    Path("cosine.yaml").write_text(text, "utf-8")
    assert run("train", "tiny.yaml", "cosine.yaml", "--data", "photos", "-o", "cosine").code == 0
    refused = run("train", "--resume", "cosine", "--epochs", "5")
    assert refused.code == 2 and "cannot-extend" in refused.err and "spans the whole run" in refused.err


def test_weights_of_another_run(run: Run) -> None:
    assert run(*TRAIN, "-o", "first").code == 0
    ran = run(
        *TRAIN, "-o", "second", "--weights", "first/best.safetensors", "--weights-skip", "fc", "--set", "freeze=[conv]"
    )
    assert ran.code == 0 and "weights from best.safetensors: 2 tensors, and 2 from the seed: those of `fc`" in ran.err
    assert "other-classes" not in ran.err
    for part in ("train", "val"):
        Path("photos", part, "blue").rename(Path("photos", part, "violet"))
    other = run(*TRAIN, "--dry-run", "--weights", "first/best.safetensors")
    assert (
        other.code == 0
        and "warning[other-classes]: `first/best.safetensors` was trained for other classes, and as many: blue, green, red; here they are green, red, violet. `fc` starts from what it learned of those: --weights-skip fc has it start anew"
        in other.err
    )
    assert (
        "other-classes"
        not in run(*TRAIN, "--dry-run", "--weights", "first/best.safetensors", "--weights-skip", "fc").err
    )
    for part in ("train", "val"):
        Path("photos", part, "violet").rename(Path("photos", part, "blue"))
    assert "other-classes" not in run(*TRAIN, "--dry-run", "--weights", "first/best.safetensors").err
    import torch
    from safetensors.torch import load_file

    best = load_file("first/best.safetensors")
    torch.save({"ema": best, "model": {f"module.{name}": each for name, each in best.items()}}, "both.pth")
    told = run(*TRAIN, "--dry-run", "--weights", "both.pth", "--set", "data.split=0.5")
    assert told.code == 0 and {"train.csv", "val.csv"} <= {*told.out.split()}
    assert "val.csv" not in run(*TRAIN, "--dry-run").out
    assert (
        "weights from both.pth: 4 tensors; taken: `ema` (`model`, prefix `module.` fits, too: --weights-key,"
        in told.err
    )
    torch.save(best | {"head.weight": torch.ones(3)}, "more.pth")
    trained, built = (
        run(*TRAIN, "--dry-run", "--weights", "more.pth"),
        run("build", "first/spec.yaml", "--weights", "more.pth"),
    )
    for ran in (trained, built):
        assert "warning[weights-unused]: the net has no place for 1 tensor of more.pth (head.weight)" in ran.err
    refused = run(*TRAIN, "-o", "third", "--weights", "first/best.safetensors", "--set", "width=7")
    assert refused.code == 1 and "weights-misshapen" in refused.err and "was trained by" not in refused.err


@pytest.mark.parametrize(
    ("settings", "untrained"),
    [
        # by the spec's own start, and by the recipe's, of another seed than a build's
        (("freeze=[conv]", "seed=5"), ["conv"]),
        (("freeze=[conv]", "seed=5", "init={normal: {std: 0.3, bias: 1}}"), ["conv"]),
        (("freeze=[fc]", "init.layers.fc.xavier.bias=2"), ["fc"]),
        (("seed=5",), []),
    ],
)
def test_a_step_that_a_run_left_as_it_began_is_told_as_untrained(
    run: Run, settings: tuple[str, ...], untrained: list[str]
) -> None:
    chosen = [word for each in settings for word in ("--set", each)]
    assert run(*TRAIN, "-o", "run", "--epochs", "1", *chosen).code == 0
    build = ("build", "run/spec.yaml", "--weights", "run/best.safetensors", "--proof", "none", "--format", "json")
    told = json.loads(run(*build).out)["weights"]
    assert (told["untrained"], told["as_started"]) == (untrained, False)
    # a recipe that is not the run's tells nothing
    Path("run/recipe.yaml").write_text("recipe: 1\nseed: 6\n", "utf-8")
    assert json.loads(run(*build).out)["weights"]["untrained"] == []


def test_a_run_does_not_go_to_standard_output(run: Run) -> None:
    for more in ([], ["--dry-run"]):
        refused = run(*TRAIN, "-o", "-", *more)
        assert refused.code == 2 and "[usage]" in refused.err and "-o runs/first" in refused.err
    assert not Path("-").exists()


def test_a_build_by_another_spec_names_the_runs_own(run: Run) -> None:
    assert run(*TRAIN, "-o", "my run", "--epochs", "1").code == 0
    own = "was trained by `my run/spec.yaml`: archc build 'my run/spec.yaml' --weights 'my run/best.safetensors'"
    weights = Path("my run/best.safetensors")
    refused = run("build", "tiny.yaml", "--weights", str(weights))
    assert refused.code == 1 and "[weights-misshapen]" in refused.err and own in refused.err
    assert "another net's" not in refused.err
    with pytest.raises(Failure) as caught:
        archc.load("tiny.yaml").to_torch(weights=weights)
    assert "archc.load('my run/spec.yaml')" in str(caught.value.help)
    # a spec that was edited since is not the one that was trained, and neither has weights elsewhere
    Path("my run/spec.yaml").write_text(SPEC, "utf-8")
    assert "was trained by" not in run("build", "tiny.yaml", "--weights", str(weights)).err
    weights.rename("elsewhere.safetensors")
    assert "was trained by" not in run("build", "tiny.yaml", "--weights", "elsewhere.safetensors").err
    refused = run(*TRAIN, "-o", "fourth", "--weights-skip", "fc")
    assert refused.code == 2 and "--weights" in refused.err
    refused = run("train", "--resume", "first", "--weights-key", "model")
    assert refused.code == 2 and "leave out --weights-key" in refused.err


def test_rehearsals_write_nothing(run: Run) -> None:
    before = sorted(Path().rglob("*"))
    assert json.loads(run(*TRAIN, "--dry-run", "--format", "json").out)
    assert run(*TRAIN, "--overfit-batch", "--set", "optimizer.lr=0.5").code in (0, 1)
    assert sorted(Path().rglob("*")) == before
    assert run(*TRAIN, "--dry-run", "--overfit-batch").code == 2


def test_what_a_recipe_and_settings_do_not_fit_is_told(run: Run) -> None:
    warned = run(*TRAIN, "--dry-run", "--set", "data.val=null", "--set", "checkpoint.best=loss")
    assert warned.code == 0, warned.err
    assert "warning[no-validation]: --set checkpoint.best" in warned.err and "the last weights are kept" in warned.err
    refused = run(*TRAIN, "--dry-run", "--set", "data.val=null", "--set", "schedule=plateau")
    assert refused.code == 1 and refused.err.count("no-validation") == 1
    unknown = run(*TRAIN, "--dry-run", "--set", "frobnicate=1")
    assert unknown.code == 2 and "the spec has `classes`, `width`; a recipe has data, epochs" in unknown.err


def test_without_validation_nothing_is_measured(run: Run) -> None:
    """The last weights are kept and told as that; a run that goes on says the same."""
    ran = run(*TRAIN, "-o", "run", "--set", "data.val=null")
    assert ran.code == 0 and "the last weights, after step 9" in ran.out and "%" not in ran.out, ran.out
    assert "best" not in ran.err and "metric" not in ran.out
    document = json.loads(run("train", "--resume", "run", "--epochs", "4", "--format", "json").out)
    assert document["best"] == {"metric": None, "value": None, "step": 12}
    assert document["weights"] == "run/best.safetensors"


def test_ctrl_c_says_how_to_go_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def tick(self: TrainingProgress, step: int, epoch: int) -> None:
        if step == 4:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingProgress, "tick", tick)
        ran = run(*TRAIN, "-o", "run")
    assert ran.code == 130 and "step 4 of 9 is kept; this goes on: archc train --resume run" in ran.err
    assert "interrupted" in ran.err and not ran.out
    assert run("train", "--resume", "run").code == 0


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="there are no process groups")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_is_an_interruption(number: signal.Signals, run: Run) -> None:
    """As a scheduler, or `timeout`, ends a job: the processes that read pictures get it, too."""
    command = [sys.executable, "-m", "archc", *TRAIN, "-o", "run", "--epochs", "100000", "--set", "data.workers=2", "--set", "checkpoint.every.epochs=100000"]  # fmt: skip
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                               env=os.environ | {"OMP_NUM_THREADS": "1"})  # fmt: skip
    assert running.stderr is not None
    told = []
    for line in running.stderr:
        told.append(line)
        if line.startswith("epoch "):
            break
    os.killpg(running.pid, number)
    _, rest = running.communicate(timeout=60)
    err = "".join(told) + rest
    assert running.returncode == 130 and "error" not in err and "this goes on: archc train --resume run" in err, err
    step = int(re.search(r"note: step ([\d,]+) of", err)[1].replace(",", ""))  # type: ignore[index]
    assert Path(f"run/checkpoints/{step:08}.safetensors").exists()
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)


ENSEMBLE = """archspec: 1
name: pair
params: {classes: 10}
input: {image: [3, 8, 8]}
blocks:
  Net:
    steps: [{name: conv, conv: 4}, relu, global_avg_pool, {name: fc, linear: $classes}]
graph:
  - output: probabilities
    mean:
      - repeat: {i: 2}
        steps: [{name: member$i, Net: {}}, softmax]
"""


def test_an_ensemble_is_measured_and_built(run: Run) -> None:
    """Its average is the ONNX file that `archc build` makes of RUN, and does as well there as the run says."""
    import torch
    from safetensors.torch import load_file, save_file

    Path("tiny.yaml").write_text(ENSEMBLE, "utf-8")
    ran = run(
        *TRAIN, "-o", "run", "--set", "freeze=[member1.conv]", "--set", "init={normal: {layers: {conv: {bias: 1}}}}"
    )
    assert ran.code == 0, ran.err
    save_file(load_file("run/best.safetensors") | {"more.weight": torch.ones(3)}, "more.safetensors")
    again = run(*TRAIN, "-o", "again", "--weights", "more.safetensors", "--epochs", "1")
    # both members read the file
    assert again.code == 0 and again.err.count("weights from more") == 2 and again.err.count("[weights-unused]") == 1
    assert (
        "measuring 2 members and their average on 6 pictures" in ran.err and "archc run run/pair.onnx PHOTO" in ran.out
    )
    # a member goes on with the whole
    for more in ((), ("--epochs", "4")):
        refused = run("train", "--resume", "run/members/member0", *more)
        assert (
            refused.code == 2
            and refused.err.count("error[") == 1
            and "= help: archc train --resume run\n" in refused.err
        ), refused.err
    # a member's own page, which this fixture does without
    Path("run/members/member1/report.html").write_text("", "utf-8")
    # as one goes on that was killed before all was written
    Path("run/pair.onnx").unlink()
    ran = run("train", "--resume", "run", "--device", "cpu", "--format", "json")
    document = json.loads(ran.out)
    assert ran.code == 0 and document["build"]["artifacts"][0]["path"] == "run/pair.onnx" and document["best"] is None
    built = run("build", "run/spec.yaml", "--weights", "run/best.safetensors", "-o", "again.onnx")
    assert built.code == 0 and "2 tensors untrained (member1.conv)" in built.out
    assert Path("run/pair.onnx").read_bytes() == Path("again.onnx").read_bytes()
    told = json.loads(run("eval", "run/pair.onnx", "photos/val", "--device", "cpu", "--format", "json").out)
    found = document["ensemble"]
    assert found["average"]["top1"] == told["top1"] and [each["name"] for each in found["members"]] == [
        "member0",
        "member1",
    ]
    for each in found["members"]:
        place = Path(each["folder"])
        row = next(
            row
            for row in read_metrics(place / "metrics.csv")
            if row["split"] == "val" and int(row["step"]) == each["best_step"]
        )
        assert each["top1"] == pytest.approx(float(row["top1"])) and each["loss"] == pytest.approx(
            float(row["loss"]), rel=1e-5
        )
    page = Path("run/report.html").read_text("utf-8")
    assert (
        '<a href="members/member1/report.html">member1</a>' in page
        and "<td>member0</td>" in page
        and "<b>average</b>" in page
    )
    assert "2 members, whose probabilities are averaged" in page and "Classes, the worst first" in page


def interrupt(self: TrainingProgress, step: int, epoch: int) -> None:
    if step == 2 and self.plan and self.plan.net == "pair.member1":
        os.kill(os.getpid(), signal.SIGINT)


def interrupt_at_once(self: TrainingProgress, plan: RunPlan) -> None:
    raise KeyboardInterrupt


def diverge(*_: object) -> None:
    raise Failure("diverged", "the loss is nan at step 1", "try a lower learning rate", 1)


# what is put in a watcher's place; the code; what is said; the box of RUN/report.html, which is not there without
EARLY_ENDS = {
    "interrupted": ("tick", interrupt, 130, "--resume run", "interrupted in the member member1, after step 2 of 9"),
    "diverged": ("tick", diverge, 1, "diverged", "diverged: in the member member0, the loss is nan at step 1"),
    "before the first step": ("begin", interrupt_at_once, 130, "newest checkpoint: archc train --resume run", ""),
}


@pytest.mark.parametrize("name", EARLY_ENDS)
def test_an_ensemble_that_ends_before_its_time(run: Run, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its page tells why, with what there is; where it is trained to its end later, that page takes its place."""
    Path("tiny.yaml").write_text(ENSEMBLE, "utf-8")
    event, happen, code, words, box = EARLY_ENDS[name]
    with monkeypatch.context() as patch:
        patch.setattr(TrainingProgress, event, happen)
        ran = run(*TRAIN, "-o", "run")
    assert ran.code == code and words in ran.err, ran.err
    page = Path("run/report.html")
    assert page.exists() == bool(box)
    assert not box or (
        f"The run ended before its time: {box}" in page.read_text("utf-8")
        and "<td>member1</td>" in page.read_text("utf-8")
    )
    if code == 130:
        assert run("train", "--resume", "run").code == 0
        assert "The run is finished." in page.read_text("utf-8") and "before its time" not in page.read_text("utf-8")


def test_an_ensemble_that_cannot_be_built_is_trained(run: Run) -> None:
    Path("tiny.yaml").write_text(ENSEMBLE, "utf-8")
    assert run(*TRAIN, "-o", "run", "--epochs", "1", "--set", "data.val=null").code == 0
    Path("run/pair.onnx").unlink()
    Path("run/pair.onnx").mkdir()
    ran = run("train", "--resume", "run", "--device", "cpu")
    assert ran.code == 2 and "output-is-folder" in ran.err
    assert "the ensemble is trained; archc build run/spec.yaml --weights run/best.safetensors builds it" in ran.err
    assert "validation loss" in Path("run/report.html").read_text("utf-8")


def test_a_bundled_net_takes_its_own_recipe(run: Run) -> None:
    ran = run("train", "lenet5_modern", "--data", "photos", "--dry-run", "--set", "batch=6")
    assert "using the bundled recipe digits" in ran.err, ran.err


def test_a_share_for_validation_is_listed(run: Run) -> None:
    Path("tiny.yaml").write_text(SPEC + "preprocess: {mean: [0.5], std: [0.5]}\n", "utf-8")
    ran = run(
        *TRAIN,
        "-o",
        "run",
        "--epochs",
        "1",
        "--set",
        "data.split=0.34",
        "--set",
        "freeze=[conv]",
        "--set",
        "schedule.steps.at=[2]",
    )
    assert ran.code == 0, ran.err
    # 3·4 + 4 of the convolution, and 4·3 + 3
    assert "31 parameters, 15 of them trained" in ran.err and "warning[beyond-end]" in ran.err
    lines = Path("run/val.csv").read_text("utf-8").splitlines()
    assert lines[0] == "path,class" and len(lines) == 7 and lines[1].endswith(",blue")
    trained = Path("run/train.csv").read_text("utf-8").splitlines()
    assert trained[0] == lines[0] and len({*trained, *lines}) == 19 and len(trained) == 13
    ran = run(
        "build",
        "run/spec.yaml",
        "--weights",
        "run/best.safetensors",
        "--precision",
        "int8",
        "--calibrate",
        "run/train.csv",
        "-o",
        "tiny.onnx",
        "--max-error",
        "1",
    )
    assert ran.code == 0, ran.err
    told = json.loads(run("eval", "tiny.onnx", "run/val.csv", "--device", "cpu", "--format", "json").out)
    assert told["pictures"] == 6


def test_what_a_finished_run_says(run: Run) -> None:
    assert run(*TRAIN, "-o", "run", "--epochs", "1").code == 0
    ran = run("train", "--resume", "run", "--device", "cpu")
    assert ran.code == 0 and "finished already" in ran.out and "--resume run --epochs 2" in ran.out
    record = json.loads(Path("run/run.json").read_text("utf-8"))
    assert [(each["first"], each["last"]) for each in record["sessions"]] == [(0, 3), (3, 3)]
    Path("photos").rename("moved")
    ran = run("train", "--resume", "run", "--epochs", "2")
    assert ran.code == 2 and "archc train --resume run --data DIR" in ran.err
    assert run("train", "--resume", "run", "--epochs", "2", "--data", "moved", "--device", "cpu").code == 0
    assert (
        run(
            "train",
            "tiny.yaml",
            "recipe.yaml",
            "--data",
            "moved",
            "-o",
            "one",
            "--set",
            "schedule=cosine",
            "--device",
            "cpu",
        ).code
        == 0
    )
    ran = run("train", "--resume", "one", "--epochs", "9")
    assert ran.code == 2 and "--weights one/best.safetensors" in ran.err


def test_warnings_for_another_length_are_told(run: Run) -> None:
    ran = run(
        "train",
        "resnet20_cifar_optA",
        "--data",
        "photos",
        "--dry-run",
        "--epochs",
        "8",
        "--device",
        "cpu",
        "--set",
        "batch=6",
    )
    assert ran.code == 0 and "warning[beyond-end]" in ran.err, ran.err


def torchrun(folder: Path, *words: str, nodes: int = 1) -> list[subprocess.CompletedProcess[str]]:
    """The command under torchrun: two processes on one node, or one on each of two that meet on this machine."""
    start = [sys.executable, "-m", "torch.distributed.run"]
    port = str(free_port())
    places = [["--nproc-per-node", "2", "--master-port", port]]
    if nodes == 2:
        places = [["--nnodes", "2", "--node-rank", str(rank), "--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", port]
                  for rank in range(2)]  # fmt: skip
    running = [
        subprocess.Popen([*start, *place, "-m", "archc", *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         env=os.environ | {"OMP_NUM_THREADS": "1"})
        for place in places
    ]  # fmt: skip
    found = []
    try:
        for process in running:
            out, err = process.communicate(timeout=240)
            found.append(subprocess.CompletedProcess(process.args, process.returncode, out, err))
    finally:
        # torchrun ends the processes that it has started
        for process in running:
            process.terminate()
    return found


@pytest.mark.slow
def test_torchrun_on_one_node_and_on_two(run: Run, tmp_path: Path) -> None:
    one = torchrun(tmp_path, *TRAIN, "-o", "one", "--format", "json")
    two = torchrun(tmp_path, *TRAIN, "-o", "two", "--format", "json", nodes=2)
    assert [each.returncode for each in (*one, *two)] == [0, 0, 0], [each.stderr[-2000:] for each in (*one, *two)]
    # the first process alone answers
    documents = [json.loads(each.stdout) for each in (*one, *two) if each.stdout]
    assert [each["processes"] for each in documents] == [2, 2] and one[0].stderr.count("epoch 1/3") == 1
    assert (tmp_path / "one/best.safetensors").read_bytes() == (tmp_path / "two/best.safetensors").read_bytes()
    ran = run("train", "--resume", "one")
    assert ran.code == 1 and "checkpoint-world-size" in ran.err and "torchrun --nproc-per-node 2" in ran.err
