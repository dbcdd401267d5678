"""What several processes of a run agree on, in one process that plays them; and what a run leaves behind in the process that it was in."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from archc import Failure
from archc.runtime.faults import PictureFault
from archc.training import driver, loop, train
from archc.training.broken import BrokenPictures, read_broken
from archc.training.data.pictures import ArrayPictures
from archc.training.devices import ask_first, import_libraries
from archc.training.losses import TrainingLoss
from archc.training.recipe.recipe import CheckpointRules, DataRules, OptimizerRules, ScheduleRules
from archc.training.schedules import Plateau

from .test_training_loop import DATA, IMAGES, RECIPE, SPEC, TARGETS


@dataclass
class Played:
    """One of several processes: what the first one sends lies in `sent`."""

    global_rank: int
    sent: list[Any] = field(default_factory=list)
    world_size: int = 2

    @property
    def is_global_zero(self) -> bool:
        return self.global_rank == 0

    def broadcast(self, value: Any) -> Any:
        if self.is_global_zero:
            self.sent.append(value)
        return self.sent[-1]


def test_a_late_process_goes_by_what_the_first_one_found(tmp_path: Path) -> None:
    """Else one begins, the other finds what the first has written and goes on with it, and they never meet."""
    place = tmp_path / "00000000.safetensors"
    sent: list[Any] = []
    answers: Callable[[int], Any] = lambda rank: ask_first(Played(rank, sent), place.exists)  # type: ignore[arg-type]  # noqa: E731
    assert not answers(0)
    place.touch()
    assert not answers(1)


def test_a_mistake_that_the_first_process_finds_is_told_by_all() -> None:
    def refuse() -> None:
        raise Failure("run-exists", "there is one", "take another", 2)

    sent: list[Any] = []
    for rank in (0, 1):
        with pytest.raises(Failure) as found:
            ask_first(Played(rank, sent), refuse if rank == 0 else lambda: None)  # type: ignore[arg-type]
        assert (found.value.code, found.value.help, found.value.exit_code) == ("run-exists", "take another", 2)


def test_broken_pictures_of_all_processes_are_counted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    (tmp_path / "broken.csv").write_text("picture,why\nold.png,it ends early\n", "utf-8")
    first, second = (BrokenPictures(tmp_path, 2, Played(rank, sent)) for rank in (0, 1))  # type: ignore[arg-type]
    monkeypatch.setattr(
        torch.distributed, "all_gather_object", lambda met, own: met.__setitem__(slice(None), [*waiting])
    )
    for rank, broken in enumerate((first, second)):
        assert broken.add([(f"of {rank}.png", "it is no picture"), ("of both.png", "it is no picture")]) == 0
    waiting = [first.waiting, second.waiting]
    told = []
    for broken in (first, second):
        with pytest.raises(Failure) as found:
            broken.gather()
        told.append(found.value.message)
        assert [*broken.found] == ["old.png", "of 0.png", "of both.png", "of 1.png"] and not broken.waiting
    assert told[0] == told[1] and told[0].startswith("4 pictures could not be read, and the recipe allows 2")
    assert len((tmp_path / "broken.csv").read_text("utf-8").splitlines()) == 5


class Unreadable(ArrayPictures):
    """Pictures of which some cannot be read."""

    def __init__(self, bad: Callable[[int], bool]) -> None:
        super().__init__(IMAGES[24:], TARGETS[24:], 3, "b")
        self.bad = bad

    def source(self, index: int) -> Any:
        if self.bad(index):
            raise PictureFault("image-unreadable", f"picture {index} ends early")
        return super().source(index)


def test_broken_pictures_of_validation_are_told(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SPEC, "utf-8")
    recipe = replace(RECIPE, epochs=1, data=DataRules(workers=0, broken=2))
    some = DATA._replace(val=Unreadable(lambda index: index in (3, 5)))
    result = train(tmp_path / "small.yaml", recipe, data=some, output=tmp_path / "some", device="cpu")
    assert "2 pictures were skipped" in result.notes[-1] and len(read_broken(tmp_path / "some/broken.csv")) == 2
    many = DATA._replace(val=Unreadable(lambda index: index < 3))
    none = DATA._replace(val=Unreadable(lambda index: True))
    with pytest.raises(Failure, match="3 pictures could not be read"):
        train(tmp_path / "small.yaml", recipe, data=many, output=tmp_path / "many", device="cpu")
    with pytest.raises(Failure, match="none of the validation pictures can be read") as found:
        train(tmp_path / "small.yaml", recipe, data=none, output=tmp_path / "none", device="cpu")
    assert found.value.code == "broken-pictures" and not (tmp_path / "none/best.safetensors").exists()
    assert "picture 0 ends early" in (tmp_path / "none/broken.csv").read_text("utf-8")


class SpoiltBatch:
    """The batches of a loader; in one of them, counted over the whole run, is a picture that is no number."""

    def __init__(self, loader: Any, at: int) -> None:
        self.loader, self.at = loader, at

    def epoch(self, epoch: int, start_batch: int = 0) -> Any:
        for number, batch in enumerate(
            self.loader.epoch(epoch, start_batch), epoch * self.batches_per_epoch + start_batch
        ):
            if number == self.at:
                batch.images[0] = float("nan")
            yield batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)


def spoil_batch(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    real = driver.open_loaders
    monkeypatch.setattr(driver, "open_loaders", lambda *given: (SpoiltBatch(real(*given)[0], at), real(*given)[1]))


def test_the_pass_that_diverged_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of three passes of the third step."""
    (tmp_path / "small.yaml").write_text(SPEC, "utf-8")
    spoil_batch(monkeypatch, at=7)
    recipe = replace(RECIPE, accumulate=3)
    with pytest.raises(Failure, match=r"at step 3, in epoch 1: it came in with the pictures at `conv`") as found:
        train(tmp_path / "small.yaml", recipe, data=DATA, output=tmp_path / "run", device="cpu")
    assert found.value.code == "diverged"


