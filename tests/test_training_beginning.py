"""How a run begins: what can be wrong is told before RUN is there, what it starts from is in RUN before it has begun, and one at a time has it."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from archc import Failure
from archc.compiler.diagnostics import SpecError
from archc.runtime.disk import take_lock
from archc.training import driver, members, resume, train
from archc.training.data import TrainingData
from archc.training.data.pictures import ArrayPictures
from archc.training.driver import open_run
from archc.training.learner import make_learner
from archc.training.recipe.recipe import (
    Augmentation,
    CheckpointRules,
    DataRules,
    LossRules,
    OptimizerRules,
    Recipe,
    ScheduleRules,
)
from archc.training.requests import plan_request
from archc.training.watching import RunPlan, Watcher

from .training_nets import MEMBERS, SMALL

DRAWS = np.random.default_rng(5)
TARGETS = np.arange(24) % 3
PICTURES = ArrayPictures(DRAWS.integers(0, 256, (24, 6, 6), np.uint8), TARGETS, 3, "memory")
DATA = TrainingData(PICTURES, PICTURES, ("x", "y", "z"), "in memory")
RECIPE = Recipe("small", batch=6, epochs=2, optimizer=OptimizerRules("sgd", {"lr": 0.05, "momentum": 0.9}), data=DataRules(workers=0))  # fmt: skip


class Killed(BaseException):
    """What no code expects, as a kill."""


pytestmark = pytest.mark.usefixtures("without_report")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(SMALL, "utf-8")
    (tmp_path / "members.yaml").write_text(MEMBERS, "utf-8")
    return tmp_path


def begin(folder: Path, spec: str = "small.yaml", recipe: Recipe = RECIPE, **more: Any) -> Any:
    return train(folder / spec, recipe, output=folder / "run", device="cpu", **{"data": DATA, **more})


def weights_of(run: Path) -> dict[str, Any]:
    return load_file(run / "best.safetensors")


class Stop(Watcher):
    """Stops a run after so many steps of all its members, as a kill does."""

    def __init__(self, at: int) -> None:
        self.left = at

    def tick(self, step: int, epoch: int) -> None:
        self.left -= 1
        if not self.left:
            raise Killed


@pytest.mark.parametrize(("spec", "at"), [("small.yaml", 1), ("members.yaml", 1), ("members.yaml", 9)])
def test_a_run_that_is_resumed_starts_from_the_same_weights(folder: Path, spec: str, at: int) -> None:
    """Those of --weights are in RUN from the beginning, those of the members that are trained later, too."""
    begin(folder, spec, replace(RECIPE, seed=7, epochs=1))
    start = (folder / "run").rename(folder / "start") / "best.safetensors"
    whole = begin(folder, spec, weights=start)
    expected = weights_of(whole.folder)
    whole.folder.rename(folder / "whole")
    with pytest.raises(Killed):
        begin(folder, spec, weights=start, watchers=[Stop(at)])
    start.unlink()
    assert resume(folder / "run", data=DATA, device="cpu").reason == "finished"
    found = weights_of(folder / "run")
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


class Alive(Watcher):
    """How many nets there are at each member's start."""

    def __init__(self) -> None:
        self.made: list[weakref.ref[Any]] = []
        self.counts: list[int] = []

    def make(self, network: Any, *rest: Any) -> Any:
        self.made.append(weakref.ref(network))
        return make_learner(network, *rest)

    def begin(self, plan: RunPlan) -> None:
        self.counts.append(sum(each() is not None for each in self.made))


