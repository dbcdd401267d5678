"""A run that is killed at any step and resumed gives the bytes of one that was not: the best weights, and the last checkpoint with all
that is in it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from .training_kills import Course, Trainer
from .training_nets import MEMBERS

SPEC = """archspec: 1
name: small
params: {classes: 3}
input: {image: [1, 8, 8]}
graph:
  - {name: conv, conv: {out: 6, kernel: 3, padding: 1}}
  - batch_norm
  - relu
  - residual:
      body: [{conv: {out: 6, kernel: 3, padding: 1}}, batch_norm, {drop_path: 0.3}]
  - dropout: 0.2
  - {name: aux, aux: 0.3, steps: [global_avg_pool, {linear: $classes}]}
  - global_avg_pool
  - {name: fc, linear: $classes}
"""
PLATEAU = """recipe: 1
epochs: 4
batch: 12
optimizer: {sgd: {lr: 0.2, momentum: 0.9, weight_decay: 0.001, decay_norms: false, bias_lr_factor: 2}}
schedule: {plateau: {metric: loss, patience: 0, factor: 0.5}}
augment: [{random_crop: {size: 8, padding: 1}}, {flip: 0.5}, {mixup: 0.2}]
ema: 0.9
checkpoint: {every: {steps: 3}}
data: {workers: 2}
log: {every: 4}
"""
ONE_CYCLE = """recipe: 1
steps: 14
batch: 12
accumulate: 2
clip: 0.5
optimizer: {adamw: {lr: 0.02}}
schedule: one_cycle
loss: {label_smoothing: 0.1, class_weights: balanced}
checkpoint: {keep: 1, best: loss}
data: {workers: 0}
"""
COURSES = {
    "plateau, ema and mixup with workers": Course(PLATEAU),
    "one cycle, accumulated and clipped": Course(ONE_CYCLE),
    "two processes": Course(PLATEAU.replace("workers: 2", "workers: 1"), 2),
    # which do not divide the pictures, and are more than those that validate
    "three processes": Course(PLATEAU.replace("workers: 2", "workers: 0").replace("epochs: 4", "epochs: 3"), 3),
}


@pytest.fixture(scope="module")
def trainer() -> Iterator[Trainer]:
    with Trainer() as found:
        yield found


def outcome(run: Path) -> dict[str, bytes]:
    """What must be the same: the weights, and the checkpoints."""
    return {each.name: each.read_bytes() for each in [run / "best.safetensors", *sorted(run.glob("checkpoints/*"))]}


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(SPEC, "utf-8")
    return tmp_path / "small.yaml"


@pytest.mark.slow
@pytest.mark.parametrize("name", COURSES)
def test_a_killed_run_gives_the_same_bytes(name: str, spec: Path, tmp_path: Path, trainer: Trainer) -> None:
    kill_and_compare(COURSES[name], spec, tmp_path, trainer, random.Random(name), 1 if COURSES[name].world > 2 else 3)


@pytest.mark.soak
@pytest.mark.parametrize("name", COURSES)
@pytest.mark.parametrize("seed", range(10))
def test_many_killed_runs_give_the_same_bytes(
    name: str, seed: int, spec: Path, tmp_path: Path, trainer: Trainer
) -> None:
    kill_and_compare(COURSES[name], spec, tmp_path, trainer, random.Random(seed), 8)


def kill_and_compare(
    course: Course, spec: Path, folder: Path, trainer: Trainer, draws: random.Random, kills: int
) -> None:
    """Trains undisturbed, then the same with kills on the way, and compares."""
    recipe = folder / "recipe.yaml"
    recipe.write_text(course.recipe, "utf-8")
    whole, killed = folder / "whole", folder / "killed"
    assert trainer.train(spec, recipe, whole, course.world) == [0] * course.world
    steps = sorted(draws.sample(range(1, 14), kills))
    for step in steps:
        assert -9 in trainer.train(spec, recipe, killed, course.world, "SIGKILL", step), steps
    assert trainer.train(spec, recipe, killed, course.world) == [0] * course.world
    assert outcome(killed) == outcome(whole), steps


# two epochs of five steps
WRITING = (
    ONE_CYCLE.replace("steps: 14", "epochs: 2")
    .replace("accumulate: 2\n", "")
    .replace("keep: 1", "keep: 1, every: {steps: 2}")
)
STEP_4 = "00000004.safetensors"
# at which moment of writing which file a run ends
WRITES = (
    ("half written", "00000000.safetensors"),
    ("in its place", "00000000.safetensors"),
    ("on the disk", "recipe.yaml"),
    ("written", "run.json"),
    ("in its place", "run.json"),
    *((moment, STEP_4) for moment in ("half written", "written", "on the disk", "in its place")),
    ("to be removed", "00000002.safetensors"),
    *((moment, "best.safetensors") for moment in ("half written", "on the disk", "in its place")),
    *((f"disk full {moment}", STEP_4) for moment in ("half written", "written", "on the disk")),
    ("disk full half written", "best.safetensors"),
)


@pytest.mark.slow
def test_a_run_that_ends_while_it_writes_gives_the_same_bytes(spec: Path, tmp_path: Path, trainer: Trainer) -> None:
    """A file is there whole or not at all, whenever the process is killed or the disk is full; nothing of the other stays."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(WRITING, "utf-8")
    assert trainer.train(spec, recipe, tmp_path / "whole") == [0]
    for at, (moment, name) in enumerate(WRITES):
        run = tmp_path / str(at)
        ended = trainer.train(spec, recipe, run, how=moment, at=name)
        assert ended == [3 if moment.startswith("disk full") else 9], (moment, name)
        assert trainer.train(spec, recipe, run) == [0], (moment, name)
        assert outcome(run) == outcome(tmp_path / "whole"), (moment, name)
        assert not [*run.rglob(".*")], (moment, name)