def test_a_rewind_measures_the_epochs_between_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a checkpoint of step 0 alone, and the plateau lowers the learning rate after each epoch."""
    (tmp_path / "small.yaml").write_text(SPEC, "utf-8")
    spoil_batch(monkeypatch, at=10)
    seen: list[Plateau] = []
    rate = loop.learning_rate
    monkeypatch.setattr(loop, "learning_rate", lambda *given: seen.append(given[3]) or rate(*given))
    schedule = ScheduleRules("plateau", {"metric": "top1", "patience": 0, "factor": 0.5})
    recipe = replace(
        RECIPE,
        epochs=3,
        schedule=schedule,
        checkpoint=CheckpointRules(every_epochs=9),
        optimizer=OptimizerRules("sgd", {"lr": 1e-9}),
    )
    with pytest.raises(Failure, match="at step 11, in epoch 3"):
        train(tmp_path / "small.yaml", recipe, data=DATA, output=tmp_path / "run", device="cpu")
    # of 12 steps and 3 epochs' ends, and of the 10 steps before the one that diverged
    assert seen[-10:] == [*seen[:4], *seen[5:9], *seen[10:12]] and seen[10].lowered < 1


class BadGradient(torch.autograd.Function):
    """The value itself; its gradient is infinite."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        return gradients[0] * float("inf")


def test_weights_that_are_no_numbers_replace_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss of the last step is finite, and its gradient is not."""
    (tmp_path / "small.yaml").write_text(SPEC, "utf-8")
    real, calls = TrainingLoss.__call__, []

    def loss_of(self: TrainingLoss, results: Any, targets: Any) -> Any:
        calls.append(0)
        found = real(self, results, targets)
        # the fourth step, and that step once more
        return found._replace(total=BadGradient.apply(found.total)) if len(calls) in (4, 8) else found

    monkeypatch.setattr(TrainingLoss, "__call__", loss_of)
    recipe = replace(RECIPE, epochs=1)
    with pytest.raises(
        Failure, match="the weights are no finite numbers after step 4, in epoch 1: it began in the backward pass of"
    ) as found:
        train(tmp_path / "small.yaml", recipe, data=DATA, output=tmp_path / "run", device="cpu")
    assert found.value.code == "diverged" and not (tmp_path / "run/best.safetensors").exists()
    assert [each.name for each in (tmp_path / "run/checkpoints").iterdir()] == ["00000000.safetensors"]


def surroundings() -> dict[str, Any]:
    """What else in this process depends on."""
    return {
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "filled": torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        "environment": dict(os.environ),
        "filters": [*warnings.filters],
        "level": logging.getLogger("lightning_fabric").level,
        "generator": torch.get_rng_state().tolist(),
        "threads": torch.get_num_threads(),
        "processes": torch.distributed.is_initialized(),  # type: ignore[no-untyped-call]
    }


@pytest.mark.parametrize("ends", ["well", "badly"])
def test_a_run_leaves_the_process_as_it_was(ends: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    (tmp_path / "small.yaml").write_text(SPEC, "utf-8")
    # libraries add filters of their own when they are imported
    import_libraries()
    torch.manual_seed(1)
    before = surroundings()
    if ends == "badly":
        monkeypatch.setattr("archc.training.driver.run_course", lambda *_: 1 / 0)
    try:
        train(tmp_path / "small.yaml", RECIPE, data=DATA, output=tmp_path / "run", device="cpu")
    except ZeroDivisionError:
        assert ends == "badly"
    after = surroundings()
    assert {key: (before[key], after[key]) for key in before if before[key] != after[key]} == {}
