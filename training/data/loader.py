"""Batches of pictures, made by worker processes, in an order and with random numbers that do not depend on how many of them there are.

A worker makes a whole batch from its plan, so what a batch holds depends on the plan alone. Workers are forked where the system can do that. torch's threads are about then, as
in every training loop with torch's own default: a worker computes with one thread, so that it never needs the threads that a fork leaves behind, does not touch the
device, and imports nothing, as all that it needs is loaded before. A fresh interpreter a worker (spawn, forkserver) would import torch again, which takes seconds, and copy
the list of pictures. Where there is no fork, the system's own way is taken.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
import threading
import warnings
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from ...compiler.counts import count_of
from ...compiler.diagnostics import Failure
from ...runtime.cores import count_cores
from ...runtime.faults import PictureFault, RuntimeFault
from ...runtime.images import read_input
from ...runtime.preprocess import Preprocess
from ...runtime.processes import receive_signals, signals_blocked
from ..augment.batches import BatchMixer
from ..augment.draws import Purpose, open_draws
from ..augment.pictures import Augmenter
from ..recipe.recipe import Augmentation
from .order import BatchPlan, EpochOrder
from .pictures import PictureSet
from .worker_faults import worker_faults

MOST_WORKERS = 8
# the batches that a worker has ready or in work
PREFETCH = 2
# how often a worker looks whether the first process is still there, in seconds
ORPHAN_CHECK_S = 2.0


class PictureBatch(NamedTuple):
    """`images` float32 (n, C, H, W); `targets` int64 (n,), or float32 (n, classes) where pictures are mixed.

    `broken` are the pictures that could not be read and were not told before: name and why.
    """

    images: torch.Tensor
    targets: torch.Tensor
    broken: tuple[tuple[str, str], ...] = ()


class MadeBatch(NamedTuple):
    """What a worker sends: a batch with all of its broken pictures, or the fault that it met."""

    batch: PictureBatch | None
    fault: RuntimeFault | None = None


def share_workers(wanted: int | None, processes: int = 1) -> int:
    """How many workers each of `processes` on this machine has: as the recipe says, or a core each of the process's share, at most 8."""
    return wanted if wanted is not None else max(1, min(MOST_WORKERS, count_cores() // processes))


class TrainingBatches(Dataset[MadeBatch]):
    """Plans to batches: each picture decoded, changed by its own random numbers, normalised; all mixed if the recipe says so.

    A picture that cannot be read is replaced by the next one of the epoch's order that can, with the random numbers of the first.
    """

    def __init__(self, pictures: PictureSet, augmenter: Augmenter, mixer: BatchMixer, order: EpochOrder, broken: int):
        self.pictures, self.augmenter, self.mixer, self.order, self.broken = pictures, augmenter, mixer, order, broken
        self.known: tuple[int, Any] = (-1, None)

    def __getitem__(self, plan: BatchPlan) -> MadeBatch:
        with one_thread():
            try:
                return MadeBatch(self.make(plan))
            except RuntimeFault as fault:
                return MadeBatch(None, fault)

    def make(self, plan: BatchPlan) -> PictureBatch:
        """The batch of a plan."""
        broken: list[tuple[str, str]] = []
        targets: list[int] = []
        images = empty_images(len(plan.pictures), self.augmenter.how)
        for at, (place, index) in enumerate(zip(plan.places.tolist(), plan.pictures.tolist(), strict=True)):
            draws = (plan.epoch, index)
            for tried in range(len(self.pictures)):
                try:
                    images[at] = torch.from_numpy(self.read(index, *draws))
                    break
                except PictureFault as fault:
                    broken.append((self.pictures.name(index), fault.message))
                    # over the limit it ends anyway
                    if len(dict(broken)) > self.broken:
                        return PictureBatch(images[:0], torch.empty(0), tuple(broken))
                index = int(self.permute(plan.epoch)[(place + tried + 1) % len(self.pictures)])
            else:
                raise RuntimeFault("broken-pictures", f"none of the {len(self.pictures):,} training pictures can be read: {broken[0][1]}", "look at how they are stored; in a .csv, at its paths")  # fmt: skip
            targets.append(self.pictures.target(index))
        mixed = self.mixer(images, torch.tensor(targets, dtype=torch.int64), plan.epoch, plan.number)
        return PictureBatch(*mixed, tuple(dict.fromkeys(broken)))

    def read(self, index: int, epoch: int, drawn_for: int) -> Any:
        """A picture as the model's input, changed by the random numbers of the picture `drawn_for`."""
        draws = open_draws(Purpose.PICTURE, self.order.seed, epoch, drawn_for)
        return self.augmenter(self.pictures.source(index), self.pictures.name(index), draws)

    def permute(self, epoch: int) -> Any:
        """The order of an epoch, which is worked out anew only where a picture is broken."""
        if self.known[0] != epoch:
            self.known = (epoch, self.order.permute(epoch))
        return self.known[1]


class ValidationBatches(Dataset[MadeBatch]):
    """Numbers of pictures to batches, as the model will see them; what cannot be read is left out."""

    def __init__(self, pictures: PictureSet, how: Preprocess) -> None:
        self.pictures, self.how = pictures, how

    def __getitem__(self, chosen: Sequence[int]) -> MadeBatch:
        images = empty_images(len(chosen), self.how)
        targets: list[int] = []
        broken: list[tuple[str, str]] = []
        for index in chosen:
            name = self.pictures.name(index)
            try:
                images[len(targets)] = torch.from_numpy(read_input(self.pictures.source(index), name, self.how))
                targets.append(self.pictures.target(index))
            except PictureFault as fault:
                broken.append((name, fault.message))
            except RuntimeFault as fault:
                return MadeBatch(None, fault)
        return MadeBatch(
            PictureBatch(images[: len(targets)], torch.tensor(targets, dtype=torch.int64), tuple(dict.fromkeys(broken)))
        )


def empty_images(count: int, how: Preprocess) -> torch.Tensor:
    """Memory for a batch; in a worker it is shared with the first process, so that the batch is not copied."""
    images = torch.empty((count, *how.size), dtype=torch.float32)
    # torch does not say what it gives
    share: Any = images.share_memory_
    return share() if get_worker_info() else images


class PlanSource:
    """What the workers are to make next; set anew for each pass, as they stay from pass to pass."""

    def __init__(self) -> None:
        self.plans: Iterable[Any] = ()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.plans)


class BatchWorkers:
    """Worker processes that make batches of a dataset; they are started at the first pass and stay for all others."""

    def __init__(self, dataset: Dataset[MadeBatch], workers: int, pin: bool) -> None:
        self.plans, self.owner = PlanSource(), os.getpid()
        several: dict[str, Any] = {}
        if workers:
            fork = "fork" in multiprocessing.get_all_start_methods() and multiprocessing.get_start_method() != "spawn"
            several = {"multiprocessing_context": "fork" if fork else None, "persistent_workers": True,
                       "prefetch_factor": PREFETCH, "worker_init_fn": begin_worker}  # fmt: skip
        with warnings.catch_warnings():
            # of torch, that the machine has fewer cores: the recipe says how many workers there are
            warnings.simplefilter("ignore")
            # its own generator, as it draws from torch's otherwise, which belongs to the net
            self.loader = DataLoader(dataset, batch_size=None, sampler=self.plans, num_workers=workers, collate_fn=keep,
                                     pin_memory=pin, generator=torch.Generator(), **several)  # fmt: skip

    def make(self, plans: Iterable[Any]) -> Iterator[PictureBatch]:
        """The batches of these plans, in their order."""
        self.plans.plans = plans
        with worker_faults(fetching=self.loader.num_workers > 0):
            for each in self.fetch():
                if each.fault:
                    raise Failure.of(each.fault)
                yield each.batch

    def fetch(self) -> Iterator[Any]:
        """What the workers make, as they send it. Raises RuntimeError, OSError or EOFError where one of them has ended."""
        try:
            with warnings.catch_warnings(), signals_blocked():
                # of Python 3.12 and later, that threads are about
                warnings.simplefilter("ignore")
                OPEN.add(self)
                made = iter(self.loader)
            yield from made
        except (OSError, EOFError):
            # the connection to a worker that ends is cut off before the system tells of its end: that is waited for here, or torch would
            # raise it a second time, wherever the run is by then
            self.close()
            raise

    def close(self) -> None:
        """Ends the workers. What stands behind it may use the loader again, which starts new ones."""
        made, self.loader._iterator = self.loader._iterator, None
        if made is not None:
            # a worker that the system has killed may be told here, too, and what there is to say of it is said already
            with suppress(Failure), worker_faults():
                made._shutdown_workers()  # type: ignore[attr-defined]


# those that may have workers
OPEN: weakref.WeakSet[BatchWorkers] = weakref.WeakSet()


def close_all() -> None:
    """Ends what workers are left when Python ends. multiprocessing would send each a SIGTERM and wait for its end without a limit; where a SIGTERM of
    anybody else has come and the worker had no time to take it yet, the system makes one of the two, and the worker goes on for ever."""
    for each in [*OPEN]:
        # a fork of this process has them, too, and they are not its own
        if each.owner == os.getpid():
            each.close()


# behind torch's own, which is registered when it is imported: so this is called before
atexit.register(close_all)


def keep(made: Any) -> Any:
    """A batch as the dataset gave it."""
    return made


def begin_worker(number: int) -> None:
    """Said in a worker when it starts. Ctrl-C, or a SIGTERM to the whole group, reaches all processes, and the first one ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    sys.excepthook = tell_unless_cut_off
    torch.set_num_threads(1)
    if hasattr(signal, "sigtimedwait"):
        # SIGTERM stays held back, and a thread asks who sent it
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        first = multiprocessing.parent_process()
        assert first is not None and first.pid is not None
        threading.Thread(target=end_when_told, args=(first.pid,), daemon=True).start()
    else:
        receive_signals()


def end_when_told(first: int) -> None:
    """Ends this worker at a SIGTERM of the `first` process, and when that is no more. A SIGTERM of anybody else is meant for that process, which
    takes its step to the end.

    Torch looks for the first process, too, but asks who it is only when the worker has begun: where it was killed before, for ever in vain.
    """
    while os.getppid() == first:
        told = signal.sigtimedwait([signal.SIGTERM], ORPHAN_CHECK_S)
        if told is not None and told.si_pid == first:
            break
    os._exit(0)


def tell_unless_cut_off(kind: type[BaseException], error: BaseException, frames: Any) -> None:
    """A worker says nothing where the first process ended while it was sending to it."""
    if not issubclass(kind, (OSError, EOFError)):
        sys.__excepthook__(kind, error, frames)


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside it torch computes with one thread, as a worker does: a mean over a picture rounds otherwise with several."""
    before = torch.get_num_threads()
    if before != 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if before != 1:
            torch.set_num_threads(before)


class TrainingLoader:
    """The training pictures in batches, epoch by epoch. `batch` is that of one pass of this process, and a step has `accumulate` of them.

    `broken` is how many pictures may be unreadable; each process counts its own. `pin` puts batches where a CUDA device loads them faster.
    """

    def __init__(
        self, pictures: PictureSet, how: Preprocess, augment: Sequence[Augmentation], batch: int, seed: int, rank: int = 0,
        world_size: int = 1, workers: int = 0, broken: int = 100, pin: bool = False, accumulate: int = 1,
    ) -> None:  # fmt: skip
        parts = world_size * accumulate
        if batch * parts > len(pictures):
            raise Failure("too-few-pictures", f"the batch of {batch * parts:,} is larger than the {count_of(len(pictures), 'training picture')}",
                          f"--set batch={len(pictures) // parts * parts or parts} or less")  # fmt: skip
        self.order = EpochOrder(len(pictures), batch, seed, rank, world_size, accumulate)
        self.limit = broken
        # the pictures that could not be read so far, and why
        self.broken: dict[str, str] = {}
        mixer = BatchMixer(augment, pictures.classes, seed, rank)
        dataset = TrainingBatches(pictures, Augmenter(how, augment), mixer, self.order, broken)
        self._workers = BatchWorkers(dataset, min(workers, self.order.batches), pin)

    @property
    def batches_per_epoch(self) -> int:
        """How many batches `epoch` gives from its beginning on."""
        return self.order.batches

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[PictureBatch]:
        """The batches of an epoch from `start_batch` on; the same ones, whatever came before.

        Raises Failure `broken-pictures` where more pictures cannot be read than may be.
        """
        for batch in self._workers.make(self.order.plan(epoch, start_batch)):
            new = tuple((name, why) for name, why in batch.broken if name not in self.broken)
            self.broken.update(new)
            # whoever takes the batch may write down what is broken before it ends
            if len(batch.targets):
                yield batch._replace(broken=new)
            if len(self.broken) > self.limit:
                last = list(self.broken.values())[-1]
                raise Failure("broken-pictures", f"{count_of(len(self.broken), 'picture')} could not be read, and the recipe allows {self.limit:,}; the last: {last}",
                              f"mend or remove them; or allow more: --set data.broken={2 * len(self.broken)}")  # fmt: skip

    def close(self) -> None:
        """Ends the worker processes."""
        self._workers.close()


class ValidationLoader:
    """The validation pictures in their order, each once over all processes, as the runtime prepares them.

    Process r has every `world_size`-th from the r-th on, so one process may have a batch less than another. What cannot be read is left out.
    """

    def __init__(
        self, pictures: PictureSet, how: Preprocess, batch: int, workers: int = 0, rank: int = 0, world_size: int = 1, pin: bool = False,
    ) -> None:  # fmt: skip
        self.pictures, self.how, self.batch, self.rank, self.world_size = pictures, how, batch, rank, world_size
        self.broken: dict[str, str] = {}
        self.workers = workers
        # more workers than there are batches would have nothing to do
        batches = -(-len(range(rank, len(pictures), world_size)) // batch)
        self._workers = BatchWorkers(ValidationBatches(pictures, how), min(workers, batches), pin)

    def __iter__(self) -> Iterator[PictureBatch]:
        """No batch is empty; `broken` has all pictures that could not be read."""
        mine = range(self.rank, len(self.pictures), self.world_size)
        for batch in self._workers.make(mine[at : at + self.batch] for at in range(0, len(mine), self.batch)):
            new = tuple((name, why) for name, why in batch.broken if name not in self.broken)
            self.broken.update(new)
            if len(batch.targets):
                yield batch._replace(broken=new)

    @contextmanager
    def whole(self) -> Iterator[ValidationLoader]:
        """Inside it all pictures in one process: this loader where there is no other process, else one with as many workers."""
        if self.world_size == 1:
            yield self
            return
        found = ValidationLoader(self.pictures, self.how, self.batch, self.workers)
        try:
            yield found
        finally:
            found.close()

    def close(self) -> None:
        """Ends the worker processes."""
        self._workers.close()
