"""A run's folder as it is not to be: whatever is in its files, going on with it works, or tells in one message what to do."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from archc import Failure
from archc.compiler.diagnostics import SpecError
from archc.compiler.driver import check
from archc.runtime.evaluation.examples import read_csv
from archc.training import resume, train
from archc.training.broken import BrokenPictures, read_broken
from archc.training.checkpoint.checksum import checksum
from archc.training.checkpoint.identity import hash_recipe
from archc.training.checkpoint.write import HEADER
from archc.training.data import TrainingData
from archc.training.data.classes import SpecClasses, name_classes
from archc.training.data.pictures import ArrayPictures, ChosenPictures, FilePictures, PathList
from archc.training.metrics import read_metrics
from archc.training.recipe.recipe import CheckpointRules, DataRules, OptimizerRules, Recipe, ScheduleRules
from archc.training.report.weights import load_best
from archc.training.run_folder import RunFolder
from archc.training.run_lock import TABLES
from archc.training.tables import cut_torn_end

from .training_nets import SMALL

DRAWS = np.random.default_rng(5)
PICTURES = ArrayPictures(DRAWS.integers(0, 256, (24, 6, 6), np.uint8), np.arange(24) % 3, 3, "memory")
DATA = TrainingData(PICTURES, PICTURES, ("x", "y", "z"), "in memory")
OPTIMIZERS = {
    "sgd": {"lr": 0.05, "momentum": 0.9},
    "adam": {"lr": 0.01, "amsgrad": True},
    "adamw": {"lr": 0.01},
    "rmsprop": {"lr": 0.01, "momentum": 0.5, "centered": True},
}
RECIPE = Recipe("small", batch=6, epochs=2, optimizer=OptimizerRules("adam", OPTIMIZERS["adam"]), data=DataRules(workers=0), ema=0.9,
                checkpoint=CheckpointRules(keep=1))  # fmt: skip


pytestmark = pytest.mark.usefixtures("without_report")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is finished, and may become longer."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "small.yaml").write_text(SMALL, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archc.training.driver.report_run", lambda *_: [])
        train(folder / "small.yaml", RECIPE, data=DATA, output=folder / "run", device="cpu")
    return folder / "run"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def newest(run: Path) -> Path:
    return sorted((run / "checkpoints").iterdir())[-1]


def change(
    run: Path, edit: Callable[[dict[str, Any], dict[str, torch.Tensor]], Any], count: bool = True, seal: bool = True
) -> None:
    """Writes the newest checkpoint anew with its header and tensors edited, and with their checksum (`seal`): as somebody writes who means it."""
    path = newest(run)
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()[HEADER])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    edit(header, tensors)
    if count and "tensors" in header:
        header["tensors"] = len(tensors)
    if seal:
        header["crc32"] = checksum({key: value for key, value in header.items() if key != "crc32"}, tensors)
    save_file(tensors, path, {HEADER: json.dumps(header)})


def entry(*path: str, to: Any) -> Callable[[Path], None]:
    """Sets an entry of the header."""

    def edit(header: dict[str, Any], _: dict[str, torch.Tensor]) -> None:
        place = header
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to

    return lambda run: change(run, edit, count=path != ("tensors",))


def tensor(name: str, to: torch.Tensor | None) -> Callable[[Path], None]:
    """Replaces a tensor, or takes it out."""

    def edit(_: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        tensors.pop(name, None)
        if to is not None:
            tensors[name] = to

    return lambda run: change(run, edit)


def without(prefix: str, count: bool = True) -> Callable[[Path], None]:
    """Takes out all tensors of a part."""

    def edit(_: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        for name in [each for each in tensors if each.startswith(prefix)]:
            del tensors[name]

    return lambda run: change(run, edit, count)


def turn_bit(_: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    """As a disk may: the sign of one weight."""
    tensors["model.fc.bias"][0] *= -1


def turn_digit(header: dict[str, Any], _: dict[str, torch.Tensor]) -> None:
    """Of a sum of losses."""
    header["progress"]["epoch_losses"]["values"] = {"": 0.125}


def pipe(name: str) -> Callable[[Path], None]:
    """A pipe in the place of a file, which nobody writes to."""

    def put(run: Path) -> None:
        place = newest(run) if name == "checkpoint" else run / name
        place.unlink(missing_ok=True)
        os.mkfifo(place)

    return put


def text(name: str, content: str) -> Callable[[Path], None]:
    return lambda run: (run / name).write_text(content, "utf-8") and None  # type: ignore[func-returns-value]


def deep(run: Path) -> None:
    path = newest(run)
    save_file({"x": torch.zeros(1)}, path, {HEADER: "[" * 100_000})


DAMAGED, NO_RUN = "checkpoint-damaged", "no-such-run"
DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a turned bit": (lambda run: change(run, turn_bit, seal=False), DAMAGED),
    "a turned digit": (lambda run: change(run, turn_digit, seal=False), DAMAGED),
    "no checksum": (lambda run: change(run, lambda header, _: header.pop("crc32"), seal=False), DAMAGED),
    "a negative step": (entry("progress", "step", to=-1), DAMAGED),
    "an infinite step": (entry("progress", "step", to=float("inf")), DAMAGED),
    "a huge step": (entry("progress", "step", to=10**400), DAMAGED),
    "a step that is a word": (entry("progress", "step", to="8"), DAMAGED),
    "another step than its name's": (entry("progress", "step", to=3), DAMAGED),
    "no progress": (entry("progress", to=None), DAMAGED),
    "progress without plateau": (entry("progress", to={"step": 8}), DAMAGED),
    "an unknown key": (entry("progress", "plateau", "more", to=1), DAMAGED),
    "a plateau of words": (entry("progress", "plateau", "lowered", to="x"), DAMAGED),
    "losses that are a list": (entry("progress", "epoch_losses", "values", to=[1]), DAMAGED),
    "losses of more steps": (entry("progress", "report_losses", "steps", to=99), DAMAGED),
    "a best of true": (entry("progress", "best", to=True), DAMAGED),
    "a best of later": (entry("progress", "best", to={"step": 99, "value": 0.5}), DAMAGED),
    "a scaler of words": (entry("progress", "scaler", to={"scale": "x"}), DAMAGED),
    "an identity that is a list": (entry("made_by", to=[]), DAMAGED),
    "a hash that is a number": (entry("made_by", "spec", to=3), DAMAGED),
    "versions that are a word": (entry("made_by", "versions", to="torch"), DAMAGED),
    "threads of words": (entry("made_by", "threads", to="one"), DAMAGED),
    "another number of tensors": (entry("tensors", to=3), DAMAGED),
    "no header": (lambda run: save_file({"x": torch.zeros(1)}, newest(run)), DAMAGED),
    "a deep header": (deep, DAMAGED),
    "a tensor less": (without("model.fc.bias"), DAMAGED),
    "a tensor of another shape": (tensor("model.fc.bias", torch.zeros(7)), DAMAGED),
    "a tensor of another type": (tensor("model.fc.bias", torch.zeros(3, dtype=torch.float64)), DAMAGED),
    "an unknown tensor": (tensor("model.more", torch.zeros(3)), DAMAGED),
    "a tensor of no part": (tensor("more", torch.zeros(3)), DAMAGED),
    "no average": (without("ema."), DAMAGED),
    "no optimizer": (without("optimizer.", count=False), DAMAGED),
    "an optimizer's tensor less": (without("optimizer.1.exp_avg_sq"), DAMAGED),
    "an optimizer's tensor misshapen": (tensor("optimizer.1.exp_avg", torch.zeros(1, 1)), DAMAGED),
    "an unknown parameter": (tensor("optimizer.99.exp_avg", torch.zeros(1)), DAMAGED),
    "a parameter of words": (tensor("optimizer.one.exp_avg", torch.zeros(1)), DAMAGED),
    "a step that is a list": (tensor("optimizer.1.step", torch.zeros(4)), DAMAGED),
    "a pipe as a checkpoint": (pipe("checkpoint"), DAMAGED),
    "no checkpoint": (lambda run: newest(run).unlink(), DAMAGED),
    "a checkpoint beyond the end": (text("recipe.yaml", "recipe: 1\nepochs: 1\nbatch: 6\n"), "checkpoint-other-recipe"),
    "a record that is a list": (text("run.json", "[1]"), NO_RUN),
    "a record that is no JSON": (text("run.json", "{"), NO_RUN),
    "a deep record": (text("run.json", "[" * 100_000), NO_RUN),
    "data that are a number": (text("run.json", '{"data": 3}'), NO_RUN),
    "data with a zero": (text("run.json", '{"data": "a\\u0000b"}'), NO_RUN),
    "a pipe as a record": (pipe("run.json"), NO_RUN),
    "a pipe as metrics.csv": (pipe("metrics.csv"), NO_RUN),
    "a pipe as broken.csv": (pipe("broken.csv"), NO_RUN),
    "a pipe as best.safetensors": (pipe("best.safetensors"), NO_RUN),
    "a pipe as recipe.yaml": (pipe("recipe.yaml"), NO_RUN),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_told(run: Path, name: str) -> None:
    spoil, code = DAMAGE[name]
    spoil(run)
    recipe = (run / "recipe.yaml").read_bytes() if (run / "recipe.yaml").is_file() else b""
    # the first of them that reads it says it
    with pytest.raises((Failure, SpecError)) as caught:
        resume(run, data=DATA, device="cpu", epochs=None if "beyond" in name else 4)
    assert isinstance(caught.value, Failure)
    assert (caught.value.code, bool(caught.value.help)) == (code, True), caught.value.message
    assert caught.value.exit_code in (1, 2)
    assert not recipe or (run / "recipe.yaml").read_bytes() == recipe


ODD_TABLES = {
    "a huge cell": "step,epoch,split,loss,top1,top5,lr,images_per_second\n1,1,train,{x},,,,\n".replace("{x}", "9" * 200_000),
    "a huge step": f"step,epoch,split,loss,top1,top5,lr,images_per_second\n{'9' * 5000},1,train,1,,,,\n1,²,val,1,,,,\n",
    "an open quote": 'step,epoch,split,loss,top1,top5,lr,images_per_second\n1,1,"train\n',
    "other columns": "step,split\n1,train\n",
    "no text": "\0\ufffe\r\r\n",
}  # fmt: skip


@pytest.mark.parametrize("name", ODD_TABLES)
def test_odd_tables_are_read_as_far_as_they_are_whole(run: Path, name: str) -> None:
    for table in TABLES:
        (run / table).write_text(ODD_TABLES[name], "utf-8")
    assert resume(run, data=DATA, device="cpu", epochs=3).reason == "finished"
    assert {row["step"] for row in read_metrics(run / "metrics.csv")} >= {"12"}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizers_own_checkpoints_fit(tmp_path: Path, name: str) -> None:
    (tmp_path / "small.yaml").write_text(SMALL, "utf-8")
    recipe = replace(
        RECIPE, optimizer=OptimizerRules(name, OPTIMIZERS[name], decay_norms=False), freeze=("conv",), epochs=1
    )
    train(tmp_path / "small.yaml", recipe, data=DATA, output=tmp_path / "run", device="cpu")
    assert resume(tmp_path / "run", data=DATA, device="cpu", epochs=2).step == 8


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0\0\0\0\0{}      ", b"\xff" * 20, None])
def test_best_weights_that_are_none_are_told(run: Path, content: bytes | None) -> None:
    place = run / "best.safetensors"
    place.unlink() if content is None else place.write_bytes(content)
    with pytest.raises(Failure) as caught:
        load_best(torch.nn.Linear(2, 2), place)
    assert caught.value.code == DAMAGED
    # the answer of a run that goes on would name them
    with pytest.raises(Failure) as caught:
        resume(run, data=DATA, device="cpu")
    assert caught.value.code == DAMAGED and "best.safetensors" in caught.value.message


NAMES = ("a\nb.png", "a\r.png", "a\u2028b.png", "a\x85b.png", 'a"b,c.png', "a\udcff.png", "plain.png")


def test_broken_pictures_of_any_name_are_read_back(tmp_path: Path) -> None:
    kept = BrokenPictures(tmp_path, 100)
    kept.keep((name, f"`{name}` is no picture") for name in NAMES)
    assert tuple(read_broken(tmp_path / "broken.csv")) == NAMES
    # what a kill leaves of the next row
    for torn in (b"new.png,beca", b'"new\n.png","be\nca', b'"new.png'):
        with (tmp_path / "broken.csv").open("ab") as file:
            file.write(torn)
        assert tuple(read_broken(tmp_path / "broken.csv")) == NAMES
        cut_torn_end(tmp_path / "broken.csv")
    BrokenPictures(tmp_path, 100).keep([("after.png", "why")])
    assert tuple(read_broken(tmp_path / "broken.csv")) == (*NAMES, "after.png")


def test_the_lists_of_a_split_are_read_back(tmp_path: Path) -> None:
    paths = [str(tmp_path / "a\rb" / name) for name in NAMES]
    files = FilePictures(PathList(paths, str(tmp_path)), np.arange(len(paths)) % 2, 2)
    data = TrainingData(files, ChosenPictures(files, np.arange(len(paths))), ("a\rb", "c"), "folders")
    RunFolder(tmp_path).write_split(data)
    for name in ("train.csv", "val.csv"):
        assert [*read_csv(str(tmp_path / name))] == [(path, data.classes[at % 2]) for at, path in enumerate(paths)]


def test_what_stopped_a_run_is_counted_anew(tmp_path: Path) -> None:
    """Whoever has mended the pictures, or allows more of them, goes on."""
    pictures = [("a.png", "why"), ("b.png", "why")]
    with pytest.raises(Failure) as caught:
        BrokenPictures(tmp_path, 1).add(pictures)
    assert "--resume" in caught.value.help and "`broken: 4`" in caught.value.help
    assert BrokenPictures(tmp_path, 2).count == 2
    mended = BrokenPictures(tmp_path, 1)
    mended.add([])
    assert mended.count == 0 and not (tmp_path / "broken.csv").exists()
    with pytest.raises(Failure):
        mended.add(pictures)


def test_classes_of_any_name_become_labels(tmp_path: Path) -> None:
    names = ("a\x7fb", "a\x85b", "a\u2028b", "a\uffffb", "\ufeffx", "a\nb", "\x1b[31m", "null", " ", "é🙂", "a: [b]")
    (tmp_path / "small.yaml").write_text(SMALL, "utf-8")
    data = TrainingData(
        ArrayPictures(PICTURES.images, np.arange(24) % len(names), len(names), "a"), None, names, "in memory"
    )
    train(tmp_path / "small.yaml", replace(RECIPE, epochs=1), data=data, output=tmp_path / "run", device="cpu")
    assert check(str(tmp_path / "run/spec.yaml")).labels == names
    with pytest.raises(Failure) as caught:
        name_classes(["a", "\udcff\udcfe"], None, SpecClasses())
    assert caught.value.code == "class-name"


def test_a_norm_over_one_value_is_named(tmp_path: Path) -> None:
    (tmp_path / "norm.yaml").write_text(
        "archspec: 1\nname: small\ninput: {image: [1, 6, 6]}\ngraph:\n  - {conv: {out: 4, kernel: 6}}\n"
        "  - {name: norm, batch_norm: {}}\n  - flatten\n  - {name: fc, linear: 3}\n", "utf-8"
    )  # fmt: skip
    with pytest.raises(Failure) as caught:
        train(
            tmp_path / "norm.yaml",
            replace(RECIPE, batch=4, accumulate=4),
            data=DATA,
            output=tmp_path / "run",
            device="cpu",
        )
    assert caught.value.code == "batch-too-small"
    assert "`norm`" in caught.value.message


# values at the bounds of the rules, and whether a run ends well with them; what is beyond the bounds is refused in test_recipes.py
EXTREMES = (
    ["optimizer={sgd: {lr: 1.0e+6, momentum: 0.9, weight_decay: 1.0e+6, bias_lr_factor: 1000}}"],
    ["optimizer={adam: {lr: 1.0e+6, weight_decay: 1.0e+6, eps: 1.0e-320}}"],
    ["optimizer={rmsprop: {lr: 1.0e+6, weight_decay: 1.0e+6, momentum: 0.9}}"],
    ["schedule={exponential: {every: 0.001, factor: 1.0e-300}}"],
    ["schedule={polynomial: {power: 1000}}"],
    ["schedule={one_cycle: {start_factor: 0.001, end_factor: 1.0e+9}}"],
    ["augment=[{random_crop: {size: 6, padding: 1024}}]"],
    ["augment=[{random_erasing: {p: 1, scale: [0.0001, 1], ratio: [0.001, 1000]}}]"],
    ["augment=[{random_resized_crop: {size: 6, scale: [0.0001, 1], ratio: [0.001, 1000]}}]"],
    ["augment=[{mixup: 0.001}]"],
    ["augment=[{cutmix: 1000}]"],
    ["augment=[{rand_augment: {ops: 16}}]"],
    ["loss={class_weights: [1.0e-6, 1.0e+6, 1]}", "clip=1.0e-300"],
)  # fmt: skip


@pytest.mark.parametrize("settings", EXTREMES, ids=" ".join)
def test_extreme_numbers_train_or_diverge(tmp_path: Path, settings: list[str]) -> None:
    (tmp_path / "small.yaml").write_text(SMALL, "utf-8")
    with diverging():
        train(
            tmp_path / "small.yaml",
            replace(RECIPE, epochs=1),
            data=DATA,
            output=tmp_path / "run",
            device="cpu",
            settings=settings,
        )


@contextmanager
def diverging() -> Iterator[None]:
    """Lets nothing else through than the Failure `diverged`."""
    try:
        yield
    except Failure as failure:
        if failure.code != "diverged":
            raise


def test_a_recipe_whose_schedule_spans_the_run_keeps_its_length() -> None:
    for name, same in {
        "constant": True,
        "plateau": True,
        "cosine": False,
        "polynomial": False,
        "one_cycle": False,
    }.items():
        recipe = replace(RECIPE, schedule=ScheduleRules(name))
        assert (hash_recipe(recipe) == hash_recipe(replace(recipe, epochs=5))) == same, name
