"""A model from elsewhere in a process of its own (worker.py), with limits on time and memory.

What the model does there ends there: a crash, an endless loop and a memory that fills become a RuntimeFault each, and Ctrl-C ends the
process at once. Ended, it is started again for the next call.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from .devices import DeviceChoice
from .devices.device import NOTHING
from .faults import RuntimeFault
from .frames import BrokenFrame, FrameTooLarge, read_frame, write_frame
from .limits import MIB, WorkerLimits
from .refusals import shorten

if TYPE_CHECKING:
    from .profile.record import Recording

TICK_S = 0.05
# how long a process whose pipe is closed may take to end, before it is ended
LAST_BREATH_S = 5
# what the process takes beside the model: Python and onnxruntime, and elsewhere a driver's context
OWN_MEMORY = {"cpu": 256 * MIB}
OWN_MEMORY_ELSEWHERE = 2048 * MIB
ADVICE = ("--trust, or trust=True in Python, opens it in archc's own process, without limits: only where you know where it comes "
          "from; Session(model, limits=…) raises them")  # fmt: skip
# -c, as -m would put the folder in which a user stands before all others; the same places are searched as in this process
START = "import sys, json; sys.path[:] = json.loads(sys.argv.pop(1)); from archc.runtime.worker import main; main()"


class RemotePort(NamedTuple):
    """An input or output as onnxruntime describes it: its name, its type in onnxruntime's words, and its shape."""

    name: str
    type: str
    shape: list[int | str | None]


class RemoteError(Exception):
    """What onnxruntime raised in the other process, in its words."""


