"""A model from elsewhere in a process of its own (worker.py), with limits on time and memory.

What the model does there ends there: a crash, an endless loop and a memory that fills become a RuntimeFault each, and Ctrl-C ends the
process at once. Ended, it is started again for the next call.
"""

from __future__ import annotations

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
from typing import Any, BinaryIO, NamedTuple, cast

from .faults import RuntimeFault
from .frames import BrokenFrame, read_frame, write_frame
from .providers import DeviceChoice

MIB = 2**20
TICK_S = 0.05
OWN_MEMORY = {"cpu": 256 * MIB}  # what the process takes beside the model: Python and onnxruntime
OWN_MEMORY_ELSEWHERE = 2048 * MIB  # and a driver's context
ADVICE = ("--trust, or trust=True in Python, opens it in archc's own process, without limits: only where you know where it comes "
          "from; Session(model, limits=…) raises them")  # fmt: skip
# -c, as -m would put the folder in which a user stands before all others; the same places are searched as in this process
START = "import sys, json; sys.path[:] = json.loads(sys.argv.pop(1)); from archc.runtime.worker import main; main()"


class WorkerLimits(NamedTuple):
    """What a model from elsewhere may take, each time that it is opened or run.

    `seconds` and `memory_bytes` are there for any; the others come on top, for each MiB of the model's files and, in a run, of the
    arrays that are given.
    """

    seconds: float = 30
    memory_bytes: int = 512 * MIB
    seconds_per_model_mib: float = 1
    seconds_per_input_mib: float = 10
    memory_per_model_byte: int = 8
    memory_per_input_byte: int = 256

    def time(self, model_bytes: int, input_bytes: int) -> float:
        """Seconds for a model and inputs of so many bytes."""
        return (
            self.seconds
            + self.seconds_per_model_mib * model_bytes / MIB
            + self.seconds_per_input_mib * input_bytes / MIB
        )

    def memory(self, model_bytes: int, input_bytes: int) -> int:
        """Bytes for a model and inputs of so many bytes."""
        return self.memory_bytes + self.memory_per_model_byte * model_bytes + self.memory_per_input_byte * input_bytes


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
        self, path: Path, device: str, threads: int | None, doubt: str, model_bytes: int, limits: WorkerLimits
    ) -> None:
        """Raises RuntimeFault for a model that does not load within its limits, and for a device that cannot be used."""
        self.path, self.device, self.threads = path, device, threads
        self.doubt, self.model_bytes, self.limits = doubt, model_bytes, limits
        self.folder = current_folder()
        self.lock = threading.Lock()
        self.process: Process | None = None
        with self.lock:
            opened = self.open()
        self.inputs, self.outputs = ([RemotePort(*port) for port in opened[key]] for key in ("inputs", "outputs"))
        self.providers = [str(each) for each in opened["providers"]]
        self.choice = DeviceChoice(str(opened["device"]), (), str(opened["reason"]))

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

    def count_nodes(self, names: Sequence[str], arrays: Mapping[str, Any]) -> dict[str, int]:
        """How many nodes each provider ran in one profiled run; raises as `run` does."""
        return dict(self.call("count", names, arrays)[0]["counts"])

    def call(self, what: str, names: Sequence[str], arrays: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
        """The answer of the process, which is started again where it has ended."""
        with self.lock:
            if self.process is None or self.process.owner != os.getpid():  # a copy of this process has none of its own
                self.open()
            head = {"do": what, "inputs": [*arrays], "outputs": [*names]}
            size = sum(getattr(array, "nbytes", 0) for array in arrays.values())
            return self.ask(head, [*arrays.values()], "run", size)

    def open(self) -> dict[str, Any]:
        """Starts the process and opens the model there; what it says of it."""
        self.process = Process(self.folder)
        weakref.finalize(self, self.process.end)
        head = {"do": "open", "path": str(self.path), "device": self.device, "threads": self.threads}
        return self.ask(head, [], "opened", 0)[0]

    def ask(
        self, head: dict[str, Any], values: list[Any], doing: str, input_bytes: int
    ) -> tuple[dict[str, Any], list[Any]]:
        """Sends a frame and reads the answer, within the limits. However it fails but by a fault of the model's own, the process ends."""
        assert self.process is not None
        process, told = self.process, f"`{self.path}`"
        memory = self.limits.memory(self.model_bytes, input_bytes)
        seconds = self.limits.time(self.model_bytes, input_bytes)
        device = self.choice.device if hasattr(self, "choice") else self.device
        watch = Watch(process, seconds, memory + OWN_MEMORY.get(device, OWN_MEMORY_ELSEWHERE))
        full = RuntimeFault("model-limits", f"{told} takes over {memory // MIB:,} MiB of memory when it is {doing}: the limit for a "
                            "model from elsewhere", ADVICE)  # fmt: skip
        frame = None
        try:
            with watch:
                write_frame(process.requests, {**head, "memory": memory}, values)
                frame = read_frame(process.replies, memory)
        except (BrokenFrame, OSError):
            pass  # told below
        except BaseException:  # Ctrl-C, most likely: it must not wait for the model
            self.end()
            raise
        if frame is None:
            self.end()
            if watch.met == "time":
                raise RuntimeFault("model-limits", f"{told} takes over {seconds:,.0f} s when it is {doing}: the limit for a model from "
                                   "elsewhere", ADVICE)  # fmt: skip
            raise full if watch.met else describe_end(process, told, doing)
        answer, found = frame
        if "error" in answer:
            raise RemoteError(answer["error"])
        if "fault" in answer:
            if answer["fault"]:
                code, message, help, exit_code = answer["fault"]
                raise RuntimeFault(code, message, help, exit_code)
            raise full if device == "cpu" else MemoryError
        return answer, found

    def end(self) -> None:
        """Ends the process at once."""
        if self.process is not None:
            self.process.end()
        self.process = None


class Process:
    """The other process, and the pipes to and from it. `owner` is the process that started it."""

    def __init__(self, folder: str) -> None:
        """Starts it in `folder`. Raises RuntimeFault `device-unavailable` where there is no interpreter to start."""
        self.owner = os.getpid()
        places = json.dumps([place or folder for place in sys.path])
        theirs, self.lifeline = os.pipe()
        os.set_inheritable(theirs, True)
        try:
            self.popen = subprocess.Popen(
                [sys.executable, "-P", "-c", START, places, str(theirs)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=None if os.environ.get("ARCHC_DEBUG") else subprocess.DEVNULL,
                cwd=folder,
                close_fds=True,
                pass_fds=() if sys.platform == "win32" else (theirs,),
            )
        finally:
            os.close(theirs)
        self.requests = cast(BinaryIO, self.popen.stdin)
        self.replies = cast(BinaryIO, self.popen.stdout)

    def end(self) -> None:
        """Ends it at once, and waits until it has ended. Only its owner can."""
        if self.owner != os.getpid() or self.lifeline < 0:
            return
        self.popen.kill()
        self.popen.wait()
        for file in (self.requests, self.replies):
            try:
                file.close()
            except OSError:
                pass  # what was not sent any more
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


def describe_end(process: Process, told: str, doing: str) -> RuntimeFault:
    """The fault for a process that ended by itself while it opened or ran a model."""
    status = process.popen.returncode
    names = {int(each): each.name for each in signal.Signals}
    how = f"by {names.get(-status, f'signal {-status}')}" if status < 0 else f"with exit code {status}"
    code = "model-refused" if doing == "opened" else "run-failed"
    return RuntimeFault(code, f"onnxruntime crashed ({how}) when {told} was {doing}",
                        "the file is damaged, or made to do harm: get it again from where you trust it")  # fmt: skip
