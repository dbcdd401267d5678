"""A contender: what is timed, in a process of its own, so that its memory is its own and nothing of another's slows it down."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ..devices import find_device
from ..faults import RuntimeFault
from ..inputs import random_inputs
from ..packages import import_package
from ..ports import Port
from ..processes import receive_signals, start_process
from .nvml import read_used_bytes

# how long a process may take to end by itself
LAST_BREATH_S = 5


class Runner(Protocol):
    """What a contender's process has opened: `ports` are its inputs, `fixed_batch` its one batch or None, `where` the device in words.

    `reason` says why it is that device, `gpu_unusable` that a GPU seems to be here, and that `auto` could not take it.
    """

    @property
    def ports(self) -> Mapping[str, Port]: ...

    @property
    def fixed_batch(self) -> int | None: ...

    @property
    def where(self) -> str: ...

    @property
    def reason(self) -> str: ...

    @property
    def gpu_unusable(self) -> bool: ...

    def run(self, arrays: Mapping[str, Any]) -> Any:
        """Runs once on arrays by the inputs' names. Raises RuntimeFault where that fails."""


# opens a runner in the contender's process: a function at the top of a module, or a partial of one
Opener = Callable[[], Runner]


class Opened(NamedTuple):
    """What a process says when it has opened its runner: how long that took, without the imports; the rest is the runner's own."""

    start_seconds: float
    fixed_batch: int | None
    where: str
    reason: str
    gpu_unusable: bool


class Contender:
    """A contender by its `name`. Use it as a context: it starts its process, and ends it.

    `packages` are imported before its start is timed: an import costs the same, whatever is opened.
    """

    def __init__(self, name: str, opener: Opener, packages: Sequence[str] = ("numpy", "onnxruntime")) -> None:
        self.name, self.opener, self.packages = name, opener, packages
        self.gpu_bytes: int | None = 0

    def __enter__(self) -> Contender:
        """Raises RuntimeFault where the runner does not open."""
        context = multiprocessing.get_context("spawn")
        # a pipe that goes both ways would be a pair of sockets
        theirs, self.requests = context.Pipe(duplex=False)
        self.answers, back = context.Pipe(duplex=False)
        arguments = self.opener, self.packages, theirs, back, self.name
        self.process = context.Process(target=serve, args=arguments, daemon=True)
        start_process(self.process)
        theirs.close()
        back.close()
        try:
            with self.count_growth():
                self.opened = Opened(*self.receive())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.requests.close()
        self.answers.close()
        self.process.join(LAST_BREATH_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()

    def warm_up(self, batch: int, runs: int) -> None:
        """Runs `runs` times before anything is timed: kernels are chosen, and memory is taken. Raises RuntimeFault where one fails."""
        with self.count_growth():
            self.time_runs(batch, runs)

    @property
    def device_bytes(self) -> int | None:
        """The memory of an NVIDIA GPU that it has taken, if nobody else took or freed some meanwhile; None where that is not known."""
        return self.gpu_bytes if find_device(self.opened.where).is_nvidia else None

    @contextmanager
    def count_growth(self) -> Iterator[None]:
        """Counts what the memory in use on the GPUs grows by inside it: contenders open and warm up one after the other."""
        before = read_used_bytes()
        yield
        after = read_used_bytes()
        if before is None or after is None or self.gpu_bytes is None:
            self.gpu_bytes = None
        else:
            self.gpu_bytes += max(0, after - before)

    def time_runs(self, batch: int, runs: int) -> list[float]:
        """The seconds of each of `runs` runs of `batch` images. Raises RuntimeFault where one fails."""
        return [float(each) for each in self.ask("run", batch, runs)]

    def peak_bytes(self) -> int:
        """The most memory that the process has had, Python and its libraries with it; 0 where the system does not say."""
        return int(self.ask("peak", 0, 0))

    def ask(self, *request: Any) -> Any:
        """The answer to a request."""
        self.requests.send(request)
        return self.receive()

    def receive(self) -> Any:
        """The next answer. Raises the RuntimeFault that it is, and `run-failed` where the process has ended."""
        try:
            answer = self.answers.recv()
        except (EOFError, OSError):
            self.process.join(LAST_BREATH_S)
            raise RuntimeFault("run-failed", f"the process that runs {self.name} ended with {self.process.exitcode}",
                               "there was not enough memory, most likely: give fewer images at once, by --batch, or batch= in Python", 3) from None  # fmt: skip
        if isinstance(answer, RuntimeFault):
            raise answer
        return answer


def serve(opener: Opener, packages: Sequence[str], requests: Any, answers: Any, name: str) -> None:
    """The process of a contender. It ends when its pipes do, and says nothing: what is to be said is in the answers."""
    import signal

    # the terminal sends it to both; the parent decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    receive_signals()
    with suppress(EOFError, BrokenPipeError):
        answer_requests(opener, packages, requests, answers, name)


def answer_requests(opener: Opener, packages: Sequence[str], requests: Any, answers: Any, name: str) -> None:
    """Opens the runner, then answers requests. Raises EOFError where there are no more, BrokenPipeError where nobody reads the answers."""
    arrays: dict[int, dict[str, Any]] = {}
    try:
        clear_peak()
        for each in packages:
            import_package(each, "a benchmark")
        began = time.perf_counter()
        runner = opener()
        seconds = time.perf_counter() - began
        answers.send((seconds, runner.fixed_batch, runner.where, runner.reason, runner.gpu_unusable))
        while True:
            what, batch, runs = requests.recv()
            if what == "peak":
                answers.send(read_peak())
                continue
            if batch not in arrays:
                arrays.clear()
                arrays[batch] = random_inputs(runner.ports, batch, name)
            answers.send([time_once(runner, arrays[batch]) for _ in range(runs)])
    except RuntimeFault as fault:
        answers.send(fault.without_traceback())
    except MemoryError:
        answers.send(
            RuntimeFault(
                "out-of-memory",
                f"there is not enough memory to run {name}",
                "give fewer images at once, by --batch, or batch= in Python",
                3,
            )
        )


def time_once(runner: Runner, arrays: Mapping[str, Any]) -> float:
    """The seconds of one run."""
    began = time.perf_counter()
    runner.run(arrays)
    return time.perf_counter() - began


def clear_peak() -> None:
    """Has Linux forget the peak memory so far: a process begins with that of the one that started it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def read_peak() -> int:
    """The peak memory of this process in bytes since clear_peak; 0 where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