def current_folder() -> str:
    """The current folder; the root where it has been removed, for then no relative path means anything."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return os.path.abspath(os.sep)


class RemoteEngine:
    """A model in onnxruntime, in a process of its own; it is asked as inference.Engine is. `doubt` says why it runs there."""

    def __init__(
        self, path: Path, device: str, threads: int | None, doubt: str, model_bytes: int, limits: WorkerLimits,
        asked: Mapping[str, str] = NOTHING,
    ) -> None:  # fmt: skip
        """Raises RuntimeFault for a model that does not load within its limits, and for a device that cannot be used."""
        self.path, self.device, self.threads, self.asked = path, device, threads, dict(asked)
        self.doubt, self.model_bytes, self.limits = doubt, model_bytes, limits
        self.folder = current_folder()
        self.lock = threading.Lock()
        self.process = Process(self.folder)
        weakref.finalize(self, self.process.end)
        with self.lock:
            opened = self.open()
        self.inputs, self.outputs = ([RemotePort(*port) for port in opened[key]] for key in ("inputs", "outputs"))
        self.providers = [str(each) for each in opened["providers"]]
        self.nodes = {str(provider): int(count) for provider, count in opened["nodes"].items()}
        settings = {str(name): str(value) for name, value in opened["settings"].items()}
        self.choice = DeviceChoice(str(opened["device"]), (), str(opened["reason"]), str(opened["precision"]), settings,
                                   bool(opened["gpu_unusable"]))  # fmt: skip

    def get_inputs(self) -> Sequence[RemotePort]:
        """Its inputs, each with a name, a type in onnxruntime's words and a shape."""
        return self.inputs

    def get_outputs(self) -> Sequence[RemotePort]:
        """Its outputs, as its inputs."""
        return self.outputs

    def get_providers(self) -> Sequence[str]:
        """The providers in the order in which they are asked."""
        return self.providers

    def run(self, names: Sequence[str], arrays: Mapping[str, Any]) -> list[Any]:
        """The outputs `names` for arrays that fit its inputs.

        Raises RuntimeFault where a limit is met or the process ends, RemoteError where onnxruntime raises.
        """
        return self.call("run", names, arrays)[1]

    def record(self, names: Sequence[str], arrays: Mapping[str, Any], runs: int, warm_up: int) -> Recording:
        """What onnxruntime measures of its kernels in `runs` runs after `warm_up`; raises as `run` does."""
        from .profile.record import KernelTime, Recording

        found = self.call("record", names, arrays, runs=runs, warm_up=warm_up)[0]
        kernels = [KernelTime(*each)._replace(values=tuple(each[4])) for each in found["kernels"]]
        return Recording(tuple(kernels), float(found["run_seconds"]))

    def call(
        self, what: str, names: Sequence[str], arrays: Mapping[str, Any], **more: int
    ) -> tuple[dict[str, Any], list[Any]]:
        """The answer of the process, which is started again where it has ended. `more` goes into the head of the frame."""
        with self.lock:
            # somebody else may have ended it between two calls: that is no doing of the model
            if self.process.is_running and self.process.popen.poll() is not None:
                self.process.end()
            if not self.process.is_running:
                self.open()
            head = {"do": what, "inputs": [*arrays], "outputs": [*names], **more}
            size = sum(getattr(array, "nbytes", 0) for array in arrays.values())
            return self.ask(head, [*arrays.values()], "run", size)

    def give_memory_back(self, names: Sequence[str], arrays: Mapping[str, Any]) -> None:
        """Ends the process, whose memory is free then; the next call starts it again."""
        with self.lock:
            self.process.end()

    def open(self) -> dict[str, Any]:
        """Starts the process and opens the model there; what it says of it. Raises RuntimeFault, and ends the process, where it does not load."""
        head = {
            "do": "open",
            "path": str(self.path),
            "device": self.device,
            "threads": self.threads,
            "options": self.asked,
        }
        self.process.start()
        try:
            return self.ask(head, [], "opened", 0)[0]
        except RemoteError as error:
            self.process.end()
            raise RuntimeFault("model-refused", f"onnxruntime cannot load `{self.path}`: {shorten(str(error))}",
                               "archc doctor says what is wrong with onnxruntime here") from None  # fmt: skip
        except BaseException:
            self.process.end()
            raise

    def ask(
        self, head: dict[str, Any], values: list[Any], doing: str, input_bytes: int
    ) -> tuple[dict[str, Any], list[Any]]:
        """Sends a frame and reads the answer, within the limits. However it fails but by a fault of the model's own, the process ends."""
        memory = self.limits.memory(self.model_bytes, input_bytes)
        seconds = self.limits.time(self.model_bytes, input_bytes)
        device = self.choice.device if hasattr(self, "choice") else self.device
        watch = Watch(self.process, seconds, memory + OWN_MEMORY.get(device, OWN_MEMORY_ELSEWHERE))
        over_memory = f"takes over {memory // MIB:,} MiB of memory when it is {doing}"
        frame, step = None, "is given"
        try:
            with watch:
                write_frame(self.process.requests, {**head, "memory": memory}, values)
                step = "answers with"
                frame = read_frame(self.process.replies, memory)
        except FrameTooLarge as error:
            self.process.end()
            raise self.limit_fault(f"{step} {error}") from None
        except (BrokenFrame, OSError):
            # told below
            pass
        # Ctrl-C, most likely: it must not wait for the model
        except BaseException:
            self.process.end()
            raise
        # the watch may have ended it just when the answer came: then the answer holds, and the next call starts it again
        if frame is None or watch.met:
            status = self.process.end(0 if watch.met else LAST_BREATH_S)
        if frame is None:
            if watch.met == "time":
                raise self.limit_fault(f"takes over {seconds:,.0f} s when it is {doing}")
            raise self.limit_fault(over_memory) if watch.met else describe_end(status, f"`{self.path}`", doing)
        answer, found = frame
        if "too_large" in answer:
            raise self.limit_fault(f"answers with {answer['too_large']}")
        if "error" in answer:
            raise RemoteError(answer["error"])
        if "fault" in answer:
            if answer["fault"]:
                code, message, help, exit_code = answer["fault"]
                raise RuntimeFault(code, message, help, exit_code)
            # while `auto` opens, a device that lacks memory is left for the CPU: what lacks it in the end is the CPU
            raise self.limit_fault(over_memory) if device in ("cpu", "auto") else MemoryError
        return answer, found

    def limit_fault(self, what: str) -> RuntimeFault:
        """The fault for a model that does `what` no model from elsewhere may."""
        return RuntimeFault("model-limits", f"`{self.path}` {what}: the limit for a model from elsewhere", ADVICE)