def test_members_are_not_kept_in_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One at a time, whether it begins or is trained: seven nets as large as AlexNet would add up. What they take of the disk is told."""
    alive = Alive()
    monkeypatch.setattr(driver, "make_learner", alive.make)
    (folder / "members.yaml").write_text(MEMBERS.replace("i: 2", "i: 3"), "utf-8")
    told: list[str] = []
    request = plan_request(str(folder / "members.yaml"), RECIPE, folder / "run", data=DATA, device="cpu", watchers=[alive], tell=told.append)  # fmt: skip
    assert members.train_any(request).reason == "finished"
    assert len(alive.made) == 6 and alive.counts == [1, 1, 1]
    assert any(text.startswith("note: the 3 members take up to ") and "of the disk" in text for text in told)


def test_a_disk_that_is_too_small_is_told_before(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("archc.training.disk_space.free_bytes", lambda place: 1000)
    request = plan_request(
        str(folder / "small.yaml"), RECIPE, folder / "run", data=DATA, device="cpu", tell=told.append
    )
    with open_run(request):
        pass
    assert [text for text in told if "of the disk" in text] == [
        "note: the run takes up to 1.5 KiB of the disk, which has 1000 B left: too little; --set checkpoint.keep=1 takes less"
    ]


@pytest.mark.parametrize(("spec", "module"), [("small.yaml", driver), ("members.yaml", members)])
def test_what_a_killed_beginning_leaves_is_taken_by_the_next(
    folder: Path, spec: str, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise Killed

    run = folder / "run"
    with monkeypatch.context() as patch:
        patch.setattr(module, "begin_folder", die)
        patch.setattr("archc.training.run_lock.take_back", lambda *_: None)
        with pytest.raises(Killed):
            begin(folder, spec)
    assert (run / "checkpoints").exists() or (run / "members").exists()
    with pytest.raises(Failure) as caught:
        resume(run, data=DATA, device="cpu")
    assert caught.value.code == "no-such-run"
    assert begin(folder, spec, recipe=replace(RECIPE, epochs=1)).reason == "finished"


def other_tensors(folder: Path) -> dict[str, Any]:
    save_file({"nothing": np.zeros(3, np.float32)}, folder / "other.safetensors")
    return {"weights": folder / "other.safetensors"}


# by the names of the whole ensemble: what the members start from, by its number of file, and what stays so to the end
STARTS: dict[str, tuple[dict[str, int], dict[str, Any], tuple[str, ...]]] = {
    "both from files": ({"member0": 0, "member1": 1}, {}, ()),
    "both from one file": ({"member0": 0, "member1": 0}, {}, ()),
    "one from a file": ({"member1": 1}, {}, ()),
    "a step of one": ({"member0.conv": 0}, {}, ()),
    "without a step of one": ({"member0": 0, "member1": 1}, {"weights_skip": ["member1.fc"]}, ()),
    "a frozen step of each": ({"member0": 0, "member1": 1}, {}, ("member0.conv", "member1.fc")),
    "a frozen step of one": ({"member0": 0, "member1": 1}, {}, ("member1.conv",)),
}


@pytest.mark.parametrize("name", STARTS)
def test_members_start_from_weights_of_their_own(folder: Path, name: str) -> None:
    """As `archc build` takes them; a run of them goes on after a kill."""
    files, more, frozen = STARTS[name]
    given = []
    for at in range(2):
        tensors = {"conv.weight": (4, 1, 3, 3), "conv.bias": (4,), "fc.weight": (3, 4), "fc.bias": (3,)}
        given.append({key: DRAWS.normal(size=shape).astype(np.float32) for key, shape in tensors.items()})
        save_file(given[at], folder / f"{at}.safetensors")
    weights = {step: folder / f"{at}.safetensors" for step, at in files.items()}
    recipe = replace(RECIPE, freeze=frozen)
    with pytest.raises(Killed):
        begin(folder, "members.yaml", recipe, weights=weights, watchers=[Stop(1)], **more)
    for member in ("member0", "member1"):
        started = load_file(folder / f"run/members/{member}/checkpoints/00000000.safetensors")
        for step in ("conv", "fc"):
            path = f"{member}.{step}"
            at = files.get(path, files.get(member))
            from_file = at is not None and path not in more.get("weights_skip", ())
            found = started[f"model.{path}.weight"]
            assert np.array_equal(found, given[at or 0][f"{step}.weight"]) == from_file, path
    assert resume(folder / "run", data=DATA, device="cpu").reason == "finished"
    ended = weights_of(folder / "run")
    for member, at in files.items():
        for step in ("conv", "fc") if "." not in member else ():
            stays = np.array_equal(ended[f"{member}.{step}.weight"], given[at][f"{step}.weight"])
            assert stays == (f"{member}.{step}" in frozen), step


@pytest.mark.parametrize("given", ["file", "state dict"])
def test_weights_under_other_names(folder: Path, given: str) -> None:
    """A key, a prefix and a map of names, as `archc train` and `net.to_torch` take them; and a first layer for grey pictures."""
    shapes = {"net.conv0.weight": (4, 3, 3, 3), "net.conv0.bias": (4,), "net.fc.weight": (3, 4), "net.fc.bias": (3,)}
    theirs = {name: torch.from_numpy(DRAWS.normal(size=shape).astype(np.float32)) for name, shape in shapes.items()}
    content = {"model": theirs, "other": {name: value * 0 for name, value in theirs.items()}}
    torch.save(content, folder / "theirs.pth")
    (folder / "names.yaml").write_text("conv: conv0\n", "utf-8")
    weights, names = (folder / "theirs.pth", folder / "names.yaml") if given == "file" else (content, {"conv": "conv0"})
    with pytest.raises(Killed):
        begin(folder, weights=weights, weights_key="model", weights_prefix="net.", weights_map=names, weights_input="sum", watchers=[Stop(1)])  # fmt: skip
    started = load_file(folder / "run/checkpoints/00000000.safetensors")
    assert np.array_equal(started["model.fc.weight"], theirs["net.fc.weight"])
    assert np.allclose(started["model.conv.weight"], theirs["net.conv0.weight"].sum(1, keepdim=True), atol=1e-6)


def unknown_member(folder: Path) -> dict[str, Any]:
    return {**other_tensors(folder), "weights": {"member2": folder / "other.safetensors"}}


UNFIT: dict[str, tuple[Callable[[Path], dict[str, Any]], str]] = {
    "weights that are not there": (lambda folder: {"weights": folder / "none.safetensors"}, ""),
    "weights of another net": (other_tensors, ""),
    "weights of a step that is not there": (unknown_member, "no-such-step"),
    "a key without weights": (lambda _: {"weights_key": "model"}, "bad-option"),
    "a key that is no text": (lambda folder: {**other_tensors(folder), "weights_key": 3}, "bad-option"),
    "a map that is none": (lambda folder: {**other_tensors(folder), "weights_map": 3}, "bad-option"),
    "a map of other stars": (lambda folder: {**other_tensors(folder), "weights_map": {"*": "a"}}, "bad-option"),
    "another way for channels": (lambda folder: {**other_tensors(folder), "weights_input": "mean"}, "bad-option"),
    "weights that are none": (lambda _: {"weights": 3}, "bad-option"),
    "a frozen step that is not there": (lambda _: {"recipe": replace(RECIPE, freeze=("convv",))}, "no-such-step"),
    "nothing to train": (lambda _: {"recipe": replace(RECIPE, freeze=("conv", "fc"))}, "nothing-to-train"),
    "plateau without validation": (
        lambda _: {"data": DATA._replace(val=None), "recipe": replace(RECIPE, schedule=ScheduleRules("plateau"))},
        "no-validation",
    ),
    "a batch over the pictures": (lambda _: {"recipe": replace(RECIPE, batch=48)}, "too-few-pictures"),
    "a batch in odd parts": (lambda _: {"recipe": replace(RECIPE, accumulate=4)}, "out-of-range"),
    "event files without the package": (lambda _: {"settings": ["log.tensorboard=true"]}, "package-missing"),
    "class weights of another number": (lambda _: {"settings": ["loss.class_weights=[1, 2]"]}, "class-weights"),
}


@pytest.mark.parametrize("spec", ["small.yaml", "members.yaml"])
@pytest.mark.parametrize("name", UNFIT)
def test_what_cannot_begin_leaves_nothing(folder: Path, name: str, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, code = UNFIT[name]
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    wanted = make(folder)
    if (frozen := wanted.get("recipe", RECIPE).freeze) and spec == "members.yaml":
        # the second member's, by the names of the whole
        wanted["recipe"] = replace(RECIPE, freeze=tuple(f"member1.{path}" for path in frozen))
    with pytest.raises((Failure, SpecError)) as caught:
        begin(folder, spec, **wanted)
    found = caught.value.code if isinstance(caught.value, Failure) else caught.value.diagnostics[0].code
    assert not code or found == code
    assert not (folder / "run").exists()


def with_values(**values: Any) -> Recipe:
    return replace(RECIPE, optimizer=OptimizerRules("sgd", {"lr": 0.1, **values}))


NUMBERS: dict[str, Recipe] = {
    "numpy integer": replace(RECIPE, batch=np.int64(6)),
    "numpy float": with_values(lr=np.float64(0.25), momentum=np.float32(0.5)),
    "array of no dimension": replace(RECIPE, clip=np.array(0.5)),
    "tensor": with_values(lr=torch.tensor(0.25)),
    "numpy boolean": with_values(momentum=0.9, nesterov=np.bool_(True)),
    "list and tuple": replace(RECIPE, augment=[Augmentation("random_crop", {"size": (6, np.int8(6))})]),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_other_libraries(folder: Path, name: str) -> None:
    given = NUMBERS[name]
    found = plan_request(str(folder / "small.yaml"), given, None, data=DATA).recipe
    assert type(found.batch) is int and found.batch == 6 and found.clip in (None, 0.5)
    for key, value in given.optimizer.values.items():
        assert found.optimizer.values[key] == value and type(found.optimizer.values[key]) in (float, bool)
    assert [step.name for step in found.augment] == [step.name for step in given.augment]


# what no recipe holds, and what is said of it
OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "a word in augment": ({"augment": ("flip",)}, "`augment[0]` cannot be 'flip', of type str"),
    "a step without values": ({"augment": (Augmentation("flip", None),)}, "`augment[0].values` cannot be None"),  # type: ignore[arg-type]
    "a word for the schedule": ({"schedule": "cosine"}, "`schedule` cannot be 'cosine'"),
    "a number for the warm-up": ({"schedule": ScheduleRules("cosine", warmup=5)}, "`schedule.warmup` cannot be 5"),  # type: ignore[arg-type]
    "a share for the split": ({"data": DataRules(split=0.1)}, "`data.split` cannot be 0.1"),  # type: ignore[arg-type]
    "no optimizer": ({"optimizer": None}, "`optimizer` cannot be None"),
    "no data": ({"data": None}, "`data` cannot be None"),
    "a mapping for the data": ({"data": {"workers": 0}}, "`data` cannot be {'workers': 0}"),
    "a dtype": ({"precision": torch.bfloat16}, "`precision` cannot be torch.bfloat16"),
    "a surrogate": ({"name": "a\ud800"}, "`name` is 'a\\ud800', and a lone surrogate"),
    "no interval": ({"checkpoint": CheckpointRules(every_epochs=None)}, "`steps` wants an integer of at least 1, not null"),
    "an array": ({"loss": LossRules(class_weights=np.ones(3))}, "`loss.class_weights` cannot be array([1., 1., 1.])"),
    "a range": ({"schedule": ScheduleRules("steps", {"at": range(2)})}, "`schedule.values.at` cannot be range(0, 2)"),
    "a huge number": ({"batch": 10**5000}, "`batch` cannot be an integer of 16610 bits"),
    "a key that is none": ({"optimizer": OptimizerRules("sgd", {"lr: 1}": 1})}, "a key of `optimizer.values` cannot be 'lr: 1}'"),
    "a name that is none": ({"optimizer": OptimizerRules("sgd: {")}, "`optimizer.name` cannot be 'sgd: {'"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_a_recipe_of_other_values_is_refused(folder: Path, name: str) -> None:
    changes, words = OTHERS[name]
    with pytest.raises((Failure, SpecError)) as caught:
        plan_request(str(folder / "small.yaml"), replace(RECIPE, **changes), None, data=DATA)
    assert words in str(caught.value)
    assert isinstance(caught.value, SpecError) or caught.value.code == "wrong-type"


def test_a_string_is_one_setting(folder: Path) -> None:
    assert plan_request(str(folder / "small.yaml"), RECIPE, None, data=DATA, settings="batch=12").recipe.batch == 12
    with pytest.raises(Failure, match="settings: 4 is no string"):
        plan_request(str(folder / "small.yaml"), RECIPE, None, data=DATA, settings=[4])  # type: ignore[list-item]


def test_a_full_disk_at_the_beginning_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise Failure("disk-full", "no space", exit_code=3)

    monkeypatch.setattr(driver, "begin_folder", fail)
    for made in (False, True):
        if made:
            (folder / "run").mkdir()
        with pytest.raises(Failure):
            begin(folder)
        assert (folder / "run").exists() == made
        assert not made or not list((folder / "run").iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks")
def test_one_at_a_time_has_a_run(folder: Path) -> None:
    run = folder / "run"

    class Resume(Watcher):
        def tick(self, step: int, epoch: int) -> None:
            found.append(second("resume"))
            found.append(second("train"))
            raise Killed

    def second(how: str) -> str:
        with pytest.raises(Failure) as caught:
            resume(run, data=DATA, device="cpu") if how == "resume" else begin(folder)
        return caught.value.code

    found: list[str] = []
    with pytest.raises(Killed):
        begin(folder, watchers=[Resume()])
    assert found == ["run-in-use", "run-exists"]
    # what a kill leaves is no lock, and an unfinished file goes
    (run / ".lock").touch()
    (run / "checkpoints/.00000003.safetensors.999999.abcdef01xyz.archc-partial").mkdir()
    assert resume(run, data=DATA, device="cpu").reason == "finished"
    assert not [each.name for each in run.rglob(".*")]
    # two beginnings
    (folder / "run").rename(folder / "first")
    run.mkdir()
    lock = take_lock(run / ".lock")
    assert second("train") == "run-in-use"
    os.close(lock)


def test_a_refused_resume_changes_nothing(folder: Path) -> None:
    begin(folder)
    run = folder / "run"
    recipe = (run / "recipe.yaml").read_text("utf-8")
    for old in (run / "checkpoints").glob("*"):
        old.unlink()
    with pytest.raises(Failure) as caught:
        resume(run, data=DATA, epochs=9, device="cpu")
    assert caught.value.code == "checkpoint-damaged"
    assert (run / "recipe.yaml").read_text("utf-8") == recipe


def test_classes_that_do_not_reach_the_last_layer(folder: Path) -> None:
    (folder / "small.yaml").write_text(SMALL.replace("out: 4", "out: $classes").replace("linear: $classes", "linear: 5"), "utf-8")  # fmt: skip
    with pytest.raises(Failure) as caught:
        begin(folder)
    assert caught.value.code == "class-count"
    assert "whatever `classes` is" in caught.value.message
    assert not (folder / "run").exists()


def test_a_link_that_leads_nowhere_is_no_run(folder: Path) -> None:
    (folder / "run").symlink_to("nowhere")
    with pytest.raises(Failure) as caught:
        begin(folder, recipe=replace(RECIPE, schedule=ScheduleRules()))
    assert (caught.value.code, caught.value.exit_code) == ("run-exists", 2)