@pytest.mark.slow
def test_an_ensemble_killed_while_it_becomes_longer(tmp_path: Path, trainer: Trainer) -> None:
    """Whichever member is killed, the next start knows how long all of them are to be."""
    spec, recipe = tmp_path / "ensemble.yaml", tmp_path / "recipe.yaml"
    spec.write_text(MEMBERS, "utf-8")
    text = PLATEAU.replace("workers: 2", "workers: 0").replace("size: 8", "size: 6")
    recipe.write_text(text, "utf-8")
    assert trainer.train(spec, recipe, tmp_path / "whole") == [0]
    recipe.write_text(text.replace("epochs: 4", "epochs: 2"), "utf-8")
    run = tmp_path / "killed"
    assert trainer.train(spec, recipe, run) == [0]
    # 5 steps an epoch, a checkpoint every 3: the first one behind the old end is that of step 12
    for step in (11, 14):
        assert trainer.train(spec, recipe, run, how="SIGKILL", at=step, epochs=4) == [-9]
        assert trainer.train(spec, recipe, run, how="SIGKILL", at=16) == [-9]
    assert trainer.train(spec, recipe, run) == [0]
    for name in ("member0", "member1"):
        assert outcome(run / "members" / name) == outcome(tmp_path / "whole/members" / name)
    assert outcome(run) == outcome(tmp_path / "whole")


@pytest.mark.slow
def test_a_run_ended_by_a_signal_goes_on_and_becomes_longer(spec: Path, tmp_path: Path, trainer: Trainer) -> None:
    """SIGTERM keeps the step that it came in, with two processes too. A longer run is what it would have been from the start."""
    for name, course in {"one": Course(PLATEAU), "two": COURSES["two processes"]}.items():
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(course.recipe, "utf-8")
        whole, ended = tmp_path / f"{name}-whole", tmp_path / f"{name}-ended"
        assert trainer.train(spec, recipe, whole, course.world) == [0] * course.world
        recipe.write_text(course.recipe.replace("epochs: 4", "epochs: 3"), "utf-8")
        assert trainer.train(spec, recipe, ended, course.world, "SIGTERM", 5) == [130] * course.world
        kept = sorted(each.stem for each in ended.glob("checkpoints/*"))
        assert int(kept[-1]) in (5, 6)
        assert trainer.train(spec, recipe, ended, course.world) == [0] * course.world
        assert trainer.train(spec, recipe, ended, course.world, epochs=4) == [0] * course.world
        assert outcome(ended).keys() == outcome(whole).keys()
        assert outcome(ended) == outcome(whole)