class Process:
    """The other process, and the pipes to and from it: started, ended, and started again. `owner` is the process that started it."""

    def __init__(self, folder: str) -> None:
        """It will run in `folder`."""
        self.folder = folder
        self.owner = 0
        self.lifeline = -1

    @property
    def is_running(self) -> bool:
        """Whether it was started and not ended since. A copy of the process that started it has none of its own."""
        return self.lifeline >= 0 and self.owner == os.getpid()

    def start(self) -> None:
        """Starts it. Raises RuntimeFault `device-unavailable` where there is no interpreter to start, or the system starts no more."""
        places = json.dumps([os.fsdecode(place) or self.folder for place in sys.path])
        pipe: tuple[int, ...] = ()
        try:
            pipe = theirs, ours = os.pipe()
            self.popen = subprocess.Popen(
                [sys.executable or "", "-P", "-c", START, places, str(theirs)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=None if os.environ.get("ARCHC_DEBUG") else subprocess.DEVNULL,
                cwd=self.folder,
                close_fds=True,
                pass_fds=() if sys.platform == "win32" else (theirs,),
            )
        except BaseException as error:
            for end in pipe:
                os.close(end)
            if isinstance(error, OSError):
                raise describe_no_start(error) from None
            raise
        os.close(theirs)
        self.owner, self.lifeline = os.getpid(), ours
        self.requests = cast(BinaryIO, self.popen.stdin)
        self.replies = cast(BinaryIO, self.popen.stdout)

    def end(self, patience_s: float = 0) -> int | None:
        """Ends it, and waits until it has ended. Only its owner can.

        Gives how it ended by itself within `patience_s`, as `Popen.returncode` says it; None where it did not.
        """
        if not self.is_running:
            return None
        try:
            return self.popen.wait(patience_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.popen.kill()
            self.popen.wait()
            for file in (self.requests, self.replies):
                try:
                    file.close()
                except OSError:
                    # what was not sent any more
                    pass
            os.close(self.lifeline)
            self.lifeline = -1

    def memory_bytes(self) -> int:
        """The memory that it has to itself; 0 where the system does not say."""
        try:
            with open(f"/proc/{self.popen.pid}/status", encoding="ascii", errors="replace") as file:
                return next((int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon:")), 0)
        except OSError:
            return 0


class Watch:
    """Ends a process that takes too long or too much memory while the `with` block runs. `met` says which: time or memory."""

    def __init__(self, process: Process, seconds: float, memory_bytes: int) -> None:
        self.process, self.seconds, self.memory_bytes = process, seconds, memory_bytes
        self.met = ""
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def look(self) -> None:
        """Looks again and again, until the block is over."""
        until = time.monotonic() + self.seconds
        while not self.over.wait(TICK_S):
            if time.monotonic() > until:
                self.met = "time"
            elif self.process.memory_bytes() > self.memory_bytes:
                self.met = "memory"
            if self.met:
                self.process.popen.kill()
                break


def describe_no_start(error: OSError) -> RuntimeFault:
    """The fault for a process that the system does not start."""
    why = f"{error.strerror or error}{f': `{error.filename}`' if error.filename else ''}"
    help = "sys.executable names no Python that starts: run archc by one that does"
    if error.errno in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE):
        help = "the machine has no room for one more: end other processes, or raise the limit (ulimit -u, ulimit -n, ulimit -v)"
    return RuntimeFault("device-unavailable", f"the process for a model from elsewhere does not start: {why}",
                        f"{help}; or --trust, trust=True in Python, if you know where the model comes from", 3)  # fmt: skip


def describe_end(status: int | None, told: str, doing: str) -> RuntimeFault:
    """The fault for a process that ended with `status` by itself while it opened or ran a model; None where it did not end."""
    code = "model-refused" if doing == "opened" else "run-failed"
    # who opens a model adds where to get another
    elsewhere = ": get it again from where you trust it" if doing == "run" else ""
    help = f"the file is damaged, or made to do harm{elsewhere}"
    if status is None:
        return RuntimeFault(code, f"the process of {told} answered with what is no answer when it was {doing}", help)
    names = {int(each): each.name for each in signal.Signals}
    how = f"by {names.get(-status, f'signal {-status}')}" if status < 0 else f"with exit code {status}"
    return RuntimeFault(code, f"onnxruntime crashed ({how}) when {told} was {doing}", help)
