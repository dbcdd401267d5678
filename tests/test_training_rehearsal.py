"""What a run would do, and one batch learned by heart: said before anything is trained, and nothing is written."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from archc.compiler.diagnostics import Failure
from archc.text.rehearsals import overfit_json, overfit_text, rehearsal_json, rehearsal_text
from archc.training.broken import read_broken
from archc.training.driver import run_training
from archc.training.overfitting import advise_overfit, count_contradictions, try_overfitting
from archc.training.prepare import TrainingRequest
from archc.training.recipe.recipe import Augmentation, DataRules, LogRules, OptimizerRules, Recipe, ScheduleRules
from archc.training.rehearsal import rehearse
from archc.training.watching import Watcher

SPEC = """archspec: 1
name: small
input: {image: [1, 8, 8]}
params: {classes: 10}
graph:
  - {name: conv1, conv: {out: 8, kernel: 3, padding: 1}}
  - relu
  - global_avg_pool
  - {dropout: 0.5}
  - {name: fc, linear: $classes}
"""
BLIND = SPEC.replace("  - global_avg_pool\n", "  - {name: nothing, scale: 0}\n  - global_avg_pool\n")


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TrainingRequest]:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for part, count in (("train", 6), ("val", 2)):
        for at, name in enumerate(("dark", "grey", "white")):
            for number in range(count):
                path = tmp_path / "photos" / part / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.clip(rng.normal(40 + 80 * at, 10, (8, 8)), 0, 255).astype(np.uint8)).save(path)

    def make(spec: str = SPEC, lr: float = 0.02, batch: int = 6, **changes: Any) -> TrainingRequest:
        (tmp_path / "small.yaml").write_text(spec, "utf-8")
        recipe = Recipe("small", batch, epochs=4, optimizer=OptimizerRules("adam", {"lr": lr}), schedule=ScheduleRules("cosine"),
                        augment=(Augmentation("flip", {"p": 0.5}),), data=DataRules(workers=0), log=LogRules(every=1), **changes)  # fmt: skip
        return TrainingRequest(str(tmp_path / "small.yaml"), recipe, Path("RUN"), tmp_path / "photos", device="cpu")

    return make


def test_a_dry_run(ask: Callable[..., TrainingRequest], tmp_path: Path) -> None:
    Path("photos/train/dark/bad.png").write_bytes(b"\x89PNG\r\n\x1a\n1234")
    before = sorted(tmp_path.rglob("*"))
    found = rehearse(ask(batch=19))
    assert sorted([*tmp_path.rglob("*")]) == sorted([*before, tmp_path / "small.yaml"])
    assert [*found.classes] == [("dark", 7, 2), ("grey", 6, 2), ("white", 6, 2)]
    assert [each.epoch for each in found.epochs] == [1, 2, 3, 4] and found.epochs[0].lr == 0.02 > found.epochs[3].lr
    assert found.step.pictures == 19 and found.step.loss > 0 and len(found.broken) == 1 and found.at_once == 19
    told = json.loads(json.dumps(rehearsal_json(found)))
    assert (
        told["steps"] == 4
        and told["memory"]["total"] > told["memory"]["weights"]
        and told["augment"] == [{"flip": {"p": 0.5}}]
    )
    text = rehearsal_text(found)
    for words in (
        "dark: 7 + 2",
        "flip p=0.5",
        "1: 0.02",
        "RUN would hold",
        "best.safetensors",
        "not read: ",
        "nothing was written",
    ):
        assert words in text


def test_a_run_is_the_one_that_was_rehearsed(ask: Callable[..., TrainingRequest]) -> None:
    found = rehearse(ask())
    run_training(ask())
    first = Path("RUN/metrics.csv").read_text("utf-8").splitlines()[1].split(",")
    assert float(first[3]) == pytest.approx(found.step.loss, rel=1e-6)
    page = Path("RUN/report.html").read_text("utf-8")
    assert "The best weights on the validation pictures" in page and "extends: &quot;spec/small.yaml&quot;" in page


class Interrupted(Watcher):
    """Whoever asks the run to end after four steps."""

    def tick(self, step: int, epoch: int) -> None:
        if step == 4:
            os.kill(os.getpid(), signal.SIGINT)


def test_a_run_that_is_interrupted_has_a_report(ask: Callable[..., TrainingRequest]) -> None:
    assert run_training(ask()._replace(watchers=(Interrupted(),))).reason == "interrupted"
    page = Path("RUN/report.html").read_text("utf-8")
    assert (
        "ended before its time: interrupted" in page
        and "The best weights on the validation" not in page
        and "top-5" not in page
    )
    assert run_training(ask()._replace(spec="RUN/spec.yaml", resume=True)).reason == "finished"
    page = Path("RUN/report.html").read_text("utf-8")
    assert "The run is finished." in page and "The best weights on the validation" in page and "top-5" not in page


def test_a_batch_that_does_not_fit(ask: Callable[..., TrainingRequest], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archc.training.memory.available_bytes", lambda device: 9_000)
    for use in (rehearse, try_overfitting, run_training):
        with pytest.raises(Failure) as failed:
            use(ask())
        assert failed.value.code == "batch-too-large"


def test_a_step_without_memory(ask: Callable[..., TrainingRequest], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
        )

    monkeypatch.setattr("archc.training.loop.take_step", fail)
    with pytest.raises(Failure) as failed:
        run_training(ask())
    assert failed.value.code == "batch-too-large" and "--set batch=3" in failed.value.help


def test_one_batch_is_learned(ask: Callable[..., TrainingRequest]) -> None:
    found = try_overfitting(ask(lr=0.05))
    assert found.learned and found.right == found.pictures == 6 and found.losses[-1] < 0.05 and not found.advice
    assert (
        overfit_text(found).startswith("small can learn: it told all 6 pictures of a batch right")
        and not Path("RUN").exists()
    )
    assert json.loads(json.dumps(overfit_json(found)))["learned"] is True


MEMBERS = """archspec: 1
name: ensemble
input: {image: [1, 8, 8]}
params: {classes: 10}
blocks:
  Net:
    steps: [{conv: {out: 8, kernel: 3, padding: 1}}, relu, global_avg_pool, {name: fc, linear: $classes}]
