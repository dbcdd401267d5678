"""What a loader gives depends on seed and epoch alone: not on its workers, on where it begins, or on broken pictures elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from archc.compiler.diagnostics import Failure
from archc.runtime.images import read_input
from archc.runtime.preprocess import Preprocess
from archc.training.data import TrainingData, open_data
from archc.training.data.loader import PictureBatch, TrainingLoader, ValidationLoader
from archc.training.data.order import EpochOrder
from archc.training.data.worker_faults import worker_faults
from archc.training.recipe.recipe import Augmentation, DataRules

from .training_pictures import make_folders

HOW = Preprocess.parse({"resize": 36, "crop": 32, "mean": [0.5], "std": [0.25]}, (3, 32, 32))
# a mean over so many pixels is shared among torch's threads
LARGE = Preprocess.parse({"resize": 256, "crop": 256}, (3, 256, 256))
EVERYTHING = tuple(Augmentation(name, values) for name, values in {
    "random_resized_crop": {}, "flip": {"p": 0.5}, "color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
    "pca_lighting": {"std": 0.1}, "rand_augment": {}, "trivial_augment": {}, "random_erasing": {"p": 0.5}, "mixup": {"alpha": 0.2}, "cutmix": {"alpha": 1.0},
}.items())  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """23 pictures, one of them broken, and 9 for validation, one of them broken."""
    root = make_folders(
        tmp_path_factory.mktemp("data"), {"train/a": 12, "train/b": 11, "val/a": 5, "val/b": 4}, size=(60, 48)
    )
    (root / "train/a/03.png").write_bytes(b"no picture")
    (root / "val/a/01.png").write_bytes(b"")
    return open_data(DataRules(), root, None, None)


def load(data: TrainingData, epoch: int = 2, start: int = 0, how: Preprocess = HOW, augment: Sequence[Augmentation] = EVERYTHING,
         rank: int = 0, world_size: int = 1, workers: int = 0, batch: int = 4) -> list[PictureBatch]:  # fmt: skip
    loader = TrainingLoader(data.train, how, augment, batch, 7, rank, world_size, workers)
    try:
        return [*loader.epoch(epoch, start)]
    finally:
        loader.close()


def same(some: Sequence[PictureBatch], others: Sequence[PictureBatch]) -> bool:
    return len(some) == len(others) and all(
        torch.equal(one.images, other.images) and torch.equal(one.targets, other.targets)
        for one, other in zip(some, others, strict=True)
    )


@pytest.mark.parametrize("how", [HOW, pytest.param(LARGE, marks=pytest.mark.slow)], ids=["small", "large"])
def test_workers_change_nothing(how: Preprocess, data: TrainingData) -> None:
    torch.set_num_threads(2)
    alone = load(data, how=how)
    assert all(same(alone, load(data, how=how, workers=workers)) for workers in (1, 2))
    assert alone[0].images.shape == (4, *how.size)
    assert alone[0].targets.shape == (4, 2)
    assert torch.get_num_threads() == 2


def test_it_begins_anywhere(data: TrainingData) -> None:
    loader = TrainingLoader(data.train, HOW, EVERYTHING, 4, 7, workers=2)
    whole = [*loader.epoch(2)]
    assert loader.batches_per_epoch == len(whole) == 6
    for start in range(7):
        assert same(whole[start:], [*loader.epoch(2, start)])
    # an epoch that is left in its middle changes nothing of the next
    next(iter(loader.epoch(0)))
    assert same(whole, [*loader.epoch(2)])
    assert not same(whole, [*loader.epoch(3)])
    loader.close()
    assert same(whole, load(data))


def test_another_seed_is_another_order_and_other_pictures(data: TrainingData) -> None:
    some, others = ([*TrainingLoader(data.train, HOW, (Augmentation("flip"),), 4, seed).epoch(0)] for seed in (7, 8))
    assert not same(some, others)


def test_random_state_is_left_alone(data: TrainingData) -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    expected = (torch.rand(1).item(), np.random.rand())
    torch.manual_seed(1)
    np.random.seed(1)
    load(data)
    [*ValidationLoader(data.val, HOW, 4)] if data.val else None
    assert (torch.rand(1).item(), np.random.rand()) == expected


def test_processes_share_the_pictures(data: TrainingData) -> None:
    """A step of all processes has the pictures that one process with the whole batch would have."""
    plain = (Augmentation("flip"),)
    whole = load(data, augment=plain, batch=4)
    parts = [load(data, augment=plain, batch=2, rank=rank, world_size=2) for rank in (0, 1)]
    for at, batch in enumerate(whole):
        for rank in (0, 1):
            assert torch.equal(batch.images[rank::2], parts[rank][at].images)
    mixed = [load(data, batch=2, rank=rank, world_size=2)[0].targets for rank in (0, 1)]
    assert not torch.equal(*mixed)


@pytest.mark.parametrize("pictures, batch, world_size, batches", [(8, 4, 1, 2), (9, 4, 1, 3), (9, 2, 2, 3), (5, 5, 1, 1), (50_000, 128, 1, 391)])  # fmt: skip
def test_every_picture_comes_and_every_batch_is_whole(pictures: int, batch: int, world_size: int, batches: int) -> None:
    orders = [EpochOrder(pictures, batch, 3, rank, world_size) for rank in range(world_size)]
    plans = [[*order.plan(5)] for order in orders]
    assert {len(each) for each in plans} == {batches} == {order.batches for order in orders}
    assert {len(plan.pictures) for each in plans for plan in each} == {batch}
    all_of_them = np.sort(np.concatenate([plan.pictures for each in plans for plan in each]))
    assert np.array_equal(np.unique(all_of_them), np.arange(pictures))
    assert np.bincount(all_of_them).max() <= 2
    assert not np.array_equal(orders[0].permute(5), orders[0].permute(6))


def test_passes_of_a_step_share_its_pictures() -> None:
    """100 pictures by 32 are 4 steps, in one pass or in four, and every picture comes."""
    whole = [set(each.pictures.tolist()) for each in EpochOrder(100, 32, 3).plan(0)]
    parts = [each.pictures.tolist() for each in EpochOrder(100, 8, 3, accumulate=4).plan(0)]
    steps = [set().union(*parts[at : at + 4]) for at in range(0, 16, 4)]
    assert steps == whole and len(parts) == 16 and set().union(*steps) == set(range(100))


def test_a_broken_picture_is_replaced_and_told_once(data: TrainingData) -> None:
    loader = TrainingLoader(data.train, HOW, (Augmentation("flip"),), 4, 7, workers=2)
    for epoch in (0, 1):
        batches = [*loader.epoch(epoch)]
        assert {len(batch.images) for batch in batches} == {4}
        told = [each for batch in batches for each in batch.broken]
        assert [Path(name).name for name, _ in told] == ["03.png"][: 1 - epoch]
    assert "no image that can be read" in next(iter(loader.broken.values()))
    loader.close()
    order = [index for plan in loader.order.plan(0) for index in plan.pictures.tolist()]
    at = next(at for at, index in enumerate(order) if data.train.name(index).endswith("a/03.png"))
    images = torch.cat([batch.images for batch in load(data, epoch=0, augment=())])
    assert torch.equal(images[at], images[(at + 1) % data.train.__len__()])


@pytest.mark.parametrize("workers", [0, 2])
def test_too_many_broken_pictures_end_it(workers: int, tmp_path: Path) -> None:
    root = make_folders(tmp_path, {"train/a": 6, "train/b": 6})
    for at in range(5):
        (root / f"train/a/{at:02}.png").write_bytes(b"\x89PNG")
    pictures = open_data(DataRules(val=None), root, None, None).train
    assert len([*TrainingLoader(pictures, HOW, (), 4, 0, workers=workers, broken=5).epoch(0)]) == 3
    with pytest.raises(Failure, match="the recipe allows 4") as caught:
        [*TrainingLoader(pictures, HOW, (), 4, 0, workers=workers, broken=4).epoch(0)]
    assert caught.value.code == "broken-pictures"
    for at in range(6):
        (root / f"train/b/{at:02}.png").write_bytes(b"")
    (root / "train/a/05.png").unlink()
    with pytest.raises(Failure, match="none of the 12 training pictures") as caught:
        [*TrainingLoader(pictures, HOW, (), 4, 0, workers=workers, broken=100).epoch(0)]


def test_a_batch_over_all_pictures_is_told(data: TrainingData) -> None:
    with pytest.raises(Failure) as caught:
        TrainingLoader(data.train, HOW, (), 12, 0, world_size=2)
    assert (caught.value.code, caught.value.help) == ("too-few-pictures", "--set batch=22 or less")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("world_size", [1, 2])
def test_validation_is_what_the_runtime_reads(workers: int, world_size: int, data: TrainingData) -> None:
    assert data.val is not None
    seen = []
    for rank in range(world_size):
        loader = ValidationLoader(data.val, HOW, 4, workers, rank, world_size)
        batches = [*loader]
        assert same(batches, [*loader])
        mine = [at for at in range(rank, len(data.val), world_size) if not data.val.name(at).endswith("a/01.png")]
        expected = [read_input(data.val.source(at), "", HOW) for at in mine]
        assert np.array_equal(torch.cat([batch.images for batch in batches]).numpy(), np.stack(expected))
        assert torch.cat([batch.targets for batch in batches]).tolist() == [data.val.target(at) for at in mine]
        assert len(loader.broken) == (rank == 1 or world_size == 1)
        seen += mine
        loader.close()
    assert len(seen) == 8


def children(pid: int) -> list[int]:
    """The processes that this one started and that still run."""
    found = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = each.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(each.parent.name))
    return found


def test_a_killed_worker_is_told(data: TrainingData) -> None:
    before = {*children(os.getpid())}
    loader = TrainingLoader(data.train, HOW, EVERYTHING, 4, 7, workers=1)
    batches = loader.epoch(0)
    next(batches)

    @worker_faults()
    def kill_and_go_on() -> None:
        # the system may tell the end at once, wherever this is
        for worker in {*children(os.getpid())} - before:
            os.kill(worker, signal.SIGKILL)
        [*batches, *loader.epoch(1)]

    with pytest.raises(Failure) as caught:
        kill_and_go_on()
    assert (caught.value.code, caught.value.exit_code) == ("worker-ended", 3)
    loader.close()


class CutOff:
    """Workers as torch shows them when one is killed and the machine is busy: its connection is closed, and of its end comes word later."""

    num_workers = 1

    def __init__(self) -> None:
        self._iterator: CutOff | None = self

    def __iter__(self) -> CutOff:
        return self

    def __next__(self) -> None:
        raise ConnectionResetError(104, "Connection reset by peer")

    def _shutdown_workers(self) -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")


def test_the_end_of_a_worker_is_told_once(data: TrainingData) -> None:
    """What comes second must not be raised wherever the run is by then."""
    loader = TrainingLoader(data.train, HOW, (), 4, 7, workers=1)
    cut_off = CutOff()
    loader._workers.loader = cut_off  # type: ignore[assignment]
    with pytest.raises(Failure, match="Connection reset by peer") as caught:
        next(loader.epoch(0))
    assert caught.value.code == "worker-ended" and cut_off._iterator is None


ENDLESS = """
import signal, sys
signal.signal(signal.SIGTERM, signal.default_int_handler)
from archc.runtime.preprocess import Preprocess
from archc.training.data import open_data
from archc.training.data.loader import TrainingLoader
from archc.training.recipe.recipe import DataRules
how = Preprocess.parse({}, (3, 32, 32))
loader = TrainingLoader(open_data(DataRules(), sys.argv[1], None, None).train, how, (), 4, 0, workers=2)
try:
    for epoch in range(10**9):
        for batch in loader.epoch(epoch):
            print(epoch, flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


ORPHAN = """
import multiprocessing, os, signal, time
from archc.training.data.loader import begin_worker
def work(first):
    while os.getppid() == first:
        time.sleep(0.01)
    begin_worker(0)
    time.sleep(10**6)
worker = multiprocessing.get_context("fork").Process(target=work, args=(os.getpid(),))
worker.start()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "sigtimedwait"), reason="asks who sent a signal")
def test_a_worker_ends_whose_first_process_was_killed_before_it_began() -> None:
    # its output is open as long as the worker is there
    ended = subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == -signal.SIGKILL and not ended.stderr


@pytest.mark.skipif(not hasattr(os, "killpg") or not Path("/proc").is_dir(), reason="asks /proc for processes")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "asleep"),
    [(signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGKILL, False)],
)
def test_no_process_is_left(end: signal.Signals, asleep: bool, data: TrainingData) -> None:
    """Ctrl-C and a SIGTERM to the group reach all processes, and only the first one answers; a kill reaches the first alone.

    Workers that sleep, as on a busy machine, get a SIGTERM of the group and the first process's own as one.
    """
    root = str(Path(data.train.name(0)).parents[2])
    running = subprocess.Popen([sys.executable, "-c", ENDLESS, root], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True)  # fmt: skip
    assert running.stdout is not None
    running.stdout.readline()
    workers = children(running.pid)
    assert len(workers) == 2
    if end == signal.SIGKILL:
        running.kill()
    else:
        for worker in workers if asleep else ():
            os.kill(worker, signal.SIGSTOP)
        os.killpg(running.pid, end)
        if asleep:
            # the first process is at its end, and waits for them
            while running.stdout.readline() not in ("interrupted\n", ""):
                pass
            time.sleep(1)
            for worker in workers:
                os.kill(worker, signal.SIGCONT)
    told, errors = running.communicate(timeout=120)
    assert errors == ""
    assert asleep or end == signal.SIGKILL or told.endswith("interrupted\n")
    until = time.monotonic() + 20
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