graph:
  - output: probabilities
    mean:
      - repeat: {i: 3}
        steps: [{name: member$i, Net: {}}, softmax]
"""


def test_an_ensemble_is_rehearsed_by_its_first_member(ask: Callable[..., TrainingRequest]) -> None:
    found, member = rehearse(ask(MEMBERS)), rehearse(ask(SPEC.replace("  - {dropout: 0.5}\n", "")))
    assert found.members == 3 and found.plan.net == "ensemble.member0" and found.memory.weights == member.memory.weights
    text = rehearsal_text(found)
    assert "3, trained one after the other" in text and "members/NAME/checkpoints/" in text
    assert try_overfitting(ask(MEMBERS, lr=0.05), steps=2).net == "ensemble.member0" and not Path("RUN").exists()


NOT_LEARNED: dict[str, tuple[str, float, str]] = {
    "too high a rate": (SPEC, 1e6, "try a lower learning rate than 1e+06"),
    "too low a rate": (SPEC, 1e-7, "the loss stays where it is"),
    "nothing gets through": (BLIND, 0.02, "no gradient reaches `conv1`"),
}


@pytest.mark.parametrize("case", NOT_LEARNED)
def test_what_to_look_at(ask: Callable[..., TrainingRequest], case: str) -> None:
    spec, lr, words = NOT_LEARNED[case]
    found = try_overfitting(ask(spec, lr), steps=20)
    text = overfit_text(found)
    assert not found.learned and words in text and text.startswith("small did not learn a batch of 6 pictures by heart")


def test_pictures_that_contradict_each_other() -> None:
    images = torch.rand(4, 1, 2, 2)
    images[2] = images[0]
    assert (
        count_contradictions(images, torch.tensor([0, 1, 2, 1])) == 1
        and count_contradictions(images, torch.tensor([0, 1, 0, 1])) == 0
    )
    assert "1 picture of the batch is equal" in next(advise_overfit([2.0, 1.9], [], 1.0, 1, 0.1))


def test_a_run_that_too_many_broken_pictures_stop_lists_them(ask: Callable[..., TrainingRequest]) -> None:
    Path("photos/train/dark/bad.png").write_bytes(b"\x89PNG\r\n\x1a\n1234")
    request = ask()
    recipe = replace(request.recipe, data=DataRules(workers=0, broken=0))
    with pytest.raises(Failure) as failed:
        run_training(request._replace(recipe=recipe))
    assert failed.value.code == "broken-pictures"
    assert [Path(name).name for name in read_broken(Path("RUN/broken.csv"))] == ["bad.png"]
